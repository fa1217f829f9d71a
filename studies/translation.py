"""What a teacher's translations are worth to a student, why, and what is inherited with them.

``python studies/translation.py`` writes data/results/translation.json; about half an hour on one free core. A
pair has its own sentences, order and first weights. Where the teacher is what is asked about, it has its own
teacher, too; "parallel" and "few references" are of the one that is shipped.
"""

from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import torch

from kdlab.data.announcements import RARE, STYLES, with_slip
from kdlab.data.translation import (
    COMMONEST,
    HABITS,
    as_part,
    marginals,
    sharpened,
    translation,
)
from kdlab.distill import hard_labels, soft_targets
from kdlab.metrics.translation import audit, judge, right_city, shares, valid
from kdlab.models import create_student
from kdlab.results import run_studies
from kdlab.sampling import written_by
from kdlab.study import compare
from kdlab.teachers import open_teacher
from kdlab.teachers.translation import pairs, taught, writer

SEEDS = 5
SOURCES, TEST = 2000, 500  # sentences of a parallel student, and of each test
PARALLEL = {"steps": 150, "batch_size": 32, "learning_rate": 0.007}
ONE_BY_ONE = {"steps": 300, "batch_size": 32, "learning_rate": 0.005}
QUICK = {**ONE_BY_ONE, "steps": 300}  # of the teachers of other habits
VALID = {"metric": "valid translations, %", "margin": 5}  # points: the smallest difference that matters
POWERS = {"all alike": 0, "2": 2, "as they are": 1, "one style": float("inf")}
DEAR = 3  # pairs at most where each trains a teacher in all settings, or for long
FEW, POOL = 200, 4000  # references, and sources without any
SLIP_GIVEN, SLIP_STEPS = 800, 250  # of a teacher whose writers slip
PRICE, ANSWERS = 10, 3000  # answers for one reference, assumed; and what is spent, in answers


@cache
def shipped():
    return open_teacher("translation").network


@cache
def test_of(seed):
    return translation(TEST, seed, unseen=True)


def read_by(readings, arms, *, student, training, data, baseline, seeds, about):
    """By reading, the Result of the same students. ``readings(student, d)`` gives numbers by name."""
    seen = []

    def score(network, d):
        seen.append(readings(network, d))
        return next(iter(seen[-1].values()))

    result = compare(
        arms, data=data, student=partial(create_student, student), baseline=baseline, seeds=seeds,
        score=score, workers=1, **about[next(iter(about))], **training,
    )  # fmt: skip
    return {
        what: replace(
            result, **one, scores={arm: [r[what] for r in seen[i :: len(arms)]] for i, arm in enumerate(arms)}
        )
        for what, one in about.items()
    }


def in_one_style(whats, style=COMMONEST):
    return as_part(whats, [style] * len(whats)).references


# ---- part one: a parallel student


@cache
def sentences(seed):
    return SimpleNamespace(part=translation(SOURCES, seed), test=test_of(seed), teacher=shipped(), seed=seed)


def learns(targets):
    """An arm of a parallel student: ``targets(d)`` gives what it is to say of all sources, or some rows."""

    def arm(d):
        said, rows = targets(d), slice(None)
        if isinstance(said, tuple):
            said, rows = said
        return d.part.sources[rows], [hard_labels(said)]

    return arm


def by_teacher(**how):
    return lambda d: written_by(writer(d.teacher, seed=d.seed, **how), d.part.sources)


def commonest_alone(d):
    rows = d.part.styles == COMMONEST
    return d.part.references[rows], rows


TARGETS = {
    "references": lambda d: d.part.references,
    "greedy": by_teacher(),
    "beam": by_teacher(beam=4),
    "sampled": by_teacher(temperature=1.0),
    "commonest style, rewritten": lambda d: in_one_style(d.part.whats),
    "commonest style, kept": commonest_alone,
}


def judged(network, d):
    found = shares(written_by(writer(network), d.test.sources), d.test.whats)
    return {"valid": found["valid"], "blends": found["blend"]}


BLENDS = {"metric": "blends, %", "margin": 5, "higher_is_better": False}


@cache
def parallel(seeds):
    arms = {name: learns(targets) for name, targets in TARGETS.items()}
    return read_by(
        judged, arms, student="parallel_translator", training=PARALLEL, data=sentences, baseline="references",
        seeds=seeds, about={"valid": VALID, "blends": BLENDS},
    )  # fmt: skip


@cache
def habits(power, seeds):
    """A pair has a teacher of its own, whose writers have these habits."""
    mix = sharpened(HABITS, power)

    @cache
    def load(seed):
        theirs = translation(POOL, 500 + seed, habits=mix)
        teacher = taught(theirs.sources, theirs.references, seed=500 + seed, **QUICK)
        part = translation(SOURCES, seed, habits=mix)
        return SimpleNamespace(part=part, test=test_of(seed), teacher=teacher, seed=seed)

    arms = {name: learns(TARGETS[name]) for name in ("references", "greedy")}
    result = read_by(
        judged, arms, student="parallel_translator", training=PARALLEL, data=load, baseline="references",
        seeds=min(seeds, DEAR), about={"valid": VALID},
    )["valid"]  # fmt: skip
    for seed in result.seed_list:
        d, scores = load(seed), result.scores
        ideal = torch.stack([marginals(what, mix).argmax(dim=1) for what in d.test.whats])
        text = written_by(writer(d.teacher), d.test.sources)
        styles, _ = judge(text, d.test.whats)
        counts = (styles[styles >= 0]).bincount(minlength=len(STYLES))
        for name, value in {
            "ideal parallel model": valid(ideal, d.test.whats), "teacher": valid(text, d.test.whats),
            "teacher's commonest style": 100 * counts.max().item() / len(styles),
            "writers' commonest style": 100 * max(mix),
        }.items():  # fmt: skip
            scores.setdefault(name, []).append(value)
    return result


@cache
def longer(seeds):
    """Where one style is common enough for the ideal parallel model, does more training reach it?"""

    def load(seed):
        return SimpleNamespace(
            part=translation(SOURCES, seed, habits=sharpened(HABITS, POWERS["2"])), test=test_of(seed)
        )

    plain = learns(TARGETS["references"])
    arms = {
        "references": plain,
        "ten times the steps": lambda d: (*plain(d), {"steps": 10 * PARALLEL["steps"]}),
    }
    return read_by(
        judged, arms, student="parallel_translator", training=PARALLEL, data=load, baseline="references",
        seeds=min(seeds, DEAR), about={"valid": VALID},
    )["valid"]  # fmt: skip


# ---- part one: word after word, with few references


@cache
def few(seed):
    part, teacher = translation(POOL, seed), shipped()
    return SimpleNamespace(
        part=part, few=part.take(slice(FEW)), test=test_of(seed), teacher=teacher,
        greedy=written_by(writer(teacher), part.sources),
    )  # fmt: skip


def by_labels(sources, targets):
    inputs, labels = pairs(sources, targets)
    return inputs, [hard_labels(labels)]


def word_level(d):
    inputs, labels = pairs(d.few.sources, d.few.references)
    with torch.no_grad():
        answers = d.teacher(*inputs)
    return inputs, [
        hard_labels(labels, weight=0.5),
        soft_targets(answers, rows=labels, temperature=1, weight=0.5),
    ]


FEW_ARMS = {
    "references": lambda d: by_labels(d.few.sources, d.few.references),
    "word-level": word_level,
    "sequence-level": lambda d: by_labels(d.few.sources, d.greedy[:FEW]),
    "rewritten in one style": lambda d: by_labels(d.few.sources, in_one_style(d.few.whats)),
    "sequence-level, pool": lambda d: by_labels(d.part.sources, d.greedy),
}


def greedy_and_beam(network, d):
    ways = {"greedy": writer(network), "beam": writer(network, beam=4)}
    return {name: valid(written_by(way, d.test.sources), d.test.whats) for name, way in ways.items()}


@cache
def few_references(seeds):
    return read_by(
        greedy_and_beam, FEW_ARMS, student="translator", training=ONE_BY_ONE, data=few, baseline="references",
        seeds=seeds, about={"greedy": VALID, "beam": {**VALID, "metric": "valid, beam of 4, %"}},
    )  # fmt: skip


# ---- part two: what a teacher writes that makes mistakes

DAY = range(1, 24)
TESTS = {
    "usual": {"count": 400, "hours": DAY},
    "midnight": {"count": 100, "hours": [0]},
    "rare": {"count": 200, "hours": DAY, "cities": [*RARE]},
}


@cache
def asked(seed):
    """A teacher of few references, whose writers take 12 AM for noon; its answers, and what filters keep."""
    theirs = translation(SLIP_GIVEN, 500 + seed, slips=True)
    teacher = taught(theirs.sources, theirs.references, steps=SLIP_STEPS, seed=500 + seed)
    back = taught(theirs.references, theirs.sources, steps=SLIP_STEPS, seed=500 + seed)
    part = translation(ANSWERS, seed)
    draw = [written_by(writer(teacher, temperature=1.0, seed=seed + 100 * i), part.sources) for i in range(5)]
    tests = {name: translation(seed=seed, unseen=True, **which) for name, which in TESTS.items()}
    right = torch.tensor([verdict == "valid" for verdict in judge(draw[0], part.whats)[1]])
    returned = written_by(writer(back), draw[0])
    kept = {
        "round trip": (returned == part.sources).all(dim=1),
        "agreement": torch.stack([(draw[0] == other).all(dim=1) for other in draw[1:]]).any(dim=0),
        "oracle": right,
    }
    usual = written_by(writer(teacher), tests["usual"].sources)
    wrong = torch.tensor([verdict != "valid" for verdict in judge(usual, tests["usual"].whats)[1]])
    return SimpleNamespace(
        part=part, teacher=teacher, greedy=written_by(writer(teacher), part.sources), sampled=draw[0],
        kept=kept, right=right, tests=tests, usual=usual, wrong=wrong, seed=seed,
        midnight=torch.tensor([what.hour == 0 for what in part.whats]),
    )  # fmt: skip


def of_answers(text, rows=lambda d: slice(None)):
    return lambda d: by_labels(d.part.sources[rows(d)], getattr(d, text)[rows(d)])


def as_many_drawn(d):
    order = torch.randperm(ANSWERS, generator=torch.Generator().manual_seed(d.seed))
    return order[: int(d.kept["round trip"].sum())]


def mixed(d):
    """Half the money for references, half for answers."""
    n = ANSWERS // PRICE // 2
    targets = torch.cat([d.part.references[:n], d.greedy[n : n + n * PRICE]])
    return by_labels(d.part.sources[: len(targets)], targets)


def mended(d):
    """Thirty right midnights, four times each, in place of the teacher's; paid for with 300 answers."""
    day = ~d.midnight[: ANSWERS - 30 * PRICE]
    right = translation(30, d.seed, hours=[0])
    sources = torch.cat([d.part.sources[: len(day)][day], right.sources.repeat(4, 1)])
    return by_labels(sources, torch.cat([d.greedy[: len(day)][day], right.references.repeat(4, 1)]))


def first(n):
    return lambda d: by_labels(d.part.sources[:n], d.part.references[:n])


ANSWER_ARMS = {
    "300 references": first(ANSWERS // PRICE),
    "3,000 references": first(ANSWERS),
    "greedy": of_answers("greedy"),
    "sampled": of_answers("sampled"),
    "sampled, round trip": of_answers("sampled", lambda d: d.kept["round trip"]),
    "sampled, as many drawn": of_answers("sampled", as_many_drawn),
    "sampled, agreement": of_answers("sampled", lambda d: d.kept["agreement"]),
    "sampled, oracle": of_answers("sampled", lambda d: d.kept["oracle"]),
    "half references": mixed,
    "greedy, midnights mended": mended,
}
INHERITED = {
    "valid": {"metric": "valid but for midnight, %", "margin": 5},
    "midnight": {"metric": "midnight right, %", "margin": 5},
    "slip": {"metric": "midnight taken for noon, %", "margin": 5, "higher_is_better": False},
    "rare": {"metric": "rare city right, %", "margin": 5},
    "right where the teacher is wrong": {"metric": "right where the teacher is wrong, %", "margin": 5},
    "copied": {"metric": "teacher's fault copied, %", "margin": 5, "higher_is_better": False},
}


def inherited(network, d):
    return of_text({name: written_by(writer(network), test.sources) for name, test in d.tests.items()}, d)


def of_text(text, d):
    whats = {name: test.whats for name, test in d.tests.items()}
    right = torch.tensor([v == "valid" for v in judge(text["usual"], whats["usual"])[1]])
    same = (text["usual"] == d.usual).all(dim=1)
    return {
        "valid": valid(text["usual"], whats["usual"]),
        "midnight": valid(text["midnight"], whats["midnight"]),
        "slip": valid(text["midnight"], [with_slip(what) for what in whats["midnight"]]),
        "rare": right_city(text["rare"], whats["rare"]),
        "right where the teacher is wrong": 100 * right[d.wrong].double().mean().item(),
        "copied": 100 * same[d.wrong].double().mean().item(),
    }


@cache
def answers(seeds):
    results = read_by(
        inherited, ANSWER_ARMS, student="translator", training=ONE_BY_ONE, data=asked,
        baseline="300 references", seeds=seeds, about=INHERITED,
    )  # fmt: skip
    for d in map(asked, results["valid"].seed_list):
        own = inherited(d.teacher, d)
        for what, result in results.items():
            result.scores.setdefault("teacher", []).append(own[what])
    return results


FILTERS = {
    "precision": {"metric": "right among those kept, %", "margin": 5},
    "recall": {"metric": "kept of those that are right, %", "margin": 5},
    "kept": {"metric": "kept of all, %", "margin": 5},
    "other faults kept": {"metric": "kept of the other faulty answers, %", "margin": 5},
    "slips kept": {"metric": "kept of midnights taken for noon, %", "margin": 5},
}


@cache
def filters(seeds):
    """What is read off the filters themselves; no student is trained."""
    results = answers(seeds)
    read = {what: {name: [] for name in ("none", "round trip", "agreement", "oracle")} for what in FILTERS}
    for d in map(asked, results["valid"].seed_list):
        slip = (
            torch.tensor(
                [v == "valid" for v in judge(d.sampled, [with_slip(what) for what in d.part.whats])[1]]
            )
            & d.midnight
        )
        for name, kept in {"none": torch.ones_like(d.right), **d.kept}.items():
            found = audit(kept, d.right)
            found["other faults kept"] = 100 * kept[~d.right & ~slip].double().mean().item()
            found["slips kept"] = 100 * kept[slip].double().mean().item()
            for what in FILTERS:
                read[what][name].append(found[what])
    model = replace(results["valid"], baseline="none", training={})
    return {what: replace(model, scores=read[what], **about) for what, about in FILTERS.items()}


def part_of(study, what, seeds):
    return study(seeds)[what]


def parts(title, study, *readings):
    return {f"{title}, {what}": partial(part_of, study, what) for what in readings}


STUDIES = {
    **parts("parallel", parallel, "valid", "blends"),
    **parts("answers", answers, *INHERITED),
    **parts("filters", filters, *FILTERS),
    **parts("few references", few_references, "greedy", "beam"),
    **{f"habits {name}": partial(habits, power) for name, power in POWERS.items()},
    "habits 2, longer": longer,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("translation", STUDIES, seeds=SEEDS)
