"""The largest logits and the mass of the rest: what is stored of an answer over many classes."""

import math


def keep_top(logits, count):
    """The ``count`` largest logits (B, count), their classes, and the log of the others' mass (B,), exact."""
    ordered, classes = logits.float().sort(dim=1, descending=True)
    return ordered[:, :count], classes[:, :count], ordered[:, count:].logsumexp(dim=1)


def read_top(values, classes, rest, num_classes):
    """Logits (B, num_classes) again: those that were kept, and the others' mass spread evenly.

    At T = 1 the probabilities of the kept classes are exact. At a higher temperature an even spread
    gives the tail the largest mass that it can have.
    """
    spread = rest.float() - math.log(num_classes - values.shape[1])
    logits = spread[:, None].expand(-1, num_classes).clone()
    return logits.scatter(1, classes.long(), values.float())
