"""Batches that somebody writes as training goes: the student itself, or a teacher."""

import torch

from kdlab import rows as tree
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

    All else is as for :func:`on_policy`. To let the teacher write once and for all, use
    ``write(prompts)`` itself as the inputs.

    References
    ----------
    Kim and Rush (2016), "Sequence-Level Knowledge Distillation", section 3.2 (there written once).
    """
    return on_policy(lambda student, batch: write(batch), prompts, **options)
