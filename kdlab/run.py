"""``kdlab distill`` from Python: ``run(...)``, whose rooms are in :mod:`kdlab.photos`."""

from kdlab.photos.run import Outcome, run

__all__ = ["Outcome", "run"]
