"""Users, items and clicks in a world whose tastes are known; everything follows from a seed.

Whether a user likes an item is drawn from a product of hidden factors. Which items a user is shown hangs on
the items' popularity. A click is an item that was shown and is liked: so clicks tell of both, and what was
never shown is not disliked.
"""

from typing import NamedTuple

import numpy as np
import torch

USERS, ITEMS, FACTORS = 600, 300, 12
STRENGTH, OFFSET = 4.0, 2.0  # of tastes, and how choosy everybody is: about one item in three is liked
QUALITY = 0.5  # standard deviation of how much better than others an item is, for all users
FAME = 0.6  # of the logarithm of an item's chance to be shown
SHOWN, ACTIVITY, FEWEST, MOST = 80, 0.6, 10, 0.6  # items shown to a user: median, log-normal spread, limits
HELD_OUT = 0.25


class World(NamedTuple):
    """Users' numbers (U,) int64, and for each user and item (U, I): clicks, tastes, and what was shown.

    ``clicks`` are learned from, ``held_out`` are other clicks of the same days, which only a metric may see.
    ``likes`` is the true probability, float32, that the user likes the item. ``history`` has clicks of an
    earlier time: the same tastes, twice as many items shown. All but ``likes`` are bool.
    """

    inputs: torch.Tensor
    clicks: torch.Tensor
    held_out: torch.Tensor
    likes: torch.Tensor
    shown: torch.Tensor
    history: torch.Tensor

    @property
    def candidates(self):
        """What may be recommended (U, I): all that the user has not clicked."""
        return ~self.clicks


def ratings(seed=0, *, users=USERS, items=ITEMS):
    """A :class:`World`: its tastes, its popularity, its users and their clicks, all drawn anew.

    Raises
    ------
    ValueError
        If the seed is below 0, there are no users, or not enough items to show.
    """
    if seed < 0 or users < 1 or items * MOST < FEWEST:
        raise ValueError(
            f"seed={seed}, users={users} and items={items} must be at least 0, 1 and {FEWEST / MOST:.0f}"
        )
    random = np.random.default_rng(seed)
    ours, theirs = random.normal(size=(users, FACTORS)), random.normal(size=(items, FACTORS))
    quality = random.normal(0, QUALITY, items)
    likes = 1 / (1 + np.exp(OFFSET - STRENGTH * ours @ theirs.T / FACTORS**0.5 - quality))
    fame = FAME * (random.normal(size=items) + 0.5 * quality)
    count = np.clip(random.lognormal(np.log(SHOWN), ACTIVITY, users), FEWEST, MOST * items).astype(int)

    def seen(count):
        # The largest of Gumbel noise added to log chances: a draw without putting back.
        drawn = fame + 0.5 * np.log(likes + 0.05) + random.gumbel(size=(users, items))
        return np.argsort(np.argsort(-drawn, axis=1), axis=1) < count[:, None]

    shown = seen(count)
    clicked = shown & (random.random((users, items)) < likes)
    held_out = clicked & (random.random((users, items)) < HELD_OUT)
    history = seen(2 * count) & (random.random((users, items)) < likes) & ~held_out
    tables = clicked & ~held_out, held_out, likes.astype(np.float32), shown, history
    return World(torch.arange(users), *map(torch.from_numpy, tables))
