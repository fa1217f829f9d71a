"""`kdlab distill`: a teacher, a student, your photos. Nothing of the course imports it."""

from kdlab.photos.loading import Part, Photos, load_photos

__all__ = ["Part", "Photos", "load_photos"]
