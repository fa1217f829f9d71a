"""Students by name: those of the course's own tasks, and all of timm's."""

from kdlab.names import declared, nearest


def own_students():
    """Students that are written here, by name: ``STUDENTS`` of each file."""
    return {name: kind for students in declared(__package__, "STUDENTS") for name, kind in students.items()}


def create_student(name, *, num_classes=None, in_chans=None, **options):
    """An untrained student by name.

    Parameters
    ----------
    name : str
        ``"tiny_cnn"``, ``"mlp"`` or any timm architecture.
    num_classes, in_chans : int, optional
        By default those of digits, 10 and 1, or of the student that is written here.
    **options
        To the model: ``width=16`` for the tiny CNN, ``output_stride=8`` for a ResNet, ...

    Raises
    ------
    ValueError
        If there is no such model; the nearest names are suggested.
    """
    own = own_students()
    if name in own:
        asked = {"num_classes": num_classes, "in_chans": in_chans}
        return own[name](**{key: value for key, value in asked.items() if value is not None}, **options)
    import timm

    if not timm.is_model(name):
        raise ValueError(f"no model is called {name!r}{nearest(name, [*own, *timm.list_models()])}")
    digits = {"num_classes": 10 if num_classes is None else num_classes, "in_chans": in_chans or 1}
    return timm.create_model(name, **digits, **options)
