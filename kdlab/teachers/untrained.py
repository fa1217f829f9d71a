"""A teacher that learned nothing and is otherwise like a trained one: the control for what was learned."""

import torch

from kdlab.models import create_student
from kdlab.teachers.teacher import Teacher

BATCH = 256
NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)


class _Scaled(Teacher):
    """A teacher whose outputs are multiplied, each by its own factor."""

    def __init__(self, network, factors, **about):
        super().__init__(network, **about)
        self._factors = factors

    def outputs(self, inputs, layers=(), **options):
        unknown = [layer for layer in layers if layer not in self._factors]
        if unknown:
            raise ValueError(f"layer {unknown[0]!r} was not scaled: name it in untrained_teacher(layers=...)")
        found = super().outputs(inputs, layers, **options)
        return _times(found, self._factors)


@torch.no_grad()
def set_statistics(network, batches):
    """Mean and variance of each batch norm over these batches of images; the weights stay."""
    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    network.train()
    for batch in batches:
        network(batch)
    network.eval()
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


def untrained_teacher(teacher, images, *, layers=(), seed=0):
    """A network of the teacher's kind with random weights, given a fair chance.

    Two things would make it too weak a control. A batch norm that never saw data passes on features that
    hardly differ from image to image: here its statistics are those of ``images``. And a loss weighs
    features by their size: here they vary from image to image as much as the trained teacher's, each output
    multiplied by one factor.

    Parameters
    ----------
    teacher : Teacher
        A shipped one, or another with its architecture and options on its card.
    images : Tensor of shape (N, channels, height, width)
        Those that the student learns from.
    layers : sequence of int or str
        The feature maps that it will be asked for; logits and embedding are always there.
    seed : int
        Of its weights. Several seeds are several untrained teachers.

    Returns
    -------
    Teacher
        Frozen, like any other.

    Raises
    ------
    ValueError
        If the teacher's card does not say how to build its kind.
    """
    if "architecture" not in teacher.card:
        raise ValueError(f"teacher {teacher.name!r} has no card with its architecture: its kind is not known")
    shape = {"num_classes": teacher.num_classes, "in_chans": teacher.in_chans}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = create_student(teacher.card["architecture"], **shape, **teacher.card["options"])
    about = {
        "name": f"untrained {teacher.name}", "input_size": teacher.input_size, **shape,
        "mean": teacher.mean.flatten().tolist(), "std": teacher.std.flatten().tolist(),
    }  # fmt: skip
    plain = Teacher(network, **about)
    set_statistics(network, ((b - teacher.mean) / teacher.std for b in images.split(BATCH)))
    ours, theirs = (_variation(t.outputs(images, layers)) for t in (plain, teacher))
    return _Scaled(network, {part: theirs[part] / ours[part] for part in ours}, **about)


def _variation(outputs):
    """By part, the root mean square deviation from the mean over images."""
    parts = {"logits": outputs.logits, "embedding": outputs.embedding, **outputs.features}
    return {name: (part - part.mean(dim=0)).square().mean().sqrt() for name, part in parts.items()}


def _times(outputs, factors):
    maps = {layer: factors[layer] * part for layer, part in outputs.features.items()}
    return outputs._replace(
        logits=factors["logits"] * outputs.logits, features=maps,
        embedding=factors["embedding"] * outputs.embedding,
    )  # fmt: skip
