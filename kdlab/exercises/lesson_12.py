"""Lesson 12: working written out by rule, what counts in it, and what a filter keeps."""

from functools import partial

import torch

from kdlab.data.reasoning import EQUALS, FILLER, MARK
from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.own import OwnStudy
from kdlab.exercises.tracing import (
    as_written,
    by_rule,
    changed,
    kept,
    labels,
    marked_texts,
    some_digits,
    traces_of,
    two_lengths,
    wrong_share,
)  # fmt: skip
from kdlab.teachers.reasoning import TRAINING

WORKING = Exercise(
    "12.1", "The working, by rule", see="A world of sums",
    right="Each sum needs only the one before it and one digit: that is what makes the steps easy.",
    reference=as_written(), observe=value,
    cases={
        "three questions of four digits": partial(some_digits, 3, 4),
        "six questions of five digits": partial(some_digits, 6, 5),
    },
    mistakes=[
        Mistake("the tens carried along", "A token is one digit: take the remainder modulo 10 of each sum.",
            as_written(over=lambda s: s), as_written(over=lambda s: s, answer=lambda d, s: s[:, -1] % 10)),
        Mistake("the first digit written as well", "The first digit is no sum. The working begins with the first two digits, added.",
            as_written(part=slice(None))),
        Mistake("the last sum left out", "The last sum belongs to the working; behind the mark it stands once more, as the answer.",
            as_written(part=slice(1, -1))),
        Mistake("the answer first", "Working, mark, answer: in this order. What stands after the answer cannot help it.",
            as_written(order=lambda s, m, a: (m, a, s)), as_written(order=lambda s, m, a: (a, m, s)),
            as_written(order=lambda s, m, a: (a, s))),
        Mistake("the mark forgotten", "Behind the sums stands MARK, and then the answer.", as_written(order=lambda s, m, a: (s, a)),
            as_written(order=lambda s, m, a: (s,)), as_written(order=lambda s, m, a: (s[:, :-1], m, a), part=slice(1, -1))),
        Mistake("the mark behind the answer", "The mark announces the answer: it stands before it.", as_written(order=lambda s, m, a: (s, a, m))),
        Mistake("another token for the mark", "MARK is a token of its own, neither the equals sign nor a dot.",
            as_written(order=lambda s, m, a: (s, m - MARK + EQUALS, a)), as_written(order=lambda s, m, a: (s, m - MARK + FILLER, a))),
        Mistake("the wrong end cut off", "The first column of the sums is no sum and goes; you cut off the last, which is the answer.",
            as_written(part=slice(None, -1)), as_written(part=slice(None, -1), answer=lambda d, s: s[:, -2])),
        Mistake("no sums: the digits again", "Each token is the sum of all digits up to here.", as_written(add=lambda d: d),
            as_written(add=lambda d: d, answer=lambda d, s: d.sum(1) % 10),
            as_written(add=lambda d: d, part=slice(None), answer=lambda d, s: d.sum(1) % 10)),
        Mistake("only neighbours added", "A running sum adds all digits so far, not each two neighbours.",
            as_written(add=lambda d: torch.cat([d[:, :1], d[:, 1:] + d[:, :-1]], 1))),
        Mistake("added from the right", "The sums run from the left: first and second digit, then the third, ...",
            as_written(add=lambda d: d.flip(1).cumsum(1).flip(1), part=slice(None, -1)), as_written(add=lambda d: d.flip(1).cumsum(1))),
        Mistake("added over the questions", "cumsum along dimension 1: within a question, not from one to the next.",
            as_written(add=lambda d: d.cumsum(0)), as_written(add=lambda d: d.cumsum(0), part=slice(None))),
        Mistake("multiplied, not added", "The world is one of sums.", as_written(add=lambda d: d.cumprod(1))),
        Mistake("the last digit for an answer", "The answer is the last sum.", as_written(answer=lambda d, s: d[:, -1])),
        Mistake("the first sum for an answer", "The answer is the last sum, not the first.", as_written(answer=lambda d, s: s[:, 0])),
        Mistake("the question in front", "Only what follows the equals sign is asked for.",
            as_written(order=lambda s, m, a: (s, m, a), front=True)),
        Mistake("only mark and answer", "That is an answer without its working.", as_written(order=lambda s, m, a: (m, a))),
    ],
)  # fmt: skip


LABELS = Exercise(
    "12.2", "What counts", see="What is imitated",
    right="Shifted by one, and the question is read, never asked for.",
    reference=labels(), observe=changed,
    cases={
        "two questions of three digits": partial(two_lengths, 2, 3),
        "four questions of five digits, two of them padded": partial(two_lengths, 4, 5, padded=2),
    },
    mistakes=[
        Mistake("the question changed in place", "The labels are right or not; the question that you were given is overwritten. Work on a copy.",
            labels(in_place=True), sign=("the question was overwritten:", True)),
        Mistake("the question counts too", "Then most of the loss asks for random digits, which nobody can foretell. Put -100 there.",
            labels(masked=lambda q: 0)),
        Mistake("not shifted", "The label of a place is the token that comes next. Yours is the token that stands there, which the model can see.",
            labels(shift=0), labels(shift=0, masked=lambda q: q)),
        Mistake("the first written token does not count",
            "At the equals sign the model is to write the first token: this place counts. Only the places before it do not.",
            labels(masked=lambda q: q)),
        Mistake("the equals sign counts", "It is in every question; the model need not write it. One place more gets -100.",
            labels(masked=lambda q: q - 2)),
        Mistake("shifted the wrong way", "roll by 1 gives each place the token before it. The next one is asked for.",
            labels(shift=-1), labels(shift=-1, masked=lambda q: 0), labels(shift=-1, masked=lambda q: q)),
        Mistake("shifted by two", "One place is enough: the next token.", labels(shift=2), labels(shift=2, masked=lambda q: q - 2)),
        Mistake("one place too long", "The last token has no next one: it is not read, and the labels end one place earlier.",
            labels(longer=-100), labels(longer=0), labels(longer=FILLER)),
        Mistake("the last token missing", "The answer itself stands at the last place: it must be a label.", labels(keep=slice(None, -1))),
        Mistake("only the answer counts", "The working counts as well: it is what is to be learned.", labels(only=1), labels(only=2)),
        Mistake("the answer does not count", "Mark and answer count like the working.", labels(without=2), labels(without=1)),
        Mistake("the question counts, and what was written does not", "The mask is the wrong way round.", labels(turned=True)),
        Mistake("0 or -1 where -100 is due", "0 is a digit, and -1 no class: cross_entropy leaves out -100.",
            labels(mask=0), labels(mask=-1)),
        Mistake("padding counts", "Where the continuation holds -100 there is nothing to write. It must stay -100.",
            labels(pad=0), labels(pad=FILLER), labels(pad=EQUALS)),
        Mistake("True and False", "The labels themselves are asked for: a token where it counts, -100 where not.",
            lambda i, c: labels()(i, c) != -100),
    ],
)  # fmt: skip


KEPT = Exercise(
    "12.3", "Kept by the final answer", see="Kept by the final answer",
    right="The filter looks at one token, and knows nothing of what stands before it.",
    reference=lambda w, a: kept()(w, a).int(), observe=value,
    cases={
        "eight texts": partial(marked_texts, 1, 8),
        "forty texts, some without a mark, some with two": partial(marked_texts, 3, 40),
    },
    mistakes=[
        Mistake("the last token taken for the answer", "A model may go on after its answer. The answer is the token behind the mark.",
            kept(at=lambda w: torch.full((len(w),), w.shape[1] - 1), any_mark=False), kept(at=lambda w: torch.full((len(w),), w.shape[1] - 1))),
        Mistake("a text without a mark judged by some token",
            "argmax of all False is 0: without a mark you look at the text's second token. Without a mark there is no answer.",
            kept(any_mark=False)),
        Mistake("the answer anywhere", "The answer may turn up in the working, too. Only the token behind the mark counts.",
            lambda w, a: (w == a[:, None]).any(1), lambda w, a: (w == a[:, None]).any(1) & (w == MARK).any(1)),
        Mistake("the answer anywhere behind the mark", "Only the first token behind the mark is the answer.",
            lambda w, a: ((w == a[:, None]) & ((w == MARK).cumsum(1) > 0)).any(1)),
        Mistake("the last sum, not the answer", "You look at the token before the mark. The answer stands behind it, and need not follow from the working.",
            kept(at=lambda w: (w == MARK).int().argmax(1) - 1)),
        Mistake("the mark itself", "You compare the mark with the answer: go one place further.", kept(at=lambda w: (w == MARK).int().argmax(1))),
        Mistake("the last of several marks", "The first mark announces the answer; what comes later is not asked for.",
            kept(at=lambda w: w.shape[1] - (w == MARK).flip(1).int().argmax(1))),
        Mistake("any mark", "With two marks the first one counts.", lambda w, a: ((w[:, :-1] == MARK) & (w[:, 1:] == a[:, None])).any(1)),
        Mistake("the mark at a fixed place", "The mark does not always stand second to last: look for it.",
            lambda w, a: (w[:, -2] == MARK) & (w[:, -1] == a)),
        Mistake("the first token", "The first token is a step of the working.", kept(at=lambda w: torch.zeros(len(w), dtype=torch.int64), any_mark=False)),
        Mistake("all kept that give an answer", "It must be the right one: compare with the answers.", lambda w, a: (w == MARK).any(1),
            lambda w, a: torch.ones(len(w), dtype=torch.bool)),
        Mistake("the wrong ones kept", "The comparison is turned round.", lambda w, a: ~kept()(w, a), kept(turned=True)),
        Mistake("numbers in place of True and False", "Give True or False for each text, not the numbers of those that are kept.",
            lambda w, a: kept()(w, a).nonzero()[:, 0], lambda w, a: kept()(w, a).nonzero()),
        Mistake("how many are kept", "One True or False a text is asked for.", lambda w, a: kept()(w, a).sum(), lambda w, a: kept()(w, a).double().mean()),
        Mistake("the kept texts themselves", "Give True or False for each text; the lesson takes the texts.", lambda w, a: w[kept()(w, a)]),
        Mistake("compared with another question's answer", "Row by row: the answer of the same question.", lambda w, a: kept()(w, a.roll(1))),
    ],
)  # fmt: skip


WRONG = Exercise(
    "12.4", "Right answer, wrong step", see="Right answers, wrong steps",
    right="The condition comes first: of those with the right answer, how many hold an error.",
    reference=wrong_share(), observe=value,
    cases={
        "twelve traces of four digits": partial(traces_of, 12, 4),
        "29 traces of five digits": partial(traces_of, 29, 5),
    },
    mistakes=[
        Mistake("of all traces", "Only those that the filter keeps are asked about: divide by their number.",
            wrong_share(among=lambda r: torch.ones_like(r)), wrong_share(over=lambda w, r: 100 * (w & r).double().mean())),
        Mistake("those with a wrong answer", "The filter keeps the right answers.", wrong_share(among=lambda r: ~r)),
        Mistake("a share of steps", "A trace with one wrong step is a wrong trace: first any over its steps, then the mean over traces.",
            wrong_share(of=lambda s: (~s).double().mean(1)), wrong_share(of=lambda s: (~s).double().sum(1)),
            by_rule(lambda wrong: 100 * wrong.double().mean()), by_rule(lambda wrong: wrong.double().mean())),
        Mistake("only if all steps are wrong", "One wrong step is enough: any, not all.", wrong_share(of=lambda s: (~s).all(1)),),
        Mistake("those without an error", "That is 100 less what is asked.", wrong_share(of=lambda s: s.all(1))),
        Mistake("a share, not percent", "Times 100.", wrong_share(over=lambda w, r: w[r].double().mean())),
        Mistake("a count", "A share of the kept ones, in percent.", wrong_share(over=lambda w, r: (w & r).sum())),
        Mistake("only the last step", "An error may stand anywhere.", wrong_share(of=lambda s: ~s[:, -1]),
            by_rule(lambda wrong: 100 * wrong[:, -1].double().mean())),
        Mistake("only the first step", "An error may stand anywhere.", wrong_share(of=lambda s: ~s[:, 0])),
        Mistake("the first step not checked", "The first step adds the first two digits: it can be wrong as well.", wrong_share(of=lambda s: (~s[:, 1:]).any(1))),
        Mistake("the last step not checked", "The last sum can be wrong even where the answer behind the mark is right.", wrong_share(of=lambda s: (~s[:, :-1]).any(1))),
        Mistake("the tens not taken off", "The steps are sums modulo 10: yours counts each carry as an error.", wrong_share(modulo=10**6)),
        Mistake("the digit before", "Step k adds digit k + 1: your digits stand one place too early.", wrong_share(digit=lambda d: d[:, :-1])),
        Mistake("mark and answer judged as steps", "Behind the sums stand the mark and the answer, which are no steps.", lambda d, w, a: torch.tensor(100.0).double()),
        Mistake("the answer compared, not the steps", "Of what the filter kept, all have the right answer: that says nothing of the steps.",
            lambda d, w, a: torch.tensor(0.0).double()),
        Mistake("the condition turned round", "You ask how many wrong traces have the right answer. Asked is how many right answers have a wrong trace.",
            wrong_share(over=lambda w, r: 100 * r[w].double().mean())),
        Mistake("a right answer taken for the last sum", "The filter looks at the token behind the mark, not at the last sum.",
            wrong_share(answer=lambda w: w[:, -3])),
        Mistake("one value a trace", "Take the mean over the kept ones.", wrong_share(over=lambda w, r: w[r].double()), wrong_share(over=lambda w, r: w.double())),
    ],
)  # fmt: skip


class _OwnWorking(OwnStudy):
    shipped = "reasoning"
    run_here = ("answers", "filler", "answer first")

    def _faults(self, result):
        yield from super()._faults(result)
        if result.margin > 2:
            yield "another margin", f"your margin is {result.margin:g}; 2 points are asked for."


FEWER = _OwnWorking(
    "12.5", "Every other sum", see="The experiment: what follows the question",
    arms=("working", "every other sum"), seeds=3, steps=TRAINING["steps"],
    meaning={
        "helps": "Longer steps helped: then each of them was within the student's reach.",
        "hurts": "A step that adds two digits at once is a harder step: this student needs each sum.",
        "same": "Half of the working is as good as all of it, for this student and these steps.",
        "open": "So few pairs cannot tell. That is not the same as no effect.",
    },
)  # fmt: skip


EXERCISES = [WORKING, LABELS, KEPT, WRONG, FEWER]
