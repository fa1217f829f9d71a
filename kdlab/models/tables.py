"""A student for card payments: a small network that takes a payment as it comes."""

import math
from operator import mul

import torch
from torch import nn

from kdlab.data.tables import CATEGORIES, CATEGORY, HOURS

NUMBERS = (0, 1, 4, 5, 6, 8, 9, 10, 11)
ENCODED = len(NUMBERS) + 2 * len(HOURS) + len(CATEGORIES)
# Round numbers near the means and deviations of payments: each is encoded without a look at others.
CENTRE = (3.2, 3.2, 1.5, 0.0, 0.0, 0.0, 6.0, 0.0, 6.5)
SCALE = (0.9, 0.6, 1.4, 1.0, 1.0, 1.0, 1.7, 1.0, 0.8)
RARE = -4.5  # the first answer to everything, as a logit: about one payment in a hundred is fraud


class PaymentEncoder(nn.Module):
    """Payments (..., 12) as numbers (..., 21) for a network: scaled, hours on a circle, categories apart."""

    def __init__(self):
        super().__init__()
        self.register_buffer("centre", torch.tensor(CENTRE), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE), persistent=False)
        self.register_buffer("categories", torch.arange(len(CATEGORIES)), persistent=False)

    def forward(self, payments):
        numbers = (payments[..., NUMBERS] - self.centre) / self.scale
        turns = payments[..., HOURS] * (2 * torch.pi / 24)
        which = (payments[..., CATEGORY : CATEGORY + 1] == self.categories).to(payments.dtype)
        return torch.cat([numbers, turns.sin(), turns.cos(), which], dim=-1)


class PaymentNetwork(nn.Module):
    """One hidden layer: encoded payments (B, 21) to the logit of fraud (B, 1).

    The encoder has nothing to learn, so it is asked once, before training; :func:`from_payment` puts it
    in front.
    """

    def __init__(self, hidden=16):
        super().__init__()
        self.hidden, self.head = nn.Linear(ENCODED, hidden), nn.Linear(hidden, 1)
        nn.init.constant_(self.head.bias, RARE)

    def forward(self, encoded):
        return self.head(self.hidden(encoded).relu())

    def get_classifier(self):
        return self.head


def from_payment(student):
    """The student with the encoder in front: payments (B, 12) to logits."""
    return nn.Sequential(PaymentEncoder(), student)


def in_plain_python(student):
    """The student with its encoder, as a function of a payment's numbers that needs Python alone.

    Gives the logit of :func:`from_payment`, but for rounding.
    """
    hidden, head = ([layer.weight.tolist(), layer.bias.tolist()] for layer in (student.hidden, student.head))

    def answer(payment):
        inputs = [(payment[i] - centre) / scale for i, centre, scale in zip(NUMBERS, CENTRE, SCALE)]
        turns = [payment[i] * math.tau / 24 for i in HOURS]
        inputs += [*map(math.sin, turns), *map(math.cos, turns)]
        inputs += [float(payment[CATEGORY] == which) for which in range(len(CATEGORIES))]
        units = [max(0.0, bias + sum(map(mul, weights, inputs))) for weights, bias in zip(*hidden)]
        return head[1][0] + sum(map(mul, head[0][0], units))

    return answer


STUDENTS = {"payment_network": PaymentNetwork}
