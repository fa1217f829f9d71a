"""What is read off translations: valid, a blend of several, or neither; and whether a filter keeps the right.

A judge that knows all valid renderings needs no score of overlap.
"""

import torch

from kdlab.data.announcements import CITIES
from kdlab.data.translation import GERMAN, PAD, all_renderings, padded

VERDICTS = ("valid", "blend", "other")


def judge(tokens, whats):
    """By which of the twelve renderings each row is, and how each row is judged.

    Parameters
    ----------
    tokens : int64 Tensor of shape (N, T)
        Translations into German; what stands after the first END does not count.
    whats : sequence of Announcement
        What each was to say.

    Returns
    -------
    styles : int64 Tensor of shape (N,)
        The place of the rendering in ``STYLES``; -1 where it is none.
    verdicts : list of str
        ``"valid"``: a rendering, word by word. ``"blend"``: none, but each word stands where it stands in
        some rendering. ``"other"``: anything else.

    Raises
    ------
    ValueError
        If there are not as many rows as announcements.
    """
    if tokens.ndim != 2 or len(tokens) != len(whats) or not len(whats):
        raise ValueError(f"translations {tuple(tokens.shape)} do not fit {len(whats)} announcements")
    ended = as_written(tokens)
    styles, verdicts = [], []
    for row, what in zip(ended, whats):
        same = all_renderings(what) == row
        whole = same.all(dim=1)
        styles.append(int(whole.float().argmax()) if whole.any() else -1)
        verdicts.append("valid" if whole.any() else "blend" if same.any(dim=0).all() else "other")
    return torch.tensor(styles), verdicts


def as_written(tokens):
    """Tokens (N, T) as :mod:`kdlab.data.translation` has them: (N, 18), padded after their end."""
    rows = torch.full((len(tokens), GERMAN.length), PAD)
    rows[:, : tokens.shape[1]] = tokens[:, : GERMAN.length]
    return padded(rows)


def shares(tokens, whats):
    """How many in a hundred are valid, a blend, other; arguments as for :func:`judge`."""
    _, verdicts = judge(tokens, whats)
    return {verdict: 100 * verdicts.count(verdict) / len(verdicts) for verdict in VERDICTS}


def valid(tokens, whats):
    """How many in a hundred are valid; arguments as for :func:`judge`."""
    return shares(tokens, whats)["valid"]


def right_city(tokens, whats):
    """How many in a hundred name the right city, and no other; arguments as for :func:`judge`."""
    cities = torch.tensor([GERMAN.numbers[german] for _, german in CITIES])
    named = (as_written(tokens)[..., None] == cities).any(dim=1)
    due = torch.zeros_like(named)
    due[torch.arange(len(whats)), torch.tensor([what.city for what in whats])] = True
    return 100 * (named == due).all(dim=1).double().mean().item()


def audit(kept, right):
    """What a filter keeps, in percent: its precision, its recall, and the share that it keeps.

    Parameters
    ----------
    kept, right : bool Tensor of shape (N,)
        Which answers the filter keeps, and which are right.

    Raises
    ------
    ValueError
        If the shapes differ, nothing is kept, or nothing is right.
    """
    if kept.shape != right.shape or kept.ndim != 1:
        raise ValueError(f"kept {tuple(kept.shape)} and right {tuple(right.shape)} must both be (N,)")
    both = (kept & right).sum().item()
    if not kept.any() or not right.any():
        raise ValueError(
            f"{int(kept.sum())} of {len(kept)} answers are kept and {int(right.sum())} right: at least 1 each"
        )
    counts = {"precision": kept.sum(), "recall": right.sum()}
    found = {name: 100 * both / count.item() for name, count in counts.items()}
    return {**found, "kept": 100 * kept.double().mean().item()}


def nats_of_likeliest(logits, whats):
    """How probable a parallel translator finds the likeliest valid rendering: mean log-probability, in nats.

    ``logits`` are (N, 18, words), one announcement a row; the end and the padding after it are words, too.
    """
    if logits.ndim != 3 or len(logits) != len(whats):
        raise ValueError(f"logits {tuple(logits.shape)} do not fit {len(whats)} announcements")
    words = torch.stack([all_renderings(what) for what in whats])  # (N, 12, 18)
    chances = logits.double().log_softmax(dim=-1)[:, None].expand(-1, words.shape[1], -1, -1)
    return chances.gather(-1, words[..., None]).sum(dim=(2, 3)).amax(dim=1).mean().item()
