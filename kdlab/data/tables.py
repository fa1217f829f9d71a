"""Card payments, a row a payment, with the true probability of fraud of any row.

A payment is of one of several kinds, honest or fraud. Within a kind each column has a distribution of its
own, in closed form, so that Bayes' rule gives P(fraud | row) exactly, also for rows that were made up.
Customers have habits (a usual amount and hour, drawn anew for each row: there are no histories), fraud has
patterns. A pattern may be new, and habits may drift. The world is invented: its shares are nobody's
data.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

COLUMNS = (
    "log amount", "usual log amount", "hour", "usual hour", "log km from home", "abroad", "card present",
    "category", "payments in the last hour", "log minutes since the last", "new merchant",
    "log days a customer",
)  # fmt: skip
CATEGORIES = ("food", "fuel", "clothes", "digital goods", "electronics", "jewels", "gift cards", "bills")
NOMINAL = (5, 6, 7, 10)  # columns whose values have no order
HOURS, CATEGORY, COUNT = (2, 3), 7, 8
USUAL_AMOUNT, USUAL_HOUR = (3.2, 0.6), (14.0, 3.0)


@dataclass(frozen=True)
class Kind:
    """How payments of one kind look; pairs are mean and standard deviation.

    The amount lies above the customer's usual one, or is ``absolute``; hours spread around the usual one.
    """

    share: float
    amount: tuple
    hours: float
    km: tuple
    abroad: float
    present: float
    categories: tuple
    last_hour: float
    minutes: tuple
    new: float
    days: tuple = (6.5, 0.8)
    absolute: bool = False


HONEST = {
    "everyday": Kind(
        0.885, (0, 0.6), 2.5, (1.2, 0.8), 0.01, 0.75, (10, 4, 3, 3, 1, 0.3, 0.3, 3), 0.3, (6.5, 1.3), 0.15
    ),
    "travel": Kind(
        0.045, (0.3, 0.8), 5, (6.3, 0.9), 0.55, 0.88, (8, 3, 3, 1, 1, 1, 0.3, 0.2), 0.6, (5.0, 1.3), 0.85
    ),
    "spree": Kind(
        0.058, (0.3, 0.9), 4, (1.2, 0.8), 0.03, 0.05, (2, 0.1, 4, 5, 3, 1, 2, 1), 1.8, (2.8, 1.1), 0.55
    ),
}
FRAUD = {
    "testing": Kind(
        0.004, (0.9, 0.7), 9, (1.2, 0.8), 0.15, 0.02, (1, 0.1, 1, 8, 1, 0.2, 2, 1), 3.5, (1.6, 0.9), 0.9,
        absolute=True,
    ),
    "cloned card": Kind(
        0.003, (0.9, 0.8), 6, (6.8, 0.8), 0.75, 0.95, (1, 2, 2, 0.5, 4, 4, 1, 0.1), 1.2, (3.6, 1.3), 0.95
    ),
    "account taken over": Kind(
        0.003, (1.3, 0.8), 9, (1.2, 0.8), 0.05, 0.03, (0.3, 0.1, 2, 2, 5, 2, 5, 0.5), 0.9, (4.2, 1.5), 0.9
    ),
    "lost card": Kind(
        0.002, (0.5, 0.7), 5, (1.8, 0.9), 0.02, 0.9, (6, 5, 3, 0.2, 1, 1, 1, 0.1), 1.6, (3.5, 1.3), 0.6
    ),
}  # fmt: skip
NEW_PATTERN = "mule"
MULE = Kind(
    0.004, (1.0, 0.5), 2.5, (1.2, 0.8), 0.01, 0.05, (1, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 9), 0.3, (6.0, 1.3),
    0.5, days=(4.3, 0.6),
)  # fmt: skip


class Part(NamedTuple):
    """Payments (N, 12) float32, whether each is fraud (N,) int64, and what no bank has.

    That is ``probability`` (N,) float64, P(fraud | row), and ``kind`` (N,) int64, a place in :func:`kinds`.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    probability: torch.Tensor
    kind: torch.Tensor

    def take(self, rows):
        """The same tensors at ``rows`` (indices, a slice or a mask)."""
        return Part(*(tensor[rows] for tensor in self))


def kinds(*, new_pattern=False, drift=0.0):
    """Kinds of payments by name, the honest ones first.

    Parameters
    ----------
    new_pattern : bool
        Whether there is a fifth pattern of fraud, mules: new customers who pay bills.
    drift : float in [0, 1]
        How far honest habits have moved: more sprees, and fewer cards shown in shops.
    """
    honest, fraud = dict(HONEST), dict(FRAUD)
    everyday, spree = honest["everyday"], honest["spree"]
    honest["everyday"] = replace(
        everyday, share=everyday.share - 0.1 * drift, present=everyday.present - 0.35 * drift
    )
    honest["spree"] = replace(spree, share=spree.share + 0.1 * drift, last_hour=spree.last_hour + drift)
    return honest | fraud | ({NEW_PATTERN: MULE} if new_pattern else {})


def payments(count, seed, **world):
    """A :class:`Part` of ``count`` payments; ``world`` as for :func:`kinds`."""
    if count < 1:
        raise ValueError(f"at least 1 payment is needed, got {count}")
    these, random = [*kinds(**world).values()], np.random.default_rng(seed)
    shares = np.array([kind.share for kind in these])
    of_kind = random.choice(len(these), count, p=shares / shares.sum())
    rows = np.zeros((count, len(COLUMNS)))
    rows[:, 1], rows[:, 3] = random.normal(*USUAL_AMOUNT, count), random.normal(*USUAL_HOUR, count) % 24
    for place, kind in enumerate(these):
        mine = np.flatnonzero(of_kind == place)
        rows[mine] = _drawn(kind, rows[mine], random)
    inputs = torch.tensor(rows, dtype=torch.float32)
    fraud = torch.tensor(of_kind >= len(HONEST)).long()
    return Part(inputs, fraud, fraud_probability(inputs, **world), torch.tensor(of_kind))


def _drawn(kind, rows, random):
    """Rows of customers, filled with payments of this kind."""
    n = len(rows)
    rows[:, 0] = random.normal(*kind.amount, n) + (0 if kind.absolute else rows[:, 1])
    rows[:, 2] = (rows[:, 3] + random.normal(0, kind.hours, n)) % 24
    rows[:, 4], rows[:, 9], rows[:, 11] = (random.normal(*p, n) for p in (kind.km, kind.minutes, kind.days))
    for column, share in ((5, kind.abroad), (6, kind.present), (10, kind.new)):
        rows[:, column] = random.random(n) < share
    weights = np.array(kind.categories)
    rows[:, CATEGORY] = random.choice(len(CATEGORIES), n, p=weights / weights.sum())
    rows[:, COUNT] = random.poisson(kind.last_hour, n)
    return rows


def fraud_probability(rows, **world):
    """P(fraud | row) of payments (N, 12), drawn or made up: (N,) float64, by Bayes' rule.

    ``world`` as for :func:`kinds`.
    """
    rows = rows.double()
    if rows.ndim != 2 or rows.shape[1] != len(COLUMNS):
        raise ValueError(f"payments {tuple(rows.shape)} must be (N, {len(COLUMNS)}): {', '.join(COLUMNS)}")
    each = torch.stack([math.log(kind.share) + _log_density(kind, rows) for kind in kinds(**world).values()])
    honest, fraud = each[: len(HONEST)].logsumexp(dim=0), each[len(HONEST) :].logsumexp(dim=0)
    return torch.sigmoid(fraud - honest)


def _log_density(kind, rows):
    """Of the columns given the customer's habits, up to what all kinds share: (N,)."""
    amount = rows[:, 0] - (0 if kind.absolute else rows[:, 1])
    total = _normal(amount, *kind.amount) + _normal(rows[:, 4], *kind.km)
    total = total + _normal(rows[:, 9], *kind.minutes) + _normal(rows[:, 11], *kind.days)
    count = rows[:, COUNT].round().clamp(min=0)
    total += count * math.log(kind.last_hour) - kind.last_hour - torch.lgamma(count + 1)
    away = rows[:, 2] - rows[:, 3]
    total += torch.stack([_normal(away + 24 * day, 0, kind.hours) for day in range(-2, 3)]).logsumexp(dim=0)
    for column, share in ((5, kind.abroad), (6, kind.present), (10, kind.new)):
        total += torch.where(rows[:, column] > 0.5, math.log(share), math.log1p(-share))
    weights = torch.tensor(kind.categories, dtype=torch.float64)
    return total + (weights / weights.sum()).log()[rows[:, CATEGORY].long()]


def _normal(x, mean, sd):
    return -(((x - mean) / sd) ** 2) / 2 - math.log(sd * math.sqrt(2 * math.pi))


def as_payments(rows):
    """Made-up rows (N, 12) as payments could be: hours of a day, whole numbers of payments."""
    rows = rows.clone()
    rows[:, HOURS] %= 24
    rows[:, COUNT] = rows[:, COUNT].round().clamp(min=0)
    return rows
