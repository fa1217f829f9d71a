"""Lesson 13: what to recommend, to whom, and how one would know."""

from functools import partial

import torch

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.own import OwnStudy
from kdlab.exercises.recommending import (
    before_after,
    expected_hits,
    first_hit,
    first_in,
    gain,
    list_loss,
    matched,
    right_sums,
    tail,
    two_lists,
    users,
)  # fmt: skip
from kdlab.losses import listwise_loss, ranked_list_loss
from kdlab.metrics.ratings import ndcg

NDCG = Exercise(
    "13.1", "The first ten", see="What is counted",
    right="All items are ranked but those that the user has clicked, and the best list of each user counts 100.",
    reference=lambda s, h, c, k: ndcg(s, h, ~c, k=k), observe=value,
    cases={
        "four users, eight items, k = 3": partial(users, 4, 8, 3, 11),
        "seven users, fourteen items, k = 4": partial(users, 7, 14, 4, 12),
    },
    mistakes=[
        Mistake("clicked items recommended again",
            "What was clicked in training has the highest scores and is no held-out click: it fills the list. Take it out.",
            partial(gain, taken_out=lambda s, c: s)),
        Mistake("clicked items set to 0, not taken out",
            "A score of 0 is a score: others are below it. Give them one below all others, such as -inf.",
            partial(gain, taken_out=lambda s, c: s.masked_fill(c, 0.0)), partial(gain, taken_out=lambda s, c: s * ~c)),
        Mistake("only clicked items ranked", "The mask is the wrong way round: candidates are what the user has not clicked.",
            partial(gain, taken_out=lambda s, c: s.masked_fill(~c, -1e9))),
        Mistake("the best list taken as always full",
            "A user with two held-out clicks cannot have more than two: their best list is these two at the top.",
            partial(gain, ideal=lambda n, k: torch.full_like(n, k))),
        Mistake("the best list not cut at k",
            "Whoever holds out more than k can be shown only k of them: the best list ends there, too.",
            partial(gain, ideal=lambda n, k: n)),
        Mistake("not divided by the best list", "That is DCG. Divide each user's by the highest that is possible for them.",
            partial(gain, mean=lambda g, p, n: g.mean()), partial(gain, mean=lambda g, p, n: g.mean() / 100)),
        Mistake("divided by how many were held out", "The best list has a discount, too: divide by its DCG.",
            partial(gain, mean=lambda g, p, n: (g / n).mean())),
        Mistake("clicks of training are gains", "They are known already. Only held-out clicks are gains.",
            lambda s, h, c, k: gain(s, h | c, c, k)),
        Mistake("only the first hit counts", "That is a hit rate, or a reciprocal rank. Each hit in the list is a gain.",
            partial(first_hit, worth=lambda r: 1.0 + 0 * r), partial(first_hit, worth=lambda r: 1 / r)),
        Mistake("sums divided, not users",
            "First each user's share, then the mean: otherwise those with many held-out clicks count most.",
            partial(gain, mean=lambda g, p, n: g.sum() / p.sum())),
        Mistake("users who held nothing out count as 0", "For them there is nothing to find. Leave them out of the mean.",
            partial(gain, some=False)),
        Mistake("the whole list counted", "Only the first k places count.",
            partial(gain, cut=False), partial(gain, cut=False, ideal=lambda n, k: n)),
        Mistake("no discount: recall", "Every place counts alike here. Divide the gain at rank r by log2(r + 1).",
            partial(gain, discount=torch.ones_like), partial(gain, discount=torch.ones_like, ideal=lambda n, k: n)),
        Mistake("no discount: precision", "These are hits divided by k. NDCG divides by log2(r + 1), and by the best list.",
            partial(gain, discount=torch.ones_like, ideal=lambda n, k: torch.full_like(n, k)),
            partial(gain, discount=torch.ones_like, ideal=lambda n, k: torch.full_like(n, k), some=False)),
        Mistake("one place too far", "Rank 1 is divided by log2(2) = 1, rank 2 by log2(3). Yours begin one later.",
            partial(gain, later=2)),
        Mistake("divided by the rank itself", "The discount is a logarithm: 1, 1.58, 2, ... and not 1, 2, 3.",
            partial(gain, discount=lambda r: 1 / (r - 1)), partial(gain, discount=lambda r: 1 / r)),
        Mistake("1 added in the wrong place", "It is log2(r + 1), and not 1 + log2(r).",
            partial(gain, discount=lambda r: 1 / (1 + torch.log2(r - 1)))),
        Mistake("the logarithm of the discount forgotten at rank 1", "With log2(r) rank 1 would divide by 0: it is log2(r + 1).",
            partial(gain, later=0, discount=lambda r: 1 / torch.log2(r.clamp(min=2)))),
        Mistake("the worst items first", "argsort sorts upwards. The highest score comes first.", partial(gain, down=False),
            partial(gain, taken_out=lambda s, c: (-s).masked_fill(c, -1e9))),
        Mistake("one number a user", "The users' numbers are right. Take their mean.",
            partial(gain, mean=lambda g, p, n: g / p), partial(gain, mean=lambda g, p, n: (g / p).sum())),
        Mistake("scores as gains", "The gain of an item is whether it was held out, and not its score.",
            lambda s, h, c, k: ndcg(s, s.sigmoid(), ~c, k=k)),
    ],
)  # fmt: skip


DRAWN = Exercise(
    "13.2", "What drawing does to a rank", see="Twenty others",
    right="A rank far down is forgiven by the draw: nine in ten of what is better was never drawn.",
    reference=expected_hits(), observe=value,
    cases={
        "ranks 1, 5 and 42 of 100, 10 drawn, k = 1": lambda: (torch.tensor([1, 5, 42]), 100, 10, 1),
        "five ranks of 300, 20 drawn, k = 5": lambda: (torch.tensor([2, 9, 30, 77, 152]), 300, 20, 5),
    },
    mistakes=[
        Mistake("the rank among all items", "These are the hits of a full ranking. Only what was drawn can stand before the item.",
            first_in(lambda r, i, n, k: (r <= k).double())),
        Mistake("the rank scaled down, without chance",
            "On average the rank shrinks like that. But each draw is luck, and a hit counts its chance.",
            first_in(lambda r, i, n, k: (r * n / i <= k).double()), first_in(lambda r, i, n, k: ((r - 1) * n / (i - 1) + 1 <= k).double()),
            first_in(lambda r, i, n, k: ((r - 1) * n / (i - 1) < k).double())),
        Mistake("drawn with putting back", "No item is drawn twice: the count is hypergeometric, not binomial.",
            expected_hits(back=True), expected_hits(back=True, better=lambda r: r, others=lambda i: i),
            expected_hits(back=True, most=lambda k: 0, only_if=lambda k: k > 1)),
        Mistake("the rank has no say", "That is the chance of an item drawn like the others. Yours has a rank: r - 1 are better.",
            lambda r, i, n, k: k / (n + 1)),
        Mistake("the item counted before itself", "An item at rank r has r - 1 better ones.",
            expected_hits(better=lambda r: r), expected_hits(better=lambda r: r, others=lambda i: i)),
        Mistake("one better item too many allowed", "To be among the first k, at most k - 1 better ones may be drawn.",
            expected_hits(most=lambda k: k)),
        Mistake("the item drawn against itself", "It stands in the list anyway. The others are drawn from items - 1.",
            expected_hits(others=lambda i: i)),
        Mistake("exactly so many, not at most", "Add up the chances of 0, 1, ... k - 1 better ones: the cumulative function.",
            expected_hits(kind="pmf")),
        Mistake("no better one at all", "That is the chance to come first. For the first k, up to k - 1 better ones may be drawn.",
            expected_hits(most=lambda k: 0, only_if=lambda k: k > 1)),
        Mistake("the chance to miss", "That is 1 minus what is asked.", expected_hits(kind="sf"), expected_hits(kind="sf", most=lambda k: k)),
        Mistake("the median", "The mean is asked for.", expected_hits(over=lambda p: p.median())),
        Mistake("one too few drawn", "All of them are drawn beside the item.", expected_hits(drawn=lambda n: n - 1)),
        Mistake("the mean rank taken first", "The chance falls steeply at first: take each user's chance, then the mean.",
            *(lambda r, i, n, k, whole=whole: expected_hits()(whole(r.double().mean())[None], i, n, k)
              for whole in (torch.round, torch.floor, torch.ceil))),
        Mistake("one number a user", "The users' chances are right. Take their mean.",
            expected_hits(over=lambda p: p), expected_hits(over=lambda p: p.sum())),
    ],
)  # fmt: skip


RANKED = Exercise(
    "13.3", "The best in order, the rest below", see="What of a list can be matched",
    right="Each of the best against all that is left: those after it, and the others as one group.",
    reference=lambda s, t, top: ranked_list_loss(s, t, top=top),
    cases={
        "one list of five, the best two": partial(two_lists, 1, 5, 2),
        "three lists of eight, the best three": partial(two_lists, 3, 8, 3),
    },
    mistakes=[
        Mistake("summed from the best down",
            "logcumsumexp adds up from the left: it holds what came before. What is left stands to the right: flip, add up, flip back.",
            partial(list_loss, cumulate=lambda s, k, top: torch.cat([s[:, : k + 1], s[:, top:]], 1)),
            matched(lambda z: z.logcumsumexp(dim=1))),
        Mistake("flipped once only", "After the sum the list must be turned back, or each place meets another's sum.",
            matched(lambda z: z.flip(1).logcumsumexp(dim=1)), matched(lambda z: z.logcumsumexp(dim=1).flip(1))),
        Mistake("ranks in place of places", "argsort of argsort gives each item's rank. To put scores in order, gather at the places: one argsort.",
            matched(right_sums, order=lambda t: t.argsort(dim=1, descending=True).argsort(dim=1))),
        Mistake("one place too many or too few", "The sum runs over exactly top places.",
            matched(right_sums, part=lambda terms, top: terms[:, : top + 1]), matched(right_sums, part=lambda terms, top: terms[:, : top - 1])),
        Mistake("the last places", "The best stand at the beginning.", matched(right_sums, part=lambda terms, top: terms[:, -top:])),
        Mistake("scores added up, not their exponentials", "Below the line stand exponentials: logcumsumexp, not cumsum.",
            matched(lambda z: z.flip(1).cumsum(dim=1).flip(1))),
        Mistake("all scores matched, no order", "That is ListNet: the whole distribution, and no best top.",
            lambda s, t, top: listwise_loss(s, t)),
        Mistake("the order of the student", "The list is the teacher's: its scores say which are the best, and in which order.",
            partial(list_loss, order=lambda s, t: s.detach().argsort(dim=1, descending=True))),
        Mistake("the teacher's worst", "argsort sorts upwards: the highest score comes first.",
            partial(list_loss, order=lambda s, t: t.argsort(dim=1))),
        Mistake("the others left out",
            "Without them nothing says that the best stand above the rest: all of them may end at the bottom.",
            partial(list_loss, others=False)),
        Mistake("the best not compared among themselves",
            "Each of the best stands against the others alone here, so that their own order does not count.",
            partial(list_loss, below=False)),
        Mistake("the others in order as well", "Beyond the best, the order is noise that a narrow student has no room for. Stop at top.",
            partial(list_loss, whole=True)),
        Mistake("nothing is taken off the list", "Once the first is placed, the second competes with what is left, not with the first.",
            partial(list_loss, cumulate=lambda s, k, top: s)),
        Mistake("the item itself is not among what is left", "The item competes too: the sum below the line begins with it.",
            partial(list_loss, cumulate=lambda s, k, top: s[:, k + 1 :])),
        Mistake("only the first place", "That is the loss of the first place. The sum runs over the best top.",
            partial(list_loss, over=lambda terms: terms[:, 0].mean())),
        Mistake("a mean over the places", "The places are added up, the lists averaged.",
            partial(list_loss, over=lambda terms: terms.mean())),
        Mistake("a sum over the lists", "The places are added up, the lists averaged.",
            partial(list_loss, over=lambda terms: terms.sum())),
        Mistake("one number a list", "The lists' numbers are right. Take their mean.", partial(list_loss, over=lambda terms: terms.sum(dim=1))),
        Mistake("the likelihood of the whole, not its logarithm", "Minus the logarithm of the likelihood is asked for.",
            partial(list_loss, over=lambda terms: (-terms.sum(dim=1)).exp().mean()),
            partial(list_loss, over=lambda terms: -(-terms.sum(dim=1)).exp().mean())),
        Mistake("student and teacher swapped", "The first argument is the student's, and it must have the gradient.",
            lambda s, t, top: list_loss(t, s, top)),
        Mistake("probabilities in place of scores", "The softmax is in the formula already: put in the scores as they are.",
            lambda s, t, top: list_loss(s.softmax(1), t, top), lambda s, t, top: list_loss(s.log_softmax(1).exp(), t.softmax(1), top)),
        Mistake("the student detached", "The value is right, but no gradient reaches the student.",
            lambda s, t, top: list_loss(s.detach(), t, top)),
    ],
)  # fmt: skip


TAIL = Exercise(
    "13.4", "Those who click least", see="Who gains, and who loses",
    right="A mean over all users says little of those of whom little is known.",
    reference=tail, observe=value,
    cases={"six users": partial(before_after, 6), "thirty users": partial(before_after, 30)},
    mistakes=[
        Mistake("all users", "That is the mean over everybody. Take the third with the fewest clicks.", partial(tail, share=1)),
        Mistake("those who click most", "The order is turned round: the fewest clicks are asked for.", partial(tail, down=True)),
        Mistake("those who were served worst", "Sort by clicks, not by the score: whoever was lowest is likely to rise, by chance alone.",
            partial(tail, by=lambda b, a, c: b), partial(tail, by=lambda b, a, c: a)),
        Mistake("those who gained least (or most)", "The group was chosen by the very gain that is asked for. Sort by clicks.",
            partial(tail, by=lambda b, a, c: a - b), partial(tail, by=lambda b, a, c: b - a)),
        Mistake("half of the users", "A third is asked for.", partial(tail, share=2), lambda b, a, c: (a - b)[c < c.median()].mean()),
        Mistake("weighted by clicks", "Then those who click most count most. Every user of the third counts once.",
            lambda b, a, c: ((a - b) * c).sum() / c.sum()),
        Mistake("the third in the middle", "The fewest clicks are asked for.", lambda b, a, c: (a - b)[c.argsort()[len(c) // 3 : 2 * (len(c) // 3)]].mean()),
        Mistake("the first third in the list", "The first third stands there by accident. Sort by clicks first.",
            partial(tail, by=lambda b, a, c: torch.arange(len(c)))),
        Mistake("below the mean number of clicks", "Clicks are skewed: most users are below the mean. Take a third by rank.",
            lambda b, a, c: (a - b)[c < c.double().mean()].mean()),
        Mistake("all but the third", "That is what the others gain.", partial(tail, of=lambda b, a, rows, rest: (a - b)[rest].mean())),
        Mistake("set against the other users", "That is how much more the third gains than the rest. Its own gain is asked for.",
            partial(tail, of=lambda b, a, rows, rest: (a - b)[rows].mean() - (a - b)[rest].mean()),
            partial(tail, of=lambda b, a, rows, rest: a[rows].mean() - b.mean())),
        Mistake("the score afterwards", "That is where they stand, not what they gained: take off the score before.",
            partial(tail, of=lambda b, a, rows, rest: a[rows].mean()), partial(tail, of=lambda b, a, rows, rest: b[rows].mean())),
        Mistake("a ratio", "A difference in points is asked for.",
            partial(tail, of=lambda b, a, rows, rest: a[rows].mean() / b[rows].mean()),
            partial(tail, of=lambda b, a, rows, rest: (a / b)[rows].mean()),
            partial(tail, of=lambda b, a, rows, rest: 100 * (a / b - 1)[rows].mean())),
        Mistake("the median", "The mean is asked for, as intervals are about means.",
            partial(tail, of=lambda b, a, rows, rest: (a - b)[rows].median())),
        Mistake("a sum", "The gains are right. Take their mean.", partial(tail, of=lambda b, a, rows, rest: (a - b)[rows].sum()),
            partial(tail, of=lambda b, a, rows, rest: (a - b)[rows].sum() / (len(rows) + len(rest)))),
        Mistake("the spread", "The mean is asked for.", partial(tail, of=lambda b, a, rows, rest: (a - b)[rows].std())),
        Mistake("one number a user", "The gains are right. Take their mean.", partial(tail, of=lambda b, a, rows, rest: (a - b)[rows])),
        Mistake("the share of them that gain", "That counts how many gain, not how much.",
            partial(tail, of=lambda b, a, rows, rest: (a > b)[rows].double().mean())),
        Mistake("gains without their sign", "Losses count as losses: leave the sign.",
            partial(tail, of=lambda b, a, rows, rest: (a - b)[rows].abs().mean())),
    ],
)  # fmt: skip


TASTE = 25  # NDCG of true taste lies above, also of barely trained students; that of held-out clicks below


class _OwnList(OwnStudy):
    shipped = "ratings"
    run_here = ("RD", "ranked list", "ListNet", "all scores", "another user's list")

    def _faults(self, result):
        yield from super()._faults(result)
        if result.margin != 1:
            yield "another margin", f"your margin is {result.margin:g}; 1 point is asked for."
        level = sum(scores := result.scores.get("clicks", [])) / max(1, len(scores))
        if scores and level < TASTE:
            text = f"clicks alone reach {level:.0f} % in yours, as they do by held-out clicks. True taste is asked for."
            yield "held-out clicks in place of true taste", text


LONGER = _OwnList(
    "13.5", "A longer list", see="The experiment: beyond clicks",
    arms=("clicks", "ranked list, 30"), seeds=3,
    meaning={
        "helps": "A list of thirty lifts true taste. Whether it lifts it more than ten do is a difference of gains.",
        "hurts": "A list of thirty costs true taste: too much to fit for so few columns.",
        "same": "A list of thirty changes true taste by less than the margin.",
        "open": "So few worlds cannot tell. That is not the same as no effect.",
    },
)  # fmt: skip


EXERCISES = [NDCG, DRAWN, RANKED, TAIL, LONGER]
