"""The student of a run, and a trial of both networks before work starts."""

import torch

from kdlab.hub import stop_waiting_for_the_hub
from kdlab.models import create_student, forward
from kdlab.names import reason, shown


def new_student(name, options, seed):
    """The student of this seed; OSError or ValueError, in one line, if it is not to be had."""
    if options.get("pretrained"):
        stop_waiting_for_the_hub()
    torch.manual_seed(seed)
    try:
        network = create_student(name, **options)
    except OSError as error:
        raise OSError(f"the weights of {name!r} are neither here nor within reach") from error
    if empty := [key for key, values in network.named_parameters() if values.numel() == 0]:
        raise ValueError(f"student {name!r} has no weights in {empty[0]}: give it a larger width")
    return network


def try_networks(student, options, teacher, match, teaching, recipe, channels):
    """Raise ValueError, before a photo is read, if a network cannot do what will be asked of it."""
    if channels not in (1, 3):
        raise ValueError(f"teacher {teacher.name!r} takes {channels or 'no'} channels: photos have 1 or 3")
    layers = [teaching.student_layer, teaching.teacher_layer] if {"hint", "attention"} & set(match) else []
    trial = new_student(student, {**options, "num_classes": 2}, recipe.seed)
    for mode in (True, False):  # some options, such as a drop rate, are looked at in training only
        _try(f"student {student!r}", trial.train(mode), layers[:1], channels, recipe.size)
    if teacher:
        _try(f"teacher {teacher.name!r}", teacher.network, layers[1:], channels, recipe.size)


def _try(what, network, layers, channels, size):
    """Raise ValueError, in one line, if a network does not take images of this size, or lacks a layer."""
    images = torch.zeros(2, channels, size, size)
    try:
        with torch.no_grad():
            forward(network, images, layers) if layers else network(images)
    except Exception as error:  # a network raises whatever it likes
        at = f", layer {shown(layers[0], repr)}," if layers else ""
        raise ValueError(f"{what}{at} does not take {size} px: {reason(error)}") from error
