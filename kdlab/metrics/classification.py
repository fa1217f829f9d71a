"""What is read off a classifier's answers: logits in, one number out.

A row is one prediction: an image, a token, a cell of a grid. Logits are (N, C), or (N, ..., C) with
labels (N, ...); rows whose label is -100 are left out. One logit a row,
(N, 1), is that of class 1 against class 0.
"""

import torch
import torch.nn.functional as F

from kdlab.losses.common import NO_LABEL, check_logits, check_temperature, two_logits


def accuracy(logits, labels):
    """Share of rows of ``logits`` whose largest score is at the label, in percent."""
    logits, labels = labelled(logits, labels)
    return 100 * (logits.argmax(1) == labels).double().mean().item()


def accuracy_interval(logits, labels, *, level=0.95):
    """The accuracy of these rows with the interval that follows from their number: percent, low, high.

    Wilson's interval (1927), which holds for few rows and near 0 and 100 %. It is about other rows of the
    same kind, and says nothing about other seeds.
    """
    from scipy.stats import binomtest

    logits, labels = labelled(logits, labels)
    right = int((logits.argmax(1) == labels).sum())
    interval = binomtest(right, len(labels)).proportion_ci(level, method="wilson")
    return accuracy(logits, labels), 100 * float(interval.low), 100 * float(interval.high)


def recall(logits, labels, label):
    """Share of the images of class ``label`` that are answered as such, in percent."""
    logits, labels = labelled(logits, labels)
    mine = labels == label
    if not mine.any():
        raise ValueError(f"class {label} does not occur among {len(labels)} labels")
    return accuracy(logits[mine], labels[mine])


def agreement(logits, other_logits):
    """Share of rows on which two models, (N, C) each, give the same class, in percent."""
    logits, other_logits = two_logits(logits), two_logits(other_logits)
    check_logits(logits, other_logits)
    return 100 * (logits.argmax(1) == other_logits.argmax(1)).double().mean().item()


def entropy(logits, *, temperature=1.0):
    """Mean entropy of softmax(logits / T) in bits: 0 for one-hot, log2 C for uniform."""
    check_temperature(temperature)
    log_p = F.log_softmax(two_logits(logits).double() / temperature, dim=1)
    return -(log_p.exp() * log_p).sum(1).mean().item() / torch.tensor(2.0).log().item()


def negative_log_likelihood(logits, labels, *, temperature=1.0):
    """Mean of -log p(label) in nats, with p = softmax(logits / T)."""
    check_temperature(temperature)
    logits, labels = labelled(logits, labels)
    return F.cross_entropy(logits.double() / temperature, labels).item()


def calibration_error(logits, labels, *, temperature=1.0, bins=15):
    """Expected calibration error in percent: the gap between confidence and accuracy.

    Rows are put into ``bins`` equal intervals of confidence; the mean of the gaps is weighted by
    the rows in each (Guo et al. 2017, equation 3).
    """
    check_temperature(temperature)
    logits, labels = labelled(logits, labels)
    confidence, answer = F.softmax(logits.double() / temperature, dim=1).max(1)
    correct = (answer == labels).double()
    where = (confidence * bins).long().clamp(max=bins - 1)
    gap = torch.zeros(bins, dtype=torch.double).index_add_(0, where.cpu(), (confidence - correct).cpu())
    return 100 * (gap.abs().sum() / len(labels)).item()


def labelled(logits, labels):
    """The rows that have a label: logits (n, C) and labels (n,).

    Raises
    ------
    ValueError
        If the shapes do not fit, there is no such row, or a logit is not finite.
    """
    if labels.shape != logits.shape[:-1] or logits.ndim < 2:
        sides = f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}"
        raise ValueError(f"{sides} must be (N, ..., classes) and (N, ...), N >= 1")
    known = labels != NO_LABEL
    logits, labels = two_logits(logits[known]), labels[known]
    if len(labels) == 0:
        raise ValueError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}: no row has a label")
    if not logits.isfinite().all():
        bad = int((~logits.isfinite()).any(1).sum())
        raise ValueError(f"{bad} of {len(logits)} rows of logits are not finite")
    return logits, labels
