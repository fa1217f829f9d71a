"""Lesson 15: from verdicts to answers, and from answers to a decision."""

import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from types import SimpleNamespace

from kdlab.checked.usual import DEPENDS, FAILS, HOLDS, OPEN, PARTLY, usual_claims
from kdlab.exercises.answering import answer, any_all, joined, majority, most, not_again, pairs, t, word
from kdlab.exercises.cases import Case, Cases
from kdlab.exercises.core import NOT_YET, RIGHT, WRONG, Diagnosis, Exercise, Mistake, value
from kdlab.names import nearest


def _evidence(*verdicts):
    return lambda: (list(verdicts),)


ANSWER = Exercise(
    "15.1", "From verdicts to an answer", see="How an answer is made",
    right="What is open says nothing, also not that there is nothing; and nobody votes.",
    reference=answer(), observe=word,
    cases={
        "[('held', True)]": _evidence(("held", True)),
        "[('held', False)]": _evidence(("held", False)),
        "[('same', True)]": _evidence(("same", True)),
        "[('refuted', False)]": _evidence(("refuted", False)),
        "[('held', True), ('open', True)]": _evidence(("held", True), ("open", True)),
        "[('open', False), ('same', True)]": _evidence(("open", False), ("same", True)),
        "[('open', True), ('same', False)]": _evidence(("open", True), ("same", False)),
        "[('held', True), ('same', False)]": _evidence(("held", True), ("same", False)),
        "[('held', True), ('refuted', True), ('held', True)]": _evidence(("held", True), ("refuted", True), ("held", True)),
        "[('refuted', True), ('open', True), ('open', False)]": _evidence(("refuted", True), ("open", True), ("open", False)),
        "[('open', True), ('open', False), ('held', True), ('held', False)]": _evidence(("open", True), ("open", False), ("held", True), ("held", False)),
    },
    mistakes=[
        Mistake("open taken as against", "Open is a study too small to tell. It says nothing, for or against.",
            answer(open=(False, False)), answer(open=(False, True)), answer(open=(False, None)),
            *(answer(join=partial(any_all, some=some, none=none)) for some in (DEPENDS, PARTLY) for none in (FAILS, OPEN))),
        Mistake("in part wherever something is open", "For it, against it and open: it depends. Against it and open: it does not hold.",
            answer(join=lambda said: PARTLY if None in said else joined(said)),
            answer(join=lambda said: PARTLY if {True, None} <= set(said) else joined(said)),
            answer(join=lambda said: PARTLY if {False, None} <= set(said) else joined(said)),
            answer(join=lambda said: PARTLY if None in said and len(set(said)) > 1 else joined(said))),
        Mistake("open ones left out", "Held and open is not held alone: some of it was not shown. That is 'holds in part'.",
            answer(join=lambda said: joined([s for s in said if s is not None]))),
        Mistake("same taken for nothing",
            "Same is a result: no difference that matters. Where the claim says that there is one, it speaks against it.",
            answer(same=(None, None))),
        Mistake("same always against",
            "Where a verdict's own claim speaks against the usual one, same only says that this counterexample is none.",
            answer(same=(False, False))),
        Mistake("same turned round like refuted",
            "That a counterexample is none does not show the usual claim: it says nothing.", answer(same=(False, True))),
        Mistake("same taken as held", "Same means no difference that matters: it is not what a claim of a difference says.",
            answer(same=(True, True)), answer(same=(True, False)), answer(same=(True, None))),
        Mistake("refuted taken for nothing", "Refuted is shown, the other way: it speaks as loudly as held.", answer(refuted=(None, None))),
        Mistake("refuted always against",
            "A verdict that speaks against the usual claim, and is refuted, speaks for it.", answer(refuted=(False, False))),
        Mistake("refuted and held alike", "Refuted turns round what the verdict's own claim says.", answer(refuted=(True, False))),
        Mistake("whom it speaks for is not looked at",
            "A verdict's own claim may be the opposite of the usual one: then held speaks against it, and refuted for it.",
            *(answer(held=(True, True), refuted=(False, False), same=(s, s), open=(o, o)) for s in (False, None) for o in (None, False)),
            answer(held=(True, True)), answer(held=(True, True), refuted=(False, False)),
            *(answer(held=(True, True), refuted=(no, no), same=(no, no), join=join)
              for no in (False,) for join in (majority(), majority(tie=DEPENDS), majority(tie=FAILS)))),
        Mistake("for and against exchanged", "Held speaks for the usual claim where the second of the two is True.",
            answer(held=(False, True), refuted=(True, False), same=(None, False)), answer(held=(False, True), refuted=(True, False))),
        Mistake("a vote", "Nobody votes: a claim made in general fails at one counterexample, however many other settings agree.",
            *(answer(join=majority(*how)) for how in product((OPEN, DEPENDS, FAILS, PARTLY), (HOLDS, PARTLY), (None, OPEN, FAILS), (FAILS, OPEN, PARTLY))),
            answer(join=most)),
        Mistake("one for it is enough", "One counterexample more, and it depends; one open one, and it holds in part.",
            answer(join=lambda said: HOLDS if True in said else FAILS if False in said else OPEN)),
        Mistake("one against it is enough", "If others speak for it, the claim fails here and holds there: it depends.",
            answer(join=lambda said: FAILS if False in said else joined(said))),
        Mistake("all must speak for it, or it fails", "Open ones do not refute. With one for it, it holds in part; with none, it is open.",
            answer(join=lambda said: HOLDS if set(said) == {True} else FAILS),
            answer(join=lambda said: HOLDS if set(said) == {True} else FAILS if False in said else OPEN)),
        Mistake("in part and it depends exchanged", "In part: for it, and open. It depends: for it, and against.",
            answer(join=partial(joined, part=DEPENDS, both=PARTLY))),
        Mistake("in part where some speak against it", "For it and against it: that is 'it depends', and asks on what.",
            answer(join=partial(joined, both=PARTLY))),
        Mistake("it depends where some are open", "Open ones show no dependence. For it, and open: 'holds in part'.",
            answer(join=partial(joined, part=DEPENDS))),
        Mistake("holds unless something speaks against it", "Nothing for it and nothing against it is open.",
            answer(join=lambda said: joined(said) if False in said else HOLDS)),
        Mistake("fails only if all speak against it", "One that speaks against it, and none for it, is enough: the others are open.",
            answer(join=lambda said: OPEN if {False, None} == set(said) else joined(said)),
            answer(join=lambda said: PARTLY if {False, None} == set(said) else joined(said))),
        Mistake("only the first verdict, or the last", "All of them are behind the answer.",
            answer(join=lambda said: joined(said[:1])), answer(join=lambda said: joined(said[-1:]))),
    ],
)  # fmt: skip


def _study(*numbers):
    return lambda: numbers


def _normal(n):
    return 1.959964


SETTLE = Exercise(
    "15.3", "How many pairs would settle it", see="What stayed open, and how many pairs would settle it",
    right="With as many the interval just reaches: mean and spread are known from few pairs, so plan for more.",
    reference=pairs(), observe=value,
    cases={
        "mean 0.8, from -0.3 to 1.9, 5 pairs, margin 1": _study(0.8, -0.3, 1.9, 5, 1.0),
        "mean -0.2, from -1.2 to 0.8, 30 pairs, margin 1": _study(-0.2, -1.2, 0.8, 30, 1.0),
        "mean 0.6, from -2.9 to 4.1, 16 pairs, margin 2": _study(0.6, -2.9, 4.1, 16, 2.0),
        "mean -1.6, from -7.6 to 4.4, 4 pairs, margin 2": _study(-1.6, -7.6, 4.4, 4, 2.0),
    },
    mistakes=[
        Mistake("half of the interval taken for the deviation",
            "The interval is of the mean: its half is t s / sqrt(n). Solve for s.", pairs(spread=lambda half, n: half)),
        Mistake("the standard error taken for the deviation", "Half of the interval over t is s / sqrt(n). Multiply by sqrt(n).",
            pairs(spread=lambda half, n: half / t(n - 1))),
        Mistake("the first t forgotten", "Half of the interval is t s / sqrt(n): divide by t of the first study.",
            pairs(first=lambda n: 1.0)),
        Mistake("the second t forgotten", "The wanted interval is one of 95 %, too: its half is t s / sqrt(n).", pairs(by=lambda n: 1.0)),
        Mistake("multiplied by n in place of its root", "The deviation of a mean falls with the root of n.",
            pairs(spread=lambda half, n: half * n / t(n - 1))),
        Mistake("the whole interval for its half", "From the mean the interval reaches (high - low) / 2 to each side.",
            pairs(half=lambda low, high: high - low)),
        Mistake("only its upper end", "Half of its width is asked for, not where it ends.", pairs(half=lambda low, high: abs(high))),
        Mistake("1.96 for t", "1.96 is for very many pairs. Few have a larger t: stdtrit(n - 1, 0.975).",
            pairs(first=_normal), pairs(by=_normal)),
        Mistake("a one-sided t", "A 95 % interval leaves 2.5 % at each side: 0.975.", pairs(first=lambda n: t(n - 1, 0.95), by=lambda n: t(n - 1, 0.95)),
            pairs(first=lambda n: t(n - 1, 0.95)), pairs(by=lambda n: t(n - 1, 0.95))),
        Mistake("n degrees of freedom", "n pairs leave n - 1.", pairs(first=t, by=t), pairs(first=t), pairs(by=t)),
        Mistake("the same t in both", "Then it cancels. More pairs have a smaller t: try n = 3, 4, ... with t of n - 1.",
            not_again(math.ceil), not_again(math.floor), not_again(round), not_again(float), pairs(first=_normal, by=_normal)),
        Mistake("not squared", "Half of the interval falls with the root of n: twice as narrow takes four times the pairs.", pairs(power=1)),
        Mistake("the margin alone", "An interval around this mean need not lie around 0: see which of the two ways is the shorter.",
            pairs(width=lambda mean, margin: margin)),
        Mistake("half of the margin",
            "Half of the margin is for a plan: it settles whatever the mean. Here the mean is known, as far as it goes.",
            pairs(width=lambda mean, margin: margin / 2)),
        Mistake("only away from 0", "A small mean is settled sooner by an interval within the margin: same is a word, too.",
            pairs(width=lambda mean, margin: abs(mean))),
        Mistake("only into the margin", "A mean beyond half of the margin is settled sooner by leaving 0.",
            pairs(width=lambda mean, margin: abs(margin - abs(mean)))),
        Mistake("the longer of the two ways", "One word is enough: take the wider interval that gives one.",
            pairs(width=lambda mean, margin: min(abs(mean), abs(margin - abs(mean))))),
        Mistake("the sign of the mean left on", "The distance from 0 is asked for: abs(mean).",
            pairs(width=lambda mean, margin: max(mean, margin - mean))),
        Mistake("margin and mean added", "From the mean to the margin it is margin - abs(mean).",
            pairs(width=lambda mean, margin: abs(mean) + margin)),
        Mistake("how many more", "The right number less those that are there. All pairs are asked for.",
            pairs(said=lambda n, old: n - old), pairs(said=lambda n, old: max(0, n - old))),
        Mistake("one too few", "With one less the interval still reaches too far.", pairs(said=lambda n, old: n - 1)),
        Mistake("one too many", "One less is enough: stop at the first n that is.", pairs(said=lambda n, old: n + 1)),
    ],
)  # fmt: skip


SETTINGS = {
    "asked, width 2, 200 steps: T = 20 beats T = 4": {"width": 2, "steps": 200},
    "asked, width 2, 800 steps: T = 20 beats T = 4": {"width": 2, "steps": 800},
    "asked, width 2, 3,200 steps: T = 20 beats T = 4": {"width": 2, "steps": 3200},
    "asked, width 8, 200 steps: T = 20 beats T = 4": {"width": 8, "steps": 200},
    "asked, width 8, 800 steps: T = 20 beats T = 4": {"width": 8, "steps": 800},
}


@dataclass(frozen=True)
class Disagreement:
    """Two verdicts behind a usual claim, one for it and one against, and the one setting in which they differ."""

    id: str
    title: str
    see: str
    right: str
    claim: str
    settings: dict
    mistakes = [
        SimpleNamespace(name=name, says=says, accept=False)
        for name, says in {
            "the same verdict twice": "A verdict does not disagree with itself.",
            "no verdict behind this claim": "copy the words of two rows as they are printed.",
            "other temperatures": "Of these two verdicts not only the setting differs: they compare other temperatures. Take two of T = 20 against T = 4.",
            "one of them says nothing": "That one is open: it does not disagree with anything. Open beside held shows no dependence.",
            "they agree": "Both speak to the same side. One must speak for the usual claim, one against.",
            "more than one thing differs": "Then nobody knows which of them turns the answer round.",
            "another setting": "In this setting the two are alike.",
        }.items()
    ]

    def diagnose(self, answer):
        """``answer`` is (one verdict's words, another's, the setting)."""
        given = list(answer) if isinstance(answer, tuple | list) else [answer]
        if all(part is None or part is ... for part in given):
            return Diagnosis(NOT_YET, "", f"{self.id} not yet attempted: put in two verdicts and a setting.")
        if len(given) != 3 or not all(isinstance(part, str) for part in given):
            return self._wrong(
                "not what was asked for", "three texts are expected: two verdicts and a setting."
            )
        (*two, setting) = (part.strip() for part in given)
        behind = {one.verdict.claim: one for one in usual_claims()[self.claim].evidence}
        for one in two:
            if one not in behind:
                return self._wrong(
                    "no verdict behind this claim", f"there is no {one!r}{nearest(one, behind)};"
                )
        a, b = two
        if a == b:
            return self._wrong("the same verdict twice")
        if other := [one for one in two if one not in self.settings]:
            return self._wrong("other temperatures", f"{other[0]!r}.")
        if None in (behind[a].says, behind[b].says):
            return self._wrong("one of them says nothing")
        if behind[a].says == behind[b].says:
            return self._wrong("they agree")
        mine, theirs = self.settings[a], self.settings[b]
        apart = [name for name in mine if mine[name] != theirs[name]]
        if len(apart) > 1:
            return self._wrong("more than one thing differs", f"these two differ in {', '.join(apart)}.")
        if setting.lower() not in mine:
            text = f"a setting is one of {', '.join(mine)}, got {setting!r}."
            return self._wrong("no such setting", text)
        if setting.lower() != apart[0]:
            return self._wrong("another setting", f"{setting} is {mine[setting.lower()]} in both.")
        return Diagnosis(RIGHT, "", f"{self.id} right. {self.right}")

    def _wrong(self, name, text=""):
        says = next((m.says for m in self.mistakes if m.name == name), "")
        told = f"{name}: {' '.join(filter(None, (text, says)))}"
        return Diagnosis(WRONG, name, f"{self.id} wrong: {told}\n  See: {self.see!r}, above.")


DISAGREE = Disagreement(
    "15.2", "On what it depends", see="On what does it depend?",
    right="Both intervals leave 0 out, to either side: so the two settings do differ. Of held and open that could not be said.",
    claim="higher-temperature", settings=SETTINGS,
)  # fmt: skip


FIVE = Cases(
    "15.4", "Five cases", see="A path to a decision",
    right="Each has its reason in what was measured; in another setting measure again.",
    cases={
        "A": Case("b", {
            "a": ("The usual choice need not be the better one. First see what a small net makes of the labels themselves.",
                ("09", "shipped: boosted trees beat a small net on the same labels")),
            "b": ("A teacher has to know more than the labels say. The small net on labels is the baseline, and may be all you need.",
                ("09", "shipped: boosted trees beat a small net on the same labels")),
            "c": ("Where nearly all is a sure no, a high temperature asks for differences that no decision hangs on.",
                ("09", "shipped: T = 4 helps")),
        }),
        "B": Case("c", {
            "a": ("The fifty images have their labels already: there the teacher adds less than on new ones.",
                ("01", "50 images: soft labels beat hard ones"), ("01", "pool: the teacher's classes help")),
            "b": ("The gains of answers and hints do not add up, and no loss replaces data.",
                ("05", "clean: soft targets x hints is less than the sum")),
            "c": ("New inputs with a good teacher's answers: on small images no choice of a loss gave as much.",
                ("01", "pool: the teacher's classes help")),
        }),
        "C": Case("a", {
            "a": ("Safe for a narrow student, and a fair plan: the labels may be as good.",
                ("02", "width 2, 200 steps: T = 1 changes nothing that matters")),
            "b": ("A narrow student has no room for all that a high temperature shows, nor has a short run the time.",
                ("02", "width 2, 200 steps: T = 20 costs points")),
            "c": ("That was another network, and mostly a longer run. Weights matter as well.",
                ("05", "cluttered: hints at 0.1 % are as good")),
        }),
        "D": Case("b", {
            "a": ("Whether soft targets teach more than labels here was open, in both settings.",
                ("04", "clean: soft targets teach more than labels"), ("04", "moved: soft targets teach more than labels")),
            "b": ("Relations teach what counts here, and the two controls say whether a teacher was needed for it.",
                ("04", "moved: ... beyond the raw pixels"), ("04", "clean: ... beyond the raw pixels")),
            "c": ("Accuracy on the old classes is another question: an embedding is judged on classes that it never saw.",
                ("04", "clean: labels of other classes improve the embedding")),
        }),
        "E": Case("c", {
            "a": ("Open is not same: the interval leaves room for a gain that matters.",
                ("06", "shipped: students of an assistant beat the teacher's")),
            "b": ("Adding pairs until the word changes finds effects where there are none: lesson 00 counts how often. Plan a new study.",
                ("06", "shipped: students of an assistant beat the teacher's")),
            "c": ("The plan is done, and its word is open. The next plan has a number of pairs, and begins anew.",
                ("06", "shipped: students of an assistant beat the teacher's")),
            "d": ("The mean is what such a study is least sure of: its interval holds 0.",
                ("06", "shipped: students of an assistant beat the teacher's")),
        }),
    },
)  # fmt: skip


EXERCISES = [ANSWER, DISAGREE, SETTLE, FIVE]
