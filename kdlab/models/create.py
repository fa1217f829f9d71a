"""Students by name: those of the course's own tasks, and all of timm's."""

import inspect
import re
from functools import partial

from kdlab.names import declared, nearest, reason, shown


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
        If there is no such model or option, the nearest names are suggested; or it takes no such value.
    """
    own = own_students()
    if name in own:
        asked = {"num_classes": num_classes, "in_chans": in_chans}
        given = {key: value for key, value in asked.items() if value is not None}
        return _made(name, own[name], given, options)
    import timm

    if not timm.is_model(name):
        raise ValueError(f"no model is called {name!r}{nearest(name, [*own, *timm.list_models()])}")
    digits = {"num_classes": 10 if num_classes is None else num_classes, "in_chans": in_chans or 1}
    return _made(name, partial(timm.create_model, name), digits, options)


def _made(name, kind, shape, options):
    try:
        return kind(**shape, **options)
    except OSError:
        raise  # of weights that are not here: nothing is wrong with the options
    except Exception as error:  # a network raises whatever it likes
        unknown = re.search("unexpected keyword argument '([^']+)'", str(error))
        if unknown and unknown[1] in options:
            takes = [option for option in _options_of(kind, shape) if option not in shape]
            said = f"model {name!r} has no option {shown(unknown[1], repr)}{nearest(unknown[1], takes)}"
            raise ValueError(said) from error
        asked = ", ".join(f"{key}={shown(value, repr)}" for key, value in {**shape, **options}.items())
        raise ValueError(f"model {name!r} cannot be made with {asked}: {reason(error)}") from error


def _options_of(kind, shape):
    """Names of what a class takes; of timm's models, whose functions take anything, their class's."""
    try:
        takes = inspect.signature(kind if inspect.isclass(kind) else type(kind(**shape))).parameters
    except Exception:  # it is the shape that it does not take
        return []
    return [option for option, parameter in takes.items() if parameter.kind != parameter.VAR_KEYWORD]
