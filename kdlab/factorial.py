"""Factorial studies: what each factor does by itself, and whether two of them add up."""

import itertools
from dataclasses import replace

from kdlab.estimates import SUM
from kdlab.verdicts import NO_EFFECT

JOIN, TIMES = " + ", " x "


def cells(factors):
    """All combinations of factors but the empty one, by names of arms for :func:`kdlab.study.compare`.

    ``"a + b"`` to ``("a", "b")``, in the order of ``factors``.
    """
    return {JOIN.join(these): these for these in _subsets(factors) if these}


def contrast(result, factors, *, among=None):
    r"""Main effect of one factor, or interaction of several, at each seed.

    The effect of :math:`a` is the score with it minus the score without it; the interaction of
    :math:`a` and :math:`b` is what :math:`a` brings where :math:`b` is on, minus what it brings
    where :math:`b` is off:

    .. math:: y_{ab} - y_{a} - y_{b} + y

    Both are averaged over the combinations of the other factors. It is 0 where gains add up, and
    not halved, as it is in textbooks on design.

    Parameters
    ----------
    result : kdlab.study.Result
        Each arm's name is what is on in it, joined by " + ", as made by :func:`cells`.
    factors, among : sequence of str
        One for a main effect, two for an interaction; and all factors of the study, by default what
        is on in some arms and off in others.

    Returns
    -------
    differences : list of float
        One a seed, in the metric's units.
    averaged : int
        Over how many combinations of the other factors: those that need an empty cell which is not
        there are left out.

    Raises
    ------
    ValueError
        If there is no such factor, or an arm is missing and another has no partner.
    """
    arms = {frozenset(name.split(JOIN)): name for name in result.scores}
    among = list(among or _varied(arms))
    for factor in factors:
        if factor not in among:
            raise ValueError(f"no factor is called {factor!r}; there are {', '.join(among)}")
    always = frozenset.intersection(*arms) - set(among)
    total, averaged = [0.0] * result.seeds, 0
    for context in _subsets([factor for factor in among if factor not in factors]):
        signs = ((on, (-1) ** (len(factors) - len(on))) for on in _subsets(factors))
        signed = {always | set(context) | set(on): sign for on, sign in signs}
        if frozenset() in signed and frozenset() not in arms:
            continue
        averaged += 1
        for cell, sign in signed.items():
            if cell not in arms:
                missing = JOIN.join(sorted(cell, key=[*always, *among].index))
                partner = next((arms[c] for c in signed if c in arms), None)
                raise ValueError(f"the arm {missing!r} is missing; {partner!r} is to be compared with it")
            total = [t + sign * score for t, score in zip(total, result.scores[arms[cell]])]
    if averaged == 0:
        raise ValueError(f"{TIMES.join(factors)}: without the empty cell there is no pair to compare")
    return [t / averaged for t in total], averaged


def effects(result, *, order=2):
    """Main effects and interactions of a factorial study, of up to ``order`` factors, against no effect.

    Gives a :class:`kdlab.study.Result` with an arm a main effect ("a") or interaction ("a x b"), whose
    scores are its contrasts, one a seed. The baseline is no effect: 0 at each seed. So intervals, sign
    counts, verdicts and figures are those of any study. An interaction has words of its own: the two bring
    *more* or *less than the sum* of what they bring apart; of three factors, than their pairs let expect.
    """
    among = _varied([frozenset(name.split(JOIN)) for name in result.scores])
    scores, words = {NO_EFFECT: [0.0] * result.seeds}, {}
    for factors in _subsets(among):
        if 1 <= len(factors) <= order:
            name = TIMES.join(factors)
            scores[name], _ = contrast(result, factors, among=among)
            if len(factors) > 1:
                words[name] = SUM
    return replace(result, baseline=NO_EFFECT, scores=scores, words=words, chosen={}, students={})


def where(result, *on):
    """The part of a factorial study in which these factors are on.

    The arm with nothing else is its baseline, and its empty cell; ValueError if there is none.
    """
    kept = {name: scores for name, scores in result.scores.items() if set(on) <= set(name.split(JOIN))}
    alone = next((name for name in kept if set(on) == set(name.split(JOIN))), None)
    if alone is None:
        raise ValueError(f"no arm holds just {JOIN.join(on)!r}; there are {', '.join(result.scores)}")
    return replace(result, baseline=alone, scores=kept, chosen={}, students={})


def _varied(arms):
    """What is on in some arms and not in all, in the order of its first arm."""
    always = frozenset.intersection(*arms)
    return list(dict.fromkeys(factor for arm in arms for factor in sorted(arm - always)))


def _subsets(factors):
    return [these for k in range(len(factors) + 1) for these in itertools.combinations(factors, k)]
