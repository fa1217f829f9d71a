"""Losses on what the teacher would recommend: the scores of a list of items, and their order.

A row is a list: all items, scored for one user. ``candidates`` says which of them count, for example those
that the user has not clicked; the others are as if they were not in the list.
"""

import torch
import torch.nn.functional as F

from kdlab.losses.common import check_logits, check_temperature, in_full_precision
from kdlab.losses.response import soft_target_loss

OUT = -1e30  # the score of what is not in the list: finite, so that it has a gradient, of 0


@in_full_precision
def listwise_loss(student_scores, teacher_scores, candidates=None, *, temperature=1.0):
    r"""Divergence of the student's first choice from the teacher's: ListNet's top-one distribution.

    .. math:: \frac{T^2}{B} \sum_b \mathrm{KL}\big(p(s^t_b; T) \,\|\, p(s^s_b; T)\big)

    :math:`p` is the softmax over the items that count. With all of them it is the soft-target loss. The paper
    has the cross-entropy, which has the same gradient, at :math:`T = 1`.

    Parameters
    ----------
    student_scores, teacher_scores : Tensor of shape (B, I)
    candidates : bool Tensor of shape (B, I), optional
        Which items count; at least one a list. All by default.
    temperature : float, default 1.0

    Returns
    -------
    Tensor of shape ()
        In nats; 0 where both sides agree.

    Raises
    ------
    ValueError
        If the shapes differ or are not (B, I), or T is not finite and above 0.

    References
    ----------
    Cao et al. (2007), "Learning to Rank: From Pairwise Approach to Listwise Approach".
    """
    student, teacher = _lists(student_scores, teacher_scores, candidates)
    return soft_target_loss(student, teacher, temperature=temperature)


@in_full_precision
def ranked_list_loss(student_scores, teacher_scores, candidates=None, *, top):
    r"""How unlikely the teacher's best items, in its order, are under the student's scores.

    With :math:`\pi_1, \ldots, \pi_K` the teacher's best and :math:`R` all others:

    .. math:: -\frac{1}{B} \sum_b \sum_{k=1}^{K} \log
              \frac{e^{s_{\pi_k}}}{\sum_{j=k}^{K} e^{s_{\pi_j}} + \sum_{i \in R} e^{s_i}}

    So the best are in order, and the others below them as a group, whose own order does not count. The sum
    over :math:`k` is as in the source; of all others, published code draws some.

    Parameters
    ----------
    student_scores, teacher_scores : Tensor of shape (B, I)
    candidates : bool Tensor of shape (B, I), optional
        Which items count. A list with fewer than ``top`` has that many best.
    top : int
        K, from 1 to I.

    Returns
    -------
    Tensor of shape ()
        In nats.

    Raises
    ------
    ValueError
        If the shapes differ or are not (B, I), or there are fewer items than ``top``.

    References
    ----------
    Kang et al. (2020), "DE-RRD: A Knowledge Distillation Framework for Recommender System"; for a whole list
    Xia et al. (2008), "Listwise Approach to Learning to Rank: Theory and Algorithm".
    """
    student, teacher = _lists(student_scores, teacher_scores, candidates)
    best, counts = _best(teacher, top)
    mine = student.gather(1, best)
    others = student.scatter(1, best, OUT).logsumexp(dim=1, keepdim=True)
    left = torch.logaddexp(mine.flip(1).logcumsumexp(dim=1).flip(1), others)
    return ((left - mine) * counts).sum(dim=1).mean() + _unseen(student, teacher)


@in_full_precision
def ranking_distillation_loss(
    student_scores, teacher_scores, candidates=None, *, top, decay=10.0, among=False
):
    r"""The teacher's best items as if they had been clicked, the first ones most.

    .. math:: -\frac{1}{B} \sum_b \sum_{k=1}^{K} w_k \log \sigma(s_{\pi_k}),
              \qquad w_k = \frac{e^{-k / \lambda}}{\sum_j e^{-j / \lambda}}

    There are no items to be pushed down in it: beside it must stand a loss that does so. A loss of clicks by
    softmax does not, since it is the same when all scores rise; then take ``among``, which puts the
    log-softmax over the items that count in place of :math:`\log \sigma`.

    Parameters
    ----------
    student_scores, teacher_scores : Tensor of shape (B, I)
    candidates : bool Tensor of shape (B, I), optional
        Which items count. A list with fewer than ``top`` has that many best.
    top : int
        K, from 1 to I.
    decay : float
        Lambda, in ranks; ``math.inf`` for equal weights. The source's second kind of weight, which grows
        while the student ranks an item too low, is not here.
    among : bool

    Raises
    ------
    ValueError
        If the shapes differ or are not (B, I), there are fewer items than ``top``, or the decay is not
        above 0.

    References
    ----------
    Tang and Wang (2018), "Ranking Distillation: Learning Compact Ranking Models With High Performance for
    Recommender System", and its code.
    """
    if not decay > 0:
        raise ValueError(f"decay must be a number of ranks above 0, got {decay}")
    student, teacher = _lists(student_scores, teacher_scores, candidates)
    best, counts = _best(teacher, top)
    weights = torch.arange(1, top + 1, device=student.device, dtype=student.dtype).div(-decay).softmax(dim=0)
    likely = F.log_softmax(student, dim=1) if among else F.logsigmoid(student)
    return -(weights * likely.gather(1, best) * counts).sum(dim=1).mean() + _unseen(student, teacher)


@in_full_precision
def collaborative_loss(student_scores, teacher_scores, candidates=None, *, temperature=1.0):
    r"""Cross-entropy of each item on its own, to how probable the teacher finds it.

    .. math:: -\frac{1}{N} \sum_n \big(q_n \log \sigma(s_n) + (1 - q_n) \log \sigma(-s_n)\big),
              \qquad q = \sigma(s^t / T)

    The mean is over the N items that count. The source draws these, the likelier the higher the teacher ranks
    them: hand the draw over as ``candidates``. Only the teacher is softened, and there is no :math:`T^2`.

    Parameters
    ----------
    student_scores, teacher_scores : Tensor of shape (B, I)
    candidates : bool Tensor of shape (B, I), optional
    temperature : float, default 1.0

    Raises
    ------
    ValueError
        If the shapes differ or are not (B, I), or T is not finite and above 0.

    References
    ----------
    Lee et al. (2019), "Collaborative Distillation for Top-N Recommendation".
    """
    check_temperature(temperature)
    student, teacher = _lists(student_scores, teacher_scores, candidates)
    each = F.binary_cross_entropy_with_logits(student, (teacher / temperature).sigmoid(), reduction="none")
    if candidates is None:
        return each.mean() + _unseen(student, teacher)
    return (each * candidates).sum() / candidates.sum().clamp(min=1) + _unseen(student, teacher)


def _lists(student, teacher, candidates):
    """Both sides, with the score of whatever does not count out of reach; shapes are checked."""
    check_logits(student, teacher, what="scores", of="items")
    if candidates is None:
        return student, teacher
    if candidates.shape != student.shape or candidates.dtype != torch.bool:
        kind = str(candidates.dtype).removeprefix("torch.")
        raise ValueError(
            f"candidates must be bool {tuple(student.shape)} as the scores are, "
            f"got {kind} {tuple(candidates.shape)}"
        )
    return tuple(scores.masked_fill(~candidates, OUT) for scores in (student, teacher))


def _best(teacher, top):
    """Places (B, top) of the teacher's best items, best first, and which of them count."""
    if not 1 <= top <= teacher.shape[1]:
        raise ValueError(f"top must lie between 1 and the {teacher.shape[1]} items of a list, got {top}")
    scores, places = teacher.topk(top, dim=1)
    return places, scores > OUT


def _unseen(student, teacher):
    """0, or NaN where either side has one, or an infinity, that the loss has not looked at."""
    return 0.0 * (student.sum() + teacher.sum())
