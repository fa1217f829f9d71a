"""Scores of answers to a rare yes-or-no question, by scikit-learn; and their expectations.

``scores`` are logits: (N,) or (N, 1) of yes, or (N, 2) of no and yes. ``truth`` (N,) holds labels, 0 or 1.
Where the true probability of yes is known, it holds that, as floats: each row then counts as a yes of its
probability and a no of the rest, so that no luck of a draw of labels is in the score.
"""

import torch

from kdlab.losses.common import one_logit


def average_precision(scores, truth):
    """Mean precision over the recalls, in percent: the area under the precision-recall curve, by steps."""
    from sklearn.metrics import average_precision_score

    scores, labels, weights = _both_ways(*sides(scores, truth))
    return 100 * float(average_precision_score(labels, scores, sample_weight=weights))


def brier_score(scores, truth):
    """Mean squared difference of sigmoid(scores) and the label: 0 is best."""
    from sklearn.metrics import brier_score_loss

    scores, labels, weights = _both_ways(*sides(scores, truth))
    return float(brier_score_loss(labels, scores.sigmoid(), sample_weight=weights))


def recall_at_budget(scores, truth, *, share=0.005):
    """Share of all yes that lie among the highest-scored ``share`` of the rows, in percent.

    Rows that tie at the edge of the budget share what is left of it.

    Parameters
    ----------
    share : float in (0, 1]
        The budget: the share of rows that somebody can look at.
    """
    if not 0 < share <= 1:
        raise ValueError(f"the budget must be a share above 0 and at most 1, got {share}")
    scores, truth = sides(scores, truth)
    budget = share * len(scores)
    edge = scores.sort(descending=True).values[min(len(scores) - 1, int(budget))]
    above, at = scores > edge, scores == edge
    part = min(1.0, (budget - float(above.sum())) / float(at.sum()))
    return 100 * float((truth[above].sum() + part * truth[at].sum()) / truth.sum())


def predicted_total(scores, truth):
    """How many yes the probabilities sigmoid(scores) add up to, for each true one: 1 is best."""
    scores, truth = sides(scores, truth)
    return float(scores.sigmoid().sum() / truth.sum())


def sides(scores, truth):
    """Scores and truth (N,) as float64.

    Raises
    ------
    ValueError
        If they differ in number, are not finite, the truth lies outside [0, 1], or no row can be a yes.
    """
    scores, truth = torch.as_tensor(scores), torch.as_tensor(truth)
    found = f"scores {tuple(scores.shape)} and truth {tuple(truth.shape)}"
    scores = one_logit(scores).squeeze(1) if scores.ndim == 2 else scores
    if scores.ndim != 1 or scores.shape != truth.shape or len(scores) == 0:
        raise ValueError(f"{found} must be one a row, (N,) each, N >= 1")
    scores, truth = scores.detach().double(), truth.double()
    if not scores.isfinite().all():
        raise ValueError(f"{int((~scores.isfinite()).sum())} of {len(scores)} scores are not finite")
    if not ((truth >= 0) & (truth <= 1)).all() or truth.sum() == 0:
        low, high = float(truth.min()), float(truth.max())
        raise ValueError(f"truth must lie in [0, 1], some of it above 0; it runs from {low:g} to {high:g}")
    return scores, truth


def _both_ways(scores, truth):
    """Scores, labels and weights: each row as a yes of its probability, and as a no of the rest."""
    labels = torch.cat([torch.ones_like(truth), torch.zeros_like(truth)])
    return scores.repeat(2), labels, torch.cat([truth, 1 - truth])
