"""Beam search: the likeliest text, looked for among the best few beginnings of each length."""

import torch

from kdlab import rows
from kdlab.models.outputs import evaluated


@torch.no_grad()
def beam_search(model, prompts, length, *, width=4, stop=None):
    r"""Continue each prompt by ``length`` tokens, so that they are as likely as can be found.

    The score of a text y after a prompt x is

    .. math:: \log p(y \mid x) = \sum_t \log p(y_t \mid x, y_{<t})

    up to and with ``stop``. After each place the ``width`` best beginnings are kept. Finished ones are among
    them and wait, with the score that they have; no score is divided by a length, so that short texts are
    not held back. A width of 1 is greedy; one that holds all beginnings finds the likeliest text.

    Parameters
    ----------
    model : Module or callable
        As for :func:`kdlab.generation.generate`. A memory's rows are put in the order of the beginnings, so
        that all that belongs to a row must be in tensors of it; other numbers in it are left alone.
    prompts : Tensor of shape (B, P), int64
    length, width : int
    stop : int, optional
        What follows this token, in a row, is this token.

    Returns
    -------
    tokens : int64 Tensor of shape (B, P + length)
        The best that was found.
    scores : Tensor of shape (B,)
        Its log-probability.

    Raises
    ------
    ValueError
        If there are no prompts, or length or width are below 0 or 1.
    """
    if prompts.ndim != 2 or 0 in prompts.shape or length < 0 or width < 1:
        raise ValueError(
            f"prompts {tuple(prompts.shape)}, length {length} and width {width} must be (B, P) with a token "
            f"each, at least 0 and at least 1"
        )
    tokens, scores, memory = prompts, torch.zeros(len(prompts), 1, dtype=torch.float64), None
    scores, new = scores.to(prompts.device), prompts
    with evaluated(model):
        for place in range(length):
            logits, memory = _asked(model, tokens, new, memory)
            following = logits.double().log_softmax(dim=1)
            if stop is not None and place:
                done = tokens[:, -1] == stop
                following[done] = -torch.inf
                following[done, stop] = 0.0
            classes = following.shape[1]
            total = (scores.view(-1, 1) + following).view(len(prompts), -1)
            scores, best = total.topk(min(width, total.shape[1]), dim=1)
            first = torch.arange(len(prompts), device=prompts.device)[:, None] * (total.shape[1] // classes)
            parents, new = (first + best // classes).flatten(), (best % classes).view(-1, 1)
            tokens = torch.cat([tokens[parents], new], dim=1)
            memory = _in_order(memory, parents)
    kept = scores.shape[1]
    return tokens[::kept], scores[:, 0]


def _asked(model, tokens, new, memory):
    if hasattr(model, "continued"):
        return model.continued(new, memory)
    return model(tokens)[:, -1], None


def _in_order(memory, order):
    """A memory whose rows are those of the beginnings that were kept."""
    if memory is None:
        return None
    return rows.each(lambda kept: kept[order] if torch.is_tensor(kept) else kept, memory)
