"""`kdlab distill`: a teacher, a student, your photos. Nothing of the course imports it."""

__all__ = ["PhotoList", "Photos", "load_photos"]


def __getattr__(name):
    # Late: the command line's help needs the settings here, and should not wait for PyTorch.
    if name not in __all__:
        raise AttributeError(f"module 'kdlab.photos' has no attribute {name!r}")
    from kdlab.photos import loading

    return getattr(loading, name)


def __dir__():
    return [*globals(), *__all__]
