"""A trained network that only answers."""

import warnings

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from kdlab import rows
from kdlab.metrics.answers import answers
from kdlab.progress_bar import progress_bar


class Teacher:
    """A trained network that only answers: frozen, in eval mode, never part of a student.

    It is not a Module, so a student that holds one does not list its weights in
    ``parameters()`` or ``state_dict()``, and ``student.train()`` does not reach it.

    Parameters
    ----------
    network : Module
        Trained: a timm-style classifier, or any other where no layers are asked for. Its parameters are
        frozen in place.
    name : str
    num_classes, in_chans, input_size : int
        What it was trained on; images of another shape are refused. A teacher of anything else has
        neither channels nor a size.
    mean, std : sequence of float, optional
        Of each channel: the images are normalised with them, as in the teacher's own training.
    card : dict, optional
        How it was made.
    classes : sequence of str, optional
        Their names, where the weights came with them.
    """

    asks_in_batches = True  # and answers from memory where it can: see __call__

    def __init__(
        self, network, *, name, num_classes, in_chans=None, input_size=None, mean=(0.0,), std=(1.0,),
        card=None, classes=None,
    ):  # fmt: skip
        self.network = network.eval().requires_grad_(False)
        self.name, self.card, self.classes = name, card or {}, tuple(classes or ())
        self.num_classes, self.in_chans, self.input_size = num_classes, in_chans, input_size
        self.mean, self.std = (torch.tensor(m, dtype=torch.float32).view(-1, 1, 1) for m in (mean, std))
        self._answers = WeakTensorKeyDictionary()

    def __getstate__(self):
        return {**self.__dict__, "_answers": None}

    def __setstate__(self, state):
        self.__dict__.update(state, _answers=WeakTensorKeyDictionary())

    def train(self, mode=True):
        """Stays in eval mode: its answers must not depend on who trains beside it."""
        return self

    eval = train

    def to(self, device):
        """Move the network; returns the teacher. Answers come back on the images' device."""
        self.network.to(device)
        self._answers.clear()
        return self

    def parameters(self):
        """Nothing to train."""
        return iter(())

    def fit_or_raise(self, *, num_classes=None, in_chans=None, input_size=None):
        """Raise ValueError, naming both numbers, where the data is not what it was trained on."""
        for what, ours, theirs in (
            ("classes", self.num_classes, num_classes),
            ("channels", self.in_chans, in_chans),
            ("pixels a side", self.input_size, input_size),
        ):
            if None not in (ours, theirs) and ours != theirs:
                raise ValueError(f"teacher {self.name!r} has {ours} {what}, the data has {theirs}")

    def outputs(self, inputs, layers=(), *, batch_size=64, progress=False):
        """Logits, chosen feature maps and embedding of any number of inputs, in batches.

        Parameters
        ----------
        inputs : Tensor of shape (N, in_chans, input_size, input_size), or what else it was trained on
        layers : sequence of int
            As in :func:`kdlab.models.forward`, which also says what comes back.

        Raises
        ------
        ValueError
            If channels or size are not those it was trained on, or there are no inputs.
        """
        count, device = rows.count(inputs), rows.leaves(inputs)[0].device
        if self.in_chans is not None:
            self._check_images(inputs)
        if count == 0:
            raise ValueError(f"inputs {rows.shapes(inputs)} are empty: give teacher {self.name!r} at least 1")
        bar = progress_bar(
            rows.batches(inputs, batch_size), what=f"teacher {self.name}", unit="batch", shown=progress,
            total=-(-count // batch_size),
        )  # fmt: skip
        return answers(self.network, map(self._normalised, bar), layers, device=device)

    def _check_images(self, images):
        if images.ndim != 4 or len(images) == 0:
            raise ValueError(f"images {tuple(images.shape)} must be (N, channels, height, width), N >= 1")
        self.fit_or_raise(in_chans=images.shape[1], input_size=images.shape[2])
        self.fit_or_raise(input_size=images.shape[3])

    def _normalised(self, batch):
        return batch if self.in_chans is None else (batch - self.mean.to(batch)) / self.std.to(batch)

    def __call__(self, inputs, **options):
        """Logits (N, num_classes), or all heads of a network that has several; see :meth:`outputs`.

        Asked twice about the same tensor, it answers from memory for as long as the tensor lives
        unchanged: the arms of a study share their inputs.
        """
        # Tensors of inference mode keep no count of their changes.
        if not torch.is_tensor(inputs) or inputs.is_inference():
            return self.outputs(inputs, **options).logits
        version, logits = self._answers.get(inputs, (None, None))
        if version != inputs._version:
            logits = self.outputs(inputs, **options).logits
            self._answers[inputs] = inputs._version, logits
        return rows.each(torch.clone, logits)

    def __repr__(self):
        size = sum(p.numel() for p in self.network.parameters())
        return f"Teacher({self.name!r}, {size:,} parameters, {self.num_classes} classes)"


def size_ratio(teacher, student):
    """How many times more parameters the teacher has than the student; each a Teacher or a Module.

    Warns, with both sizes, where the teacher is the smaller one: more often a mix-up than a plan.
    """
    networks = (m.network if isinstance(m, Teacher) else m for m in (teacher, student))
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    if sizes[0] < sizes[1]:
        warnings.warn(
            f"the teacher has {sizes[0]:,} parameters, the student {sizes[1]:,}: are the two swapped?",
            stacklevel=2,
        )
    return sizes[0] / sizes[1]
