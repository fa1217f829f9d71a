"""Lesson 15's answers: from verdicts to one of five words, and from an interval to a number of pairs."""

import math

import torch

from kdlab.checked.usual import DEPENDS, FAILS, HOLDS, OPEN, PARTLY
from kdlab.exercises.core import NotANumber, returned

WORDS = (HOLDS, PARTLY, DEPENDS, FAILS, OPEN)
_SAYS = {("held", True): True, ("held", False): False, ("refuted", True): False, ("refuted", False): True,
         ("same", True): False, ("same", False): None, ("open", True): None, ("open", False): None}  # fmt: skip


def answer(*, join=None, **changed):
    """A function of a list of (verdict, speaks for it). Right by default; what is changed is a known mistake.

    ``changed`` has, by verdict, what it is taken to say where it speaks for and against; ``join`` makes a word of
    all that is said.
    """
    says = dict(_SAYS)
    for word, (for_it, against_it) in changed.items():
        says |= {(word, True): for_it, (word, False): against_it}
    join = join or joined

    def code(evidence):
        return join([says[word, bool(speaks_for)] for word, speaks_for in evidence])

    return code


def joined(said, *, part=PARTLY, both=DEPENDS):
    """By the rule: what is open does not count against."""
    if True in said and False in said:
        return both
    if True in said:
        return part if None in said else HOLDS
    return FAILS if False in said else OPEN


def majority(tie=OPEN, part=HOLDS, none=None, lost=FAILS):
    """By votes; ``part`` and ``lost`` are won and lost ones beside which something is open, ``none`` no votes."""

    def join(said):
        votes = said.count(True) - said.count(False)
        if none is not None and not {True, False} & set(said):
            return none
        won, less = (part, lost) if None in said else (HOLDS, FAILS)
        return tie if votes == 0 else won if votes > 0 else less

    return join


def any_all(said, *, some, none):
    """With Python's words, to which None is as good as False."""
    return HOLDS if all(said) else some if any(said) else none


def most(said):
    """By what is said most often, the open ones as well."""
    counts = {HOLDS: said.count(True), FAILS: said.count(False), OPEN: said.count(None)}
    return max(counts, key=counts.get)


def word(function, arguments):
    """Which of the five words a function returns."""
    given = returned(function, arguments, str, "one of the five answers as text")
    plain = given.strip().strip(".").lower()
    if plain not in WORDS:
        raise NotANumber(f"it returns {given!r}, which is none of {', '.join(map(repr, WORDS))}.")
    return {f"is it {one!r}?": torch.tensor(plain == one) for one in WORDS}


def t(df, level=0.975):
    """Student's quantile."""
    from scipy import special

    return float(special.stdtrit(df, level))


def pairs(
    *, half=lambda low, high: (high - low) / 2, spread=None, width=None, first=lambda n: t(n - 1),
    by=lambda n: t(n - 1), power=2, said=lambda n, old: n,
):  # fmt: skip
    """A function of mean, low, high, pairs and margin. Right by default; each option is a known mistake."""
    spread = spread or (lambda half, n: half * math.sqrt(n) / first(n))
    width = width or (lambda mean, margin: max(abs(mean), margin - abs(mean)))

    def code(mean, low, high, count, margin):
        s, w = spread(half(low, high), count), width(mean, margin)
        n = 3
        while n < 10**5 and n < (by(n) * s / w) ** power:
            n += 1
        return said(n, count)

    return code


def not_again(rounded):
    """With t of the first study, which had fewer pairs: it cancels."""
    return lambda mean, low, high, count, margin: rounded(
        count * ((high - low) / 2 / max(abs(mean), margin - abs(mean))) ** 2
    )
