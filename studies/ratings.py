"""What a teacher's list is worth to a narrow recommender, to whom, and by which measure.

``python studies/ratings.py`` writes data/results/ratings.json; about ten minutes on one free core. Every
pair is a world of its own, with its own teacher. Settings come from ``tuning``, on three other worlds.
"""

import math
from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import torch

from kdlab.data.ratings import ratings
from kdlab.distill import Term
from kdlab.losses import (
    collaborative_loss,
    hint_loss,
    listwise_loss,
    ranked_list_loss,
    ranking_distillation_loss,
)
from kdlab.metrics import predict
from kdlab.metrics.ratings import readings
from kdlab.models import create_student
from kdlab.results import load_results, run_studies
from kdlab.study import Result, compare
from kdlab.teachers.ratings import RATE, SMALL, STEPS, clicks, small, teacher_of

SEEDS, TUNED_ON, FIRST = 8, 3, 100  # worlds, those tuned on, and the first of these
TRAINING = {"steps": STEPS, "batch_size": 600, "learning_rate": RATE}
TOP = 10
# Smallest differences that matter, in points, stated before the run; of Gini's coefficient less is better.
MARGINS = {
    "held-out clicks": 1, "found": 1, "true taste": 1, "tail users": 1, "tail items": 2, "coverage": 3,
    "Gini": 3, "drawn": 1,
}  # fmt: skip
METRICS = {
    "held-out clicks": "NDCG@10 of held-out clicks, %", "found": "recall@10 of held-out clicks, %",
    "true taste": "NDCG@10 of true taste, %", "tail users": "NDCG@10 of true taste, tail users, %",
    "tail items": "recommended from the less clicked half, %", "coverage": "items recommended to anybody, %",
    "Gini": "Gini's coefficient of recommendations, %", "drawn": "NDCG@10 among 20 drawn, %",
}  # fmt: skip


def listed(loss, weight, **options):
    """A term that matches the teacher's scores of all that may be recommended."""
    return lambda d: Term("list", (d.scores, d.candidates), partial(loss, **options), weight)


def all_scores(weight):
    """The simple control: every score, by squared error, each user's mean left out."""
    return lambda d: Term("scores", d.scores - d.scores.mean(dim=1, keepdim=True), hint_loss, weight)


ranking = partial(listed, ranking_distillation_loss, top=TOP, among=True)
LISTS = {
    "RD": partial(ranking, decay=TOP / 2),
    "ranked list": lambda weight: listed(ranked_list_loss, weight / TOP, top=TOP),
    "ListNet, T = 1": partial(listed, listwise_loss),
    "ListNet, T = 2": partial(listed, listwise_loss, temperature=2),
    "CD": lambda weight: listed(collaborative_loss, 8 * weight),
    "all scores": all_scores,
}
# How small the numbers are kept, the weight of the list, that of the clicks: five candidates an arm.
CANDIDATES = [(0.05, 1, 1), (0.1, 1, 1), (0.1, 4, 1), (0.03, 1, 0), (0.06, 1, 0)]
SIZES = (0.03, 0.06, 0.1, 0.14, 0.2)


def arm(make, size, weight, of_clicks):
    def terms(d):
        own = [clicks(d.world.clicks)] * of_clicks + [small(len(d.inputs), weight=size)]
        return d.inputs, own + ([make(weight)(d)] if make else [])

    return terms


def own_clicks(size):
    return arm(None, size, 0, 1)


def label(name, size, weight=0, of_clicks=1):
    return f"{name}: {size}" + (f", {weight}, {'clicks' if of_clicks else 'alone'}" if weight else "")


@cache
def load(seed):
    world = ratings(seed)
    teacher = teacher_of(world, seed=500 + seed)
    scores = predict(teacher, world.inputs)
    return SimpleNamespace(
        world=world, inputs=world.inputs, candidates=world.candidates, scores=scores,
        counts=world.clicks.sum(dim=0), seed=seed,
    )  # fmt: skip


def changed(make, change):
    """The same term for other scores in the teacher's place."""
    return lambda weight: lambda d: make(weight)(SimpleNamespace(**{**vars(d), "scores": change(d)}))


def of_popularity(d):
    return (d.counts + 1.0).log().expand(d.scores.shape)


def of_another(d):
    return d.scores.roll(1, dims=0)


def less_popular(share):
    return lambda d: d.scores - share * (d.counts + 1.0).log()


def nearest(scores, columns):
    """The table of that rank which is nearest to the scores by squared error: no training at all."""
    rows = scores - scores.mean(dim=1, keepdim=True)
    level = rows.mean(dim=0)
    u, s, v = torch.linalg.svd(rows - level, full_matrices=False)
    return (u[:, :columns] * s[:columns]) @ v[:columns] + level


def measured(arms, columns, seeds, *, data=load, baseline="clicks", untaught=None):
    """By reading, the Result of the same students; and of scores that no student gives."""
    seen = []

    def score(student, d):
        seen.append(readings(predict(student, d.inputs), d.world, d.candidates))
        return seen[-1]["held-out clicks"]

    result = compare(
        arms, data=data, student=lambda: create_student("factorisation", columns=columns), seeds=seeds,
        baseline=baseline, score=score, metric=METRICS["held-out clicks"], margin=MARGINS["held-out clicks"],
        workers=1, **TRAINING,
    )  # fmt: skip
    read = {name: seen[i :: len(arms)] for i, name in enumerate(arms)}
    for name, give in (untaught or {}).items():
        worlds = [data(seed) for seed in result.seed_list]
        read[name] = [readings(give(d), d.world, d.candidates) for d in worlds]
    return {what: _as_result(result, read, what) for what in METRICS}


def _as_result(result, read, what):
    scores = {name: [one[what] for one in values] for name, values in read.items()}
    return replace(
        result, scores=scores, metric=METRICS[what], margin=MARGINS[what], higher_is_better=what != "Gini"
    )


def tuning(_):
    """Held-out clicks of three other worlds, for five settings of each arm."""
    arms = {label("clicks", size): own_clicks(size) for size in SIZES}
    for name, make in LISTS.items():
        arms |= {label(name, *setting): arm(make, *setting) for setting in CANDIDATES}
    worlds = range(FIRST, FIRST + TUNED_ON)
    return measured(arms, 4, worlds, baseline=label("clicks", 0.1))["held-out clicks"]


def teachers(_):
    """The same for the teacher's one setting."""
    read = {
        f"teacher: {size}": [
            readings(predict(teacher_of(d.world, weight=size), d.inputs), d.world)
            for d in map(load, range(FIRST, FIRST + TUNED_ON))
        ]
        for size in (0.07, 0.1, SMALL, 0.2)
    }
    empty = Result(
        f"teacher: {SMALL}", {}, METRICS["held-out clicks"], margin=1, training=TRAINING, planned=TUNED_ON
    )
    return _as_result(empty, read, "held-out clicks")


@cache
def settings():
    """By arm, the setting with the most held-out clicks in the tuning, which is of 4 columns."""
    scores = load_results("ratings").results["tuning"].scores
    means = {name: sum(s) / len(s) for name, s in scores.items()}
    best = {"clicks": max(SIZES, key=lambda size: means[label("clicks", size)])}
    for name in LISTS:
        best[name] = max(CANDIDATES, key=lambda setting: means[label(name, *setting)])
    return best


def tuned(*names):
    best = settings()
    arms = {name: arm(LISTS[name], *best[name]) for name in names}
    return {"clicks": own_clicks(best["clicks"])} | arms


@cache
def lists(columns, seeds):
    """Every list against the student's own clicks, and controls that must not help."""
    setting = settings()["ranked list"]
    arms = tuned(*LISTS)
    arms["RD, equal weights"] = arm(partial(ranking, decay=math.inf), *settings()["RD"])
    for name, change in {"popularity's list": of_popularity, "another user's list": of_another}.items():
        arms[name] = arm(changed(LISTS["ranked list"], change), *setting)
    untaught = {
        "nearest table": lambda d: nearest(d.scores, columns),
        "teacher": lambda d: d.scores,
        "popularity": of_popularity,
        "true tastes": lambda d: d.world.likes,
    }
    return measured(arms, columns, seeds, untaught=untaught)


@cache
def longer(seed):
    """The teacher saw an earlier time as well; nobody is recommended what they clicked then or now."""
    d = load(seed)
    clicked = d.world.clicks | d.world.history
    scores = predict(teacher_of(d.world, clicked, seed=500 + seed), d.inputs)
    return SimpleNamespace(
        **{**vars(d), "candidates": ~clicked, "scores": scores}, recent=d.scores, clicked=clicked
    )


@cache
def history(columns, seeds):
    recent = changed(LISTS["ranked list"], lambda d: d.recent)
    arms = tuned("RD", "ranked list", "ListNet, T = 1", "all scores")
    arms["ranked list of the recent teacher"] = arm(recent, *settings()["ranked list"])
    arms["clicks of the longer time"] = lambda d: (
        d.inputs,
        [clicks(d.clicked), small(len(d.inputs), weight=settings()["clicks"])],
    )
    untaught = {"nearest table": lambda d: nearest(d.scores, columns), "teacher": lambda d: d.scores}
    return measured(arms, columns, seeds, data=longer, untaught=untaught)


@cache
def same_size(columns, seeds):
    """A student as wide as its teacher, kept as small, with other first weights."""
    arms = {"clicks": own_clicks(SMALL)}
    arms |= {name: arm(LISTS[name], SMALL, 1, 1) for name in ("ranked list", "ListNet, T = 1")}
    return measured(arms, columns, seeds)


@cache
def popularity(columns, seeds):
    """The teacher's scores less a share of the logarithm of popularity, matched as a ranked list."""
    setting = settings()["ranked list"]
    shares = (0, 0.25, 0.5, 1)
    lists = {f"less {share:g}": changed(LISTS["ranked list"], less_popular(share)) for share in shares}
    arms = tuned() | {name: arm(make, *setting) for name, make in lists.items()}
    untaught = {f"teacher {name}": partial(_less, share) for name, share in zip(lists, shares)}
    return measured(arms, columns, seeds, untaught=untaught)


def _less(share, d):
    return less_popular(share)(d)


@cache
def width(columns, seeds):
    """What a column is worth, beside what a list is worth: alone, as the tuning chose it, or with clicks."""
    size = settings()["clicks"]
    arms = tuned("ranked list") | {"clicks and ranked list": arm(LISTS["ranked list"], size, 1, 1)}
    arms["clicks, less small"] = own_clicks(size / 2)
    arms["clicks and ranked list, less small"] = arm(LISTS["ranked list"], size / 2, 1, 1)
    return measured(arms, columns, seeds)


def part(study, columns, what, seeds):
    return study(columns, seeds)[what]


def parts(title, study, columns, *what):
    return {f"{title}, {one}": partial(part, study, columns, one) for one in what or METRICS}


BOTH = ("held-out clicks", "true taste")
STUDIES = {
    "tuning, teacher": teachers,
    "tuning": tuning,
    **parts("lists", lists, 4),
    **{
        name: study
        for columns in (2, 4, 8, 16)
        for name, study in parts(f"width {columns}", width, columns, *BOTH).items()
    },
    **parts("longer history", history, 8, *BOTH, "tail users"),
    **parts("popularity off", popularity, 4, *BOTH, "tail users", "coverage"),
    **parts("same size", same_size, 32, *BOTH),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("ratings", STUDIES, seeds=SEEDS)
