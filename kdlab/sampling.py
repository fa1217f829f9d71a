"""Batches that somebody writes as training goes: the student itself, or a teacher."""

import torch

from kdlab import rows as tree
from kdlab.losses.common import NO_LABEL
from kdlab.metrics.answers import predict
from kdlab.models.outputs import evaluated
from kdlab.training import row_stream


def on_policy(generate, prompts, *, batch_size=32, seed=0):
    """Batches that the student writes as it is at that step, for a teacher to judge.

    The student then learns on the inputs that it meets when it is used, not on those of somebody else.

    Parameters
    ----------
    generate : callable
        ``generate(student, prompts)`` gives a batch of inputs for the student, from a batch of prompts.
        It is called without gradients, with the student in eval mode.
    prompts : Tensor, or tuple or dict of Tensor
        A row a prompt; taken from a stream of reshuffled epochs.
    batch_size, seed : int
        The seed is that of the order of the prompts.

    Returns
    -------
    callable
        The inputs of :func:`kdlab.distill.distill`; its terms' targets are asked about each batch.

    Raises
    ------
    ValueError
        If there are no prompts, or no batch.

    References
    ----------
    Agarwal et al. (2024), "On-Policy Distillation of Language Models: Learning from Self-Generated
    Mistakes", section 3.
    """
    n = tree.count(prompts, "prompts")
    if n < 1 or batch_size < 1:
        raise ValueError(f"{n} prompts in batches of {batch_size}: both must be at least 1")

    def batches(student):
        for rows in row_stream(n, batch_size, seed):
            with torch.no_grad(), evaluated(student):  # left before the batch is handed over
                batch = generate(student, tree.take(prompts, rows))
            yield batch

    return batches


def teacher_written(write, prompts, **options):
    """Batches that a teacher writes, anew in each step: ``write(prompts)``, a network's or a program's.

    All else is as for :func:`on_policy`. To let the teacher write once and for all: :func:`written_by`.
    """
    return on_policy(lambda student, batch: write(batch), prompts, **options)


def written_by(write, prompts, *, batch_size=256, progress=False):
    """What a teacher writes to each prompt, once and for all: the targets of sequence-level distillation.

    No probabilities are needed, so the teacher may be a service that gives text alone.

    Parameters
    ----------
    write : callable
        ``write(prompts)`` gives tokens (B, T) for a batch of prompts; T is the same in all batches.
        :func:`kdlab.generation.generate` and :func:`kdlab.generation.beam_search` are made for it.
    prompts : Tensor, or tuple or dict of Tensor
        A row a prompt.
    batch_size : int
    progress : bool
        Show a bar with the remaining time.

    Returns
    -------
    int64 Tensor of shape (N, T)

    Raises
    ------
    TypeError, ValueError
        If there are no prompts, or what is written is no text of them.

    References
    ----------
    Kim and Rush (2016), "Sequence-Level Knowledge Distillation", section 3.2.
    """

    def tokens(batch):
        text = torch.as_tensor(write(batch))
        if text.ndim != 2 or text.is_floating_point() or text.dtype == torch.bool:
            kind = str(text.dtype).removeprefix("torch.")
            raise TypeError(
                f"a text is whole numbers (B, T), and the teacher wrote {kind} {tuple(text.shape)}"
            )
        if lengths and text.shape[1] != lengths[0]:
            raise ValueError(f"texts of {lengths[0]} and of {text.shape[1]} tokens: fill them to one length")
        lengths.append(text.shape[1])
        return text.long()

    lengths = []
    with torch.no_grad():
        return predict(tokens, prompts, batch_size=batch_size, progress=progress)


def next_tokens(text, *, begin=None, stop=None, prompt=0):
    """What a student of a text reads, and what it is to say next at each place.

    Parameters
    ----------
    text : int64 Tensor of shape (N, T)
        For example of :func:`written_by`, or references.
    begin : int, optional
        A token to put before each text: the first word, too, is then to be said.
    stop : int, optional
        After this token nothing is to be said.
    prompt : int
        So many tokens at the beginning of each text are given, and not learned.

    Returns
    -------
    read, said : int64 Tensor of shape (N, T) each, or (N, T - 1) without ``begin``
        ``said`` are labels for :func:`kdlab.distill.hard_labels`: -100 where nothing is to be said.

    Raises
    ------
    ValueError
        If the text is not (N, T), or no place of it is left to be said.
    """
    if text.ndim != 2 or prompt < 0 or text.shape[1] <= max(prompt, begin is None):
        raise ValueError(f"text {tuple(text.shape)} must be (N, T), and longer than what is given, {prompt}")
    if begin is not None:
        text, prompt = torch.cat([torch.full_like(text[:, :1], begin), text], dim=1), prompt + 1
    read, said = text[:, :-1], text[:, 1:].clone()
    said[:, : max(0, prompt - 1)] = NO_LABEL
    if stop is not None:
        ends = (said == stop).long()
        said[ends.cumsum(dim=1) > ends] = NO_LABEL
    return read, said
