"""A transformer to be read: attention, a block, and a model that tells the next token."""

import math

import torch
from torch import nn

from kdlab import rows

SPREAD = 0.3  # of the first embeddings


class Attention(nn.Module):
    """Each place of x (B, T, width) takes a mean of what the places that it looks at hold.

    Vaswani et al. (2017), "Attention Is All You Need", section 3.2.

    Parameters
    ----------
    width, heads : int
        The width is shared out among the heads.
    causal : bool
        No place looks at those after it.
    distances : int
        Above 0: a head also learns how much to look so many places back, up to this many (Raffel et al. 2020,
        section 2.1, without their bins). For causal attention.
    """

    def __init__(self, width, heads, *, causal=False, distances=0):
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} cannot be shared out among {heads} heads")
        self.heads, self.causal = heads, causal
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.back = nn.Parameter(torch.zeros(heads, distances)) if distances else None

    def forward(self, x, memory=None, *, mask=None, cache=None):
        """Look at x itself, or at ``memory`` (B, S, width).

        ``mask`` (B, S) is True where there is something to look at. A ``cache``, a dict that is {} at first,
        keeps the keys and values, so that a later call is given new places only.
        """
        if cache and memory is not None:
            keys, values = cache["keys"], cache["values"]
        else:
            keys, values = self.key_value(x if memory is None else memory).chunk(2, dim=-1)
            keys, values = self._apart(keys), self._apart(values)
            if cache:
                keys, values = (
                    torch.cat(p, dim=2) for p in ((cache["keys"], keys), (cache["values"], values))
                )
        if cache is not None:
            cache.update(keys=keys, values=values)
        scores = self._apart(self.query(x)) @ keys.mT / math.sqrt(keys.shape[-1])
        if self.causal:
            places = torch.arange(keys.shape[2], device=x.device)
            back = places[-x.shape[1] :, None] - places
            if self.back is not None:
                scores = scores + self.back[:, back.clamp(0, self.back.shape[1] - 1)]
            scores = scores.masked_fill(back < 0, -torch.inf)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
        looked = scores.softmax(dim=-1) @ values
        return self.out(looked.transpose(1, 2).flatten(2))

    def _apart(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, width of a head)


class Block(nn.Module):
    """Attention, and a small network for each place; each adds to what there was.

    With ``cross`` each place also looks at ``memory`` (B, S, width), an encoder's for example.
    """

    def __init__(self, width, heads, *, expand=4, causal=False, cross=False, distances=0):
        super().__init__()
        self.own_norm = nn.LayerNorm(width)
        self.own = Attention(width, heads, causal=causal, distances=distances)
        if cross:
            self.cross_norm, self.cross = nn.LayerNorm(width), Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, expand * width), nn.ReLU(), nn.Linear(expand * width, width)
        )

    def forward(self, x, memory=None, *, mask=None, memory_mask=None, cache=None):
        """Masks (B, T) and (B, S), and a cache, a dict that is {} at first, as of :class:`Attention`."""
        own, cross = (None, None) if cache is None else (cache.setdefault(k, {}) for k in ("own", "cross"))
        x = x + self.own(self.own_norm(x), mask=mask, cache=own)
        if memory is not None:
            x = x + self.cross(self.cross_norm(x), memory, mask=memory_mask, cache=cross)
        return x + self.mlp(self.mlp_norm(x))


class CausalTransformer(nn.Module):
    """Logits of the next token after each of tokens (B, T) int64: (B, T, num_classes).

    Parameters
    ----------
    num_classes : int
        How many tokens there are.
    width, layers, heads : int
    length : int
        The most tokens that it can be given.
    distances : bool
        Attention also learns how far back to look, beside what to look for.

    Raises
    ------
    ValueError
        If the tokens are more than ``length``.
    """

    def __init__(self, num_classes=50, *, width=64, layers=2, heads=4, length=128, distances=False):
        super().__init__()
        self.length = length
        self.token, self.place = nn.Embedding(num_classes, width), nn.Embedding(length, width)
        make = {"causal": True, "distances": length if distances else 0}
        self.blocks = nn.ModuleList(Block(width, heads, **make) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, num_classes)
        nn.init.normal_(self.token.weight, std=SPREAD)
        nn.init.normal_(self.place.weight, std=SPREAD)

    def forward(self, tokens):
        return self.head(self._states(tokens))

    def continued(self, tokens, memory=None):
        """The logits (B, num_classes) after the last token, and a memory.

        With the memory of an earlier call, tokens are the new ones only: keys and values of those before are
        not computed again. The memory that was given stays as it is.
        """
        memory = rows.each(lambda kept: kept, memory) if memory else tuple({} for _ in self.blocks)
        return self.head(self._states(tokens, memory)[:, -1]), memory

    def _states(self, tokens, memory=None):
        before = memory[0]["own"]["keys"].shape[2] if memory and memory[0] else 0
        after = before + tokens.shape[1]
        if after > self.length:
            raise ValueError(f"{after} tokens are more than the {self.length} that this model can be given")
        x = self.token(tokens) + self.place(torch.arange(before, after, device=tokens.device))
        for block, cache in zip(self.blocks, memory or [None] * len(self.blocks)):
            x = block(x, cache=cache)
        return self.norm(x)

    def get_classifier(self):
        return self.head


STUDENTS = {"causal_transformer": CausalTransformer}
