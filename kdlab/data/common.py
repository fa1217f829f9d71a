"""What several kinds of data need: a split in which every class has its share."""

import numpy as np


def stratified(labels, size, *, seed):
    """Rows of two parts, one of this size and the rest, each with its share of every class.

    They are the rows of scikit-learn's ``train_test_split(..., stratify=labels)``, whose import takes longer
    than all that a lesson makes of them. Parts too small for one of each class are drawn from all rows alike.

    Parameters
    ----------
    labels : ndarray of shape (N,)
    size : int from 1 to N - 1
    """
    random, rest = np.random.RandomState(seed), len(labels) - size
    _, kinds, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if min(size, rest) < len(counts):
        rows = random.permutation(len(labels))
        return rows[rest:], rows[:rest]
    classes = np.split(np.argsort(kinds, kind="stable"), np.cumsum(counts)[:-1])
    ours = _shares(counts, size, random)
    _shares(counts - ours, rest, random)  # all that is left; its draws are part of the stream
    shuffled = [rows[random.permutation(len(rows))] for rows in classes]
    first = np.concatenate([rows[:count] for rows, count in zip(shuffled, ours)])
    second = np.concatenate([rows[count:] for rows, count in zip(shuffled, ours)])
    return random.permutation(first), random.permutation(second)


def _shares(counts, size, random):
    """How many of each class, in proportion; who gets what rounding leaves is drawn among equals."""
    exact = counts / counts.sum() * size
    shares = np.floor(exact)
    left = exact - shares
    for value in np.unique(left)[::-1]:
        missing = int(size - shares.sum())
        if missing == 0:
            break
        equals = np.flatnonzero(left == value)
        shares[random.choice(equals, size=min(len(equals), missing), replace=False)] += 1
    return shares.astype(int)
