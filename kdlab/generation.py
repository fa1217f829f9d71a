"""Let a model write, token by token: drawn from what it says comes next, or the likeliest text by a beam."""

import torch

from kdlab import rows
from kdlab.models.outputs import evaluated


@torch.no_grad()
def generate(model, prompts, length, *, temperature=1.0, generator=None, stop=None):
    """Continue each prompt by ``length`` tokens.

    Parameters
    ----------
    model : Module or callable
        Tokens (B, T) int64 to logits (B, T, C) of the token after each. A model may have a method
        ``continued(tokens, memory)``, which gives the logits (B, C) after the last token and a memory (None
        at first), as :class:`kdlab.models.transformer.CausalTransformer` has: it is then handed each new
        token only. A Module is asked in eval mode.
    prompts : Tensor of shape (B, P), int64
        At least one token each.
    length : int
    temperature : float
        Logits are divided by it before a token is drawn. 0 is greedy: the likeliest token.
    generator : torch.Generator, optional
        Of the draws, on the prompts' device.
    stop : int, optional
        What follows this token, in a row, is this token. When all rows have it, the rest is not asked for.

    Returns
    -------
    Tensor of shape (B, P + length), int64
        The prompts and what was written.

    Raises
    ------
    TypeError, ValueError
        If prompts, length or temperature are none, or the model's logits do not fit.

    Notes
    -----
    With a memory, T tokens cost T steps of one token; without, as many steps of 1 to T tokens.
    """
    _check(prompts, length, temperature)
    tokens = torch.empty(len(prompts), prompts.shape[1] + length, dtype=torch.int64, device=prompts.device)
    tokens[:, : prompts.shape[1]] = prompts
    done = torch.zeros(len(prompts), dtype=torch.bool, device=prompts.device)
    memory, new = None, prompts
    with evaluated(model):
        for place in range(prompts.shape[1], tokens.shape[1]):
            logits, memory = _following(model, tokens[:, :place], new, memory)
            written = choose(logits, temperature=temperature, generator=generator)
            if stop is not None:
                written = written.masked_fill(done, stop)
                done |= written == stop
            tokens[:, place] = written
            new = written[:, None]
            if done.all():
                tokens[:, place:] = stop
                break
    return tokens


def choose(logits, *, temperature=1.0, generator=None):
    """A token (B,) from logits (B, C): drawn at this temperature, or at 0 the likeliest."""
    if temperature == 0:
        return logits.argmax(dim=1)
    probabilities = (logits.double() / temperature).softmax(dim=1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


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
        As for :func:`generate`. A memory's rows are put in the order of the beginnings, so that all that
        belongs to a row must be in tensors of it; other numbers in it are left alone.
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
    TypeError, ValueError
        If prompts, length or width are none, or the model's logits do not fit.
    """
    _check(prompts, length)
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    tokens, scores, memory = prompts, torch.zeros(len(prompts), 1, dtype=torch.float64), None
    scores, new = scores.to(prompts.device), prompts
    with evaluated(model):
        for place in range(length):
            logits, memory = _following(model, tokens, new, memory)
            following = logits.double().log_softmax(dim=1)
            if stop is not None and place:
                done = tokens[:, -1] == stop
                following[done] = -torch.inf
                following[done, stop] = 0.0
            classes = following.shape[1]
            total = (scores.view(-1, 1) + following).view(len(prompts), scores.shape[1] * classes)
            scores, best = total.topk(min(width, total.shape[1]), dim=1)
            first = torch.arange(len(prompts), device=prompts.device)[:, None] * (total.shape[1] // classes)
            parents, new = (first + best // classes).flatten(), (best % classes).view(-1, 1)
            tokens = torch.cat([tokens[parents], new], dim=1)
            memory = _in_order(memory, parents)
    kept = scores.shape[1]
    return tokens[::kept], scores[:, 0]


def _following(model, tokens, new, memory):
    """Logits (B, C) after the tokens, of which the model with a memory is handed the new ones only."""
    if hasattr(model, "continued"):
        return model.continued(new, memory)
    return _last(model(tokens), tokens.shape[1]), None


def _in_order(memory, order):
    """A memory whose rows are those of the beginnings that were kept."""
    if memory is None:
        return None
    return rows.each(lambda kept: kept[order] if torch.is_tensor(kept) else kept, memory)


def _last(logits, place):
    if logits.ndim != 3 or logits.shape[1] != place:
        raise ValueError(f"the model gives {tuple(logits.shape)} for {place} tokens, not (B, {place}, C)")
    return logits[:, -1]


def _check(prompts, length, temperature=0.0):
    if not torch.is_tensor(prompts) or prompts.is_floating_point() or prompts.ndim != 2:
        found = (
            f"{prompts.dtype} {tuple(prompts.shape)}" if torch.is_tensor(prompts) else type(prompts).__name__
        )
        raise TypeError(f"prompts must be whole numbers (B, P), got {found}")
    if not prompts.shape[1]:
        raise ValueError("prompts need at least one token each, got none")
    if length < 0 or not temperature >= 0:
        raise ValueError(f"length and temperature must be at least 0, got {length} and {temperature}")
