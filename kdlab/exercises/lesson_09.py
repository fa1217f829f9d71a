"""Lesson 09: tables, fraud in real time."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.own import OwnStudy
from kdlab.losses import binary_soft_target_loss

bce = F.binary_cross_entropy_with_logits


def _payments():
    p = torch.tensor([0.001, 0.02, 0.3, 0.9])
    return torch.tensor([-5.0, -4.0, -1.0, 1.0]), p.logit()


def _six():
    random = torch.Generator().manual_seed(4)
    return tuple(scale * torch.randn(6, generator=random) - 1 for scale in (2.0, 3.0))


def _entropy(z):
    return bce(z, z.sigmoid())


def _kl(s, t):
    return bce(s, t.sigmoid()) - _entropy(t)


def _naive(s, t, T):
    p, q = (t / T).sigmoid(), (s / T).sigmoid()
    return T**2 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()


def _powers(loss, *powers):
    return [lambda s, t, T, power=power: T**power * loss(s, t, T) for power in powers]


def _yes(s, t):
    return (t.sigmoid() * (F.logsigmoid(t) - F.logsigmoid(s))).mean()


def _no(s, t):
    return _yes(-s, -t)


LOSS = Exercise(
    "9.2", "Soft targets for one logit", see="One logit a payment",
    right="Yes and no both count, both sides at T, and T squared in front.",
    reference=lambda s, t, T: binary_soft_target_loss(s, t, temperature=T),
    cases={
        "four payments at T = 3": lambda: (*_payments(), 3.0),
        "six payments at T = 5": lambda: (*_six(), 5.0),
        "logits of 150 and -140, and of -160 and 130, at T = 1": lambda: (torch.tensor([150.0, -140.0]), torch.tensor([-160.0, 130.0]), 1.0),
    },
    mistakes=[
        Mistake("cross-entropy in place of the divergence",
            "The same gradient, another value: it is larger by T squared times the teacher's entropy.",
            lambda s, t, T: T**2 * bce(s / T, (t / T).sigmoid()), accept=True),
        Mistake("the logarithm of 0", "Right for small logits. A large one gives a probability of exactly 0 or 1, whose logarithm is lost: use the form that takes logits.",
            _naive, lambda s, t, T: T**2 * (F.binary_cross_entropy((s / T).sigmoid(), (t / T).sigmoid()) - _entropy(t / T))),
        Mistake("missing T squared", "Softened correctly, but the gradient shrinks as T grows.",
            lambda s, t, T: _kl(s / T, t / T), lambda s, t, T: bce(s / T, (t / T).sigmoid())),
        Mistake("another power of T", "The gradient falls like 1 over T squared, so T squared is the factor.",
            *_powers(lambda s, t, T: _kl(s / T, t / T), -2, -1, 1, 3, 4), *_powers(lambda s, t, T: bce(s / T, (t / T).sigmoid()), 1, 3)),
        Mistake("yes alone", "A payment is fraud or it is not: the divergence has a term for no as well.",
            *_powers(lambda s, t, T: _yes(s / T, t / T), 0, 2), *_powers(lambda s, t, T: -((t / T).sigmoid() * F.logsigmoid(s / T)).mean(), 0, 2)),
        Mistake("no alone", "The divergence has a term for yes as well.",
            *_powers(lambda s, t, T: _no(s / T, t / T), 0, 2)),
        Mistake("student and teacher swapped", "The teacher's probability weighs the logarithms, and the student learns.",
            *_powers(lambda s, t, T: _kl(t / T, s / T), 0, 2), *_powers(lambda s, t, T: bce(t / T, (s / T).sigmoid()), 0, 2)),
        Mistake("temperature on one side", "Both logits are divided by T.",
            *_powers(lambda s, t, T: _kl(s, t / T), 0, 2), *_powers(lambda s, t, T: _kl(s / T, t), 0, 2),
            *_powers(lambda s, t, T: bce(s, (t / T).sigmoid()), 0, 2), *_powers(lambda s, t, T: bce(s / T, t.sigmoid()), 0, 2),
            *_powers(lambda s, t, T: bce(s / T, t.sigmoid()) - _entropy(t / T), 0, 2), *_powers(lambda s, t, T: bce(s, (t / T).sigmoid()) - _entropy(t / T), 0, 2),
            *_powers(lambda s, t, T: bce(s / T, (t / T).sigmoid()) - _entropy(t), 0, 2)),
        Mistake("the entropy added", "The teacher's own entropy is taken off the cross-entropy: the divergence is 0 where both agree.",
            *_powers(lambda s, t, T: bce(s / T, (t / T).sigmoid()) + _entropy(t / T), 0, 2)),
        Mistake("no temperature", "T is not used: both logits are divided by it.",
            *_powers(lambda s, t, T: _kl(s, t), 0, 2), *_powers(lambda s, t, T: bce(s, t.sigmoid()), 0, 2)),
        Mistake("T applied to the probability", "The logit is divided by T, then comes the sigmoid.",
            *_powers(lambda s, t, T: bce(s / T, t.sigmoid() / T), 0, 2), *_powers(lambda s, t, T: bce(s, t.sigmoid() / T), 0, 2)),
        Mistake("multiplied by T", "The logits are divided by T.", *_powers(lambda s, t, T: _kl(s * T, t * T), 0, 2, -2)),
        Mistake("logits where probabilities belong", "The targets are probabilities: the sigmoid of the teacher's logits.",
            *_powers(lambda s, t, T: bce(s / T, t / T), 0, 2), *_powers(lambda s, t, T: bce(s / T, t), 0, 2),
            *_powers(lambda s, t, T: bce(s / T, t / T) - bce(t / T, t / T), 0, 2), *_powers(lambda s, t, T: bce(s / T, t / T) - _entropy(t / T), 0, 2)),
        Mistake("sigmoid twice", "binary_cross_entropy_with_logits takes logits, and the sigmoid itself.",
            *_powers(lambda s, t, T: bce((s / T).sigmoid(), (t / T).sigmoid()), 0, 2),
            *_powers(lambda s, t, T: bce(s / T, (t / T).sigmoid().sigmoid()), 0, 2),
            *_powers(lambda s, t, T: bce(s / T, p := (t / T).sigmoid()) - bce(p, p), 0, 2)),
        Mistake("softmax over the payments", "Each payment is a question of its own: a sigmoid, not a softmax over the batch.",
            *_powers(lambda s, t, T: F.kl_div((s / T).log_softmax(0), (t / T).softmax(0), reduction="sum"), 0, 2),
            *_powers(lambda s, t, T: F.kl_div((s / T).log_softmax(0), (t / T).softmax(0), reduction="mean"), 0, 2)),
        Mistake("the teacher's answer thresholded", "The probability itself is the target; a yes or no forgets how sure it was.",
            *_powers(lambda s, t, T: bce(s / T, (t > 0).float()), 0, 2), lambda s, t, T: bce(s, (t > 0).float())),
        Mistake("sum over the payments", "The loss is the mean over the payments.",
            *_powers(lambda s, t, T: len(s) * _kl(s / T, t / T), 0, 2), *_powers(lambda s, t, T: len(s) * bce(s / T, (t / T).sigmoid()), 0, 2)),
        Mistake("squared differences in place of the divergence", "That is another loss; asked is the divergence of the probabilities.",
            *_powers(lambda s, t, T: (s / T - t / T).square().mean(), 0, 2),
            *_powers(lambda s, t, T: ((s / T).sigmoid() - (t / T).sigmoid()).square().mean(), 0, 2)),
        Mistake("logarithms to base 2", "Nats, by the natural logarithm.", *_powers(lambda s, t, T: _kl(s / T, t / T) / torch.tensor(2.0).log(), 0, 2)),
        Mistake("its sign turned", "A divergence is 0 or more: the teacher's logarithm minus the student's.", *_powers(lambda s, t, T: -_kl(s / T, t / T), 0, 2)),
    ],
)  # fmt: skip


def _day():
    return torch.tensor([0.1, 2.0, -1.0, 0.9, 3.0, 0.4]), torch.tensor([0.3, 0.6, 0.01, 0.55, 0.2, 0.7]), 2


def _week():
    random = torch.Generator().manual_seed(8)
    return torch.randn(40, generator=random), torch.rand(40, generator=random) ** 3, 7


def _caught(pick, *, per=lambda p, top, budget: p.sum(), part=lambda p, top: p[top].sum(), factor=100):
    """A recall: right by default; each option is a mistake."""

    def code(scores, p, budget):
        top = pick(scores, p, budget)
        return factor * part(p, top) / per(p, top, budget)

    return code


def _top(scores, p, budget):
    return scores.topk(budget).indices


BUDGET = Exercise(
    "9.1", "Recall at a budget", see="A score without luck",
    right="The highest scores are looked at; what they catch is a share of all that there is to catch.",
    reference=_caught(_top), observe=value,
    cases={"six payments and a budget of two": _day, "forty payments and a budget of seven": _week},
    mistakes=[
        Mistake("precision in place of recall", "You divide by the payments looked at. Recall divides by all frauds to be expected.",
            _caught(_top, per=lambda p, top, b: b), _caught(_top, per=lambda p, top, b: b, factor=1)),
        Mistake("the lowest scores", "The highest scores are the most suspicious.",
            _caught(lambda s, p, b: s.argsort()[:b]), _caught(lambda s, p, b: s.argsort()[:b], factor=1)),
        Mistake("the first rows", "The payments are not sorted: pick those with the highest scores.",
            _caught(lambda s, p, b: slice(b)), _caught(lambda s, p, b: slice(b), factor=1)),
        Mistake("picked by the true probability", "Nobody has that when deciding: the scores pick, the probability only counts.",
            _caught(lambda s, p, b: p.topk(b).indices), _caught(lambda s, p, b: p.topk(b).indices, factor=1)),
        Mistake("the truth thresholded", "A payment of probability 0.3 is three tenths of a fraud, not none.",
            _caught(_top, part=lambda p, top: (p[top] > 0.5).float().sum(), per=lambda p, top, b: (p > 0.5).float().sum()),
            _caught(_top, part=lambda p, top: (p[top] > 0.5).float().sum()),
            _caught(_top, part=lambda p, top: (p[top] > 0.5).float().sum(), per=lambda p, top, b: (p > 0.5).float().sum(), factor=1)),
        Mistake("one payment too many", "A budget of two looks at two.",
            _caught(lambda s, p, b: s.topk(b + 1).indices), _caught(lambda s, p, b: s.topk(b + 1).indices, factor=1)),
        Mistake("one payment too few", "A budget of two looks at two.",
            _caught(lambda s, p, b: s.topk(b - 1).indices), _caught(lambda s, p, b: s.topk(b - 1).indices, factor=1)),
        Mistake("a threshold in place of the budget", "How many are looked at is given; where that cuts the scores, follows.",
            _caught(lambda s, p, b: s > 0), _caught(lambda s, p, b: s.sigmoid() > 0.5, factor=1), _caught(lambda s, p, b: s > 0.5),
            _caught(lambda s, p, b: s > 0.5, factor=1)),
        Mistake("divided by the number of payments", "Divide by the frauds that are to be expected among all payments.",
            _caught(_top, per=lambda p, top, b: len(p)), _caught(_top, per=lambda p, top, b: len(p), factor=1)),
        Mistake("not divided", "This is how many frauds are caught. Asked is their share of all, in percent.",
            _caught(_top, per=lambda p, top, b: 1), _caught(_top, per=lambda p, top, b: 1, factor=1)),
        Mistake("a share in place of percent", "Right, but between 0 and 1.", _caught(_top, factor=1)),
        Mistake("what is missed", "This is the share that gets through.",
            lambda s, p, b: 100 - _caught(_top)(s, p, b), lambda s, p, b: 1 - _caught(_top, factor=1)(s, p, b)),
        Mistake("the scores summed", "The scores pick. What is counted is the probability of fraud.",
            *[lambda s, p, b, f=f: f * s.sigmoid().topk(b).values.sum() / s.sigmoid().sum() for f in (1, 100)],
            *[lambda s, p, b, f=f: f * s.topk(b).values.sum() / s.sum() for f in (1, 100)]),
        Mistake("the share of rows", "That is the budget itself, whatever was caught.",
            lambda s, p, b: 100 * b / len(s), lambda s, p, b: b / len(s)),
    ],
)  # fmt: skip


def _pairs(n, columns, s, nominal, seed):
    random = torch.Generator().manual_seed(seed)
    row, neighbour = (2 * torch.randn(n, columns, generator=random) for _ in range(2))
    row[:, nominal], neighbour[:, nominal] = 1.0, 4.0
    take = torch.rand(n, columns, generator=random) < 0.5
    take[0], take[0, 0] = True, False
    return row, neighbour, take, torch.randn(n, columns, generator=random), s, nominal


def _munge(
    centre=lambda r, n: n, spread=lambda r, n, s: (r - n).abs() / s, named=lambda v, r, n: n,
    put=lambda take, v, r, n: torch.where(take, v, r),
):  # fmt: skip
    """A made-up row: right by default; each option is a mistake."""

    def code(row, neighbour, take, noise, s, nominal):
        new = centre(row, neighbour) + spread(row, neighbour, s) * noise
        new[:, nominal] = named(new, row, neighbour)[:, nominal]
        return put(take, new, row, neighbour)

    return code


MUNGE = Exercise(
    "9.3", "A row that nobody paid", see="Rows that nobody paid",
    right="A number is drawn around the neighbour's, a name is the neighbour's own, and what is not taken stays.",
    reference=_munge(), observe=value,
    cases={
        "two rows of three columns, the last one of names": lambda: _pairs(2, 3, 2.0, [2], 0),
        "five rows of six columns, two of names": lambda: _pairs(5, 6, 0.5, [1, 4], 1),
    },
    mistakes=[
        Mistake("the sign of the difference kept", "It turns some of the noise around, which is as likely either way.",
            _munge(spread=lambda r, n, s: (r - n) / s), _munge(spread=lambda r, n, s: (n - r) / s), accept=True),
        Mistake("drawn around the row itself", "The mean is the neighbour's value; the row's own stays where nothing is taken.",
            _munge(centre=lambda r, n: r), _munge(centre=lambda r, n: r, named=lambda v, r, n: r)),
        Mistake("drawn around the mean of both", "The mean is the neighbour's value.", _munge(centre=lambda r, n: (r + n) / 2)),
        Mistake("take turned around", "Where take is True the new value comes in.",
            _munge(put=lambda take, v, r, n: torch.where(take, r, v)), _munge(put=lambda take, v, r, n: torch.where(~take, v, r))),
        Mistake("every value taken", "Only where take is True; the others stay the row's.", _munge(put=lambda take, v, r, n: v)),
        Mistake("the neighbour where nothing is taken", "What is not taken stays the row's own.",
            _munge(put=lambda take, v, r, n: torch.where(take, v, n))),
        Mistake("multiplied by s", "The standard deviation is the difference divided by s.", _munge(spread=lambda r, n, s: (r - n).abs() * s)),
        Mistake("s left out", "The standard deviation is the difference divided by s.", _munge(spread=lambda r, n, s: (r - n).abs())),
        Mistake("the same noise for all", "How far the two rows lie apart says how far a value may stray.",
            _munge(spread=lambda r, n, s: 1 / s), _munge(spread=lambda r, n, s: 1.0)),
        Mistake("variance in place of the standard deviation", "The difference over s is the standard deviation already.",
            _munge(spread=lambda r, n, s: ((r - n).abs() / s) ** 2), _munge(spread=lambda r, n, s: ((r - n).abs() / s).sqrt())),
        Mistake("no noise", "A number is drawn around the neighbour's, not copied.", _munge(spread=lambda r, n, s: 0.0)),
        Mistake("names with noise", "Between two names there is nothing: the neighbour's own is taken as it is.",
            _munge(named=lambda v, r, n: v), _munge(named=lambda v, r, n: v.round())),
        Mistake("names averaged", "Between two names there is nothing: the neighbour's own is taken as it is.",
            _munge(named=lambda v, r, n: (r + n) / 2)),
        Mistake("names never taken", "Names are taken, too, where take says so.", _munge(named=lambda v, r, n: r)),
        Mistake("names always taken", "A name is taken only where take says so, as a number is.",
            lambda row, neighbour, take, noise, s, nominal: _named(_munge()(row, neighbour, take, noise, s, nominal), neighbour, nominal)),
        Mistake("row and neighbour swapped", "The row gives way to its neighbour's values, not the other way round.",
            lambda row, neighbour, *rest: _munge()(neighbour, row, *rest)),
    ],
)  # fmt: skip


def _named(made, neighbour, nominal):
    made[:, nominal] = neighbour[:, nominal]
    return made


class _OfPayments(OwnStudy):
    shipped = "tables"


HOTTER = _OfPayments(
    "9.4", "A temperature of your own", see="Temperature, logits, probabilities", arms=("T = 1", "T = 8"), seeds=3, steps=500,
    meaning={
        "helps": "At these steps and this width the flatter answers taught more. Set it beside the shipped T = 4.",
        "hurts": "The flatter answers taught less: most of what they ask is about payments that are sure to be honest.",
        "same": "Between the two there is no difference that matters, at these steps and this width.",
        "open": "These pairs cannot tell. The line says how many would do.",
    },
)  # fmt: skip

EXERCISES = [BUDGET, LOSS, MUNGE, HOTTER]
