"""A recommender to be read: numbers a user, numbers an item, their products; and the search for the best."""

import torch
from torch import nn

SPREAD = 0.1  # of the first weights
CHUNK = 4096  # items whose lists are found at once


class Factorisation(nn.Module):
    """Scores of all items for users by number: (B,) int64 to (B, num_classes), the items.

    A score is the product of the user's ``columns`` numbers with the item's, and a bias of the item. What
    passes through ``size`` is how large all these numbers are, (B,): its mean over all users is the sum of
    their squares, a user, which a term may keep small (``of="size"``).
    """

    def __init__(self, columns=4, *, users=600, num_classes=300):
        super().__init__()
        self.users, self.items = nn.Embedding(users, columns), nn.Linear(columns, num_classes)
        self.size = nn.Identity()
        self.num_classes = num_classes
        nn.init.normal_(self.users.weight, std=SPREAD)
        nn.init.normal_(self.items.weight, std=SPREAD)
        nn.init.zeros_(self.items.bias)

    def forward(self, users):
        rows = self.users(users)
        self.size(rows.square().sum(dim=1) + self.items.weight.square().sum() / self.users.num_embeddings)
        return self.items(rows)

    def get_classifier(self):
        return self.items


STUDENTS = {"factorisation": Factorisation}


class Search(nn.Module):
    """The k best of all items (I, columns) for users' numbers: (B, columns) to places (B, k), best first."""

    def __init__(self, items, *, k=10):
        super().__init__()
        self.items, self.k = items.detach(), k

    def forward(self, rows):
        return (rows @ self.items.T).topk(self.k, dim=1).indices


class Index(nn.Module):
    """The same by looking at a few lists of items only, so that some of the best are missed.

    Each item stands in the list of the nearest of ``lists`` items that were drawn as centres; a user's best
    are looked for in the ``probes`` lists whose centres have the highest scores (inverted lists; Jégou et al.
    2011). Rows are asked one by one.
    """

    def __init__(self, items, *, lists, probes, k=10, seed=0):
        super().__init__()
        if not 1 <= probes <= lists <= len(items):
            raise ValueError(
                f"{probes} probes, {lists} lists and {len(items)} items must be in this order, from 1"
            )
        self.k, self.probes, items = k, probes, items.detach()
        drawn = torch.randperm(len(items), generator=torch.Generator().manual_seed(seed))[:lists]
        self.centres = items[drawn]
        half = self.centres.square().sum(dim=1) / 2
        nearest = torch.empty(len(items), dtype=torch.int64)
        near = torch.empty(CHUNK, lists)  # made once: made anew for each chunk, it would fill the memory
        for some, lists_of in zip(items.split(CHUNK), nearest.split(CHUNK)):
            torch.addmm(-half, some, self.centres.T, out=near[: len(some)])
            torch.argmax(near[: len(some)], dim=1, out=lists_of)
        self.places = nearest.argsort()
        self.items = items[self.places]
        self.ends = [0, *nearest.bincount(minlength=lists).cumsum(0).tolist()]

    def forward(self, rows):
        return torch.stack([self._best(row) for row in rows])

    def _best(self, row):
        lists = (self.centres @ row).topk(self.probes).indices.tolist()
        parts = [slice(self.ends[one], self.ends[one + 1]) for one in lists]
        scores = torch.cat([self.items[part] @ row for part in parts])
        best = scores.topk(min(self.k, len(scores))).indices
        return torch.cat([self.places[part] for part in parts])[best]
