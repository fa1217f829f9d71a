"""Let a model write: token by token, each drawn from what the model says comes next."""

import torch

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
            if hasattr(model, "continued"):
                logits, memory = model.continued(new, memory)
            else:
                logits = _last(model(tokens[:, :place]), place)
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


def _last(logits, place):
    if logits.ndim != 3 or logits.shape[1] != place:
        raise ValueError(f"the model gives {tuple(logits.shape)} for {place} tokens, not (B, {place}, C)")
    return logits[:, -1]


def _check(prompts, length, temperature):
    if not torch.is_tensor(prompts) or prompts.is_floating_point() or prompts.ndim != 2:
        found = (
            f"{prompts.dtype} {tuple(prompts.shape)}" if torch.is_tensor(prompts) else type(prompts).__name__
        )
        raise TypeError(f"prompts must be whole numbers (B, P), got {found}")
    if not prompts.shape[1]:
        raise ValueError("prompts need at least one token each, got none")
    if length < 0 or not temperature >= 0:
        raise ValueError(f"length and temperature must be at least 0, got {length} and {temperature}")
