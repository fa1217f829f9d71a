"""A recommender to be read: a row of numbers a user, a row an item, and their products."""

from torch import nn

SPREAD = 0.1  # of the first weights


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
