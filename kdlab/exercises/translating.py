"""Lesson 11's blends, beams and texts: right by default, and each option a known mistake."""

import torch

OUT = -1e30  # the logarithm of no chance


def ways(renderings, words, weights, seed):
    """Renderings (R, T) of so many words, of which no two are alike, and how often each is written (R,)."""
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, 6 if renderings < 5 else 7, (renderings, words), generator=random)
    return tokens, torch.tensor(weights)


def shares_of(tokens, weights, words=9):
    return torch.einsum("r,rtw->tw", weights.double(), torch.nn.functional.one_hot(tokens, words).double())


def blend(tokens, weights):
    return shares_of(tokens, weights).argmax(dim=1)


def word_by_word(tokens, weights):
    """Each word is the likeliest after those before it: what a decoder with a memory of them would write."""
    weights, said = weights.double(), []
    for place in tokens.unbind(dim=1):
        chances = torch.zeros(10).double().index_add(0, place, weights)
        said.append(chances.argmax())
        weights = weights * (place == said[-1])
    return torch.stack(said)


def nearest(tokens, weights):
    agreed = (shares_of(tokens, weights)[torch.arange(tokens.shape[1]), tokens]).sum(dim=1)
    return tokens[agreed.argmax()]


def beginnings(beams, words, width, stop, seed):
    """Scores (W,), log-probabilities of the next word (W, C), which are done, the stop, and the width.

    A finished beginning is among the best, and would not be if it paid for another word.
    """
    random = torch.Generator().manual_seed(seed)
    scores = -torch.rand(beams, generator=random).sort().values - 0.5
    following = (2 * torch.randn(beams, words, generator=random)).log_softmax(dim=1)
    done = torch.zeros(beams, dtype=torch.bool)
    done[1] = True
    return scores, following, done, stop, width


def beam_step(
    scores, following, done, stop, width, *, of_done="waits", total=lambda s, f: s[:, None] + f, largest=True,
    told=None, per_beam=None, parent=lambda best, words, width: best // words,
    word=lambda best, words, width: best % words,
):  # fmt: skip
    scores, following = scores.double(), following.double().clone()
    if of_done == "waits":
        following[done] = OUT
        following[done, stop] = 0.0
    elif of_done == "pays":
        paid = following[done, stop]
        following[done] = OUT
        following[done, stop] = paid
    elif of_done == "the stop is free":
        following[done, stop] = 0.0
    elif of_done == "is dropped":
        following[done] = OUT
    elif of_done == "may say anything":
        following[done] = 0.0
    both, words = total(scores, following), following.shape[1]
    pool = both
    if per_beam:
        best_of_each = torch.zeros_like(both, dtype=torch.bool)
        best_of_each.scatter_(1, both.topk(per_beam, dim=1).indices, True)
        pool = both.masked_fill(~best_of_each, OUT)
    kept, best = pool.flatten().topk(width, largest=largest)
    if told:
        kept = told(kept, following.flatten()[best])
    return kept, parent(best, words, width), word(best, words, width)


def texts(rows, length, seed):
    """Texts (N, T) that end at different places, the token of the beginning, and the stop."""
    random = torch.Generator().manual_seed(seed)
    text = torch.randint(3, 9, (rows, length), generator=random)
    for row in range(rows - 1):
        text[row, 2 + row % (length - 2)] = 2
    text[0, 3:] = 2  # filled with the stop, others with what a model went on saying
    return text, 1, 2


def as_data(
    text, begin, stop, *, read=lambda t, b: torch.cat([torch.full_like(t[:, :1], b), t[:, :-1]], dim=1),
    said=lambda t: t, ended=lambda ends: ends.cumsum(dim=1) > ends, nothing=-100, read_ended=None,
):  # fmt: skip
    ends = (text == stop).long()
    inputs, labels = read(text, begin).clone(), said(text).clone()
    if ended is not None:
        labels = labels.masked_fill(ended(ends)[:, -labels.shape[1] :], nothing)
    if read_ended is not None:
        inputs = inputs.masked_fill((ends.cumsum(dim=1) > ends)[:, : inputs.shape[1]], read_ended)
    return inputs, labels


def audited(seed, count):
    """Which answers are kept, which are right, which have the one slip: (N,) bool each."""
    random = torch.Generator().manual_seed(seed)
    kind = torch.rand(count, generator=random)
    right, slip = kind < 0.35, kind > 0.85
    chance = torch.where(right, 0.8, torch.where(slip, 0.6, 0.3))
    return torch.rand(count, generator=random) < chance, right, slip


def three(first=None, second=None, third=None, factor=100):
    """A function of kept, right, slip that gives three shares; by default precision, recall, slips kept."""

    def share(part, of):
        return part.double().sum() / of.double().sum()

    def code(kept, right, slip):
        found = (
            share(kept & right, kept) if first is None else first(kept, right, slip, share),
            share(kept & right, right) if second is None else second(kept, right, slip, share),
            share(kept & slip, slip) if third is None else third(kept, right, slip, share),
        )
        return tuple(factor * one for one in found)

    return code
