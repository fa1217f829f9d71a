"""`kdlab distill`: a teacher, a student, your photos. Nothing of the course imports it."""

from kdlab.photos.loading import PhotoList, Photos, load_photos

__all__ = ["PhotoList", "Photos", "load_photos"]
