"""What written-out working teaches that answers do not, and what a filter by the final answer keeps.

``python studies/reasoning.py`` writes data/results/reasoning.json; about twenty minutes on one core.
Pairs are draws of questions and first weights; in ``teachers`` each pair has a teacher of its own.
"""

from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import torch

from kdlab.data.reasoning import (
    DIGITS,
    answer_first,
    examples,
    only_answers,
    questions,
    to_work,
    two_tasks,
    with_anothers,
    with_filler,
    worked,
)
from kdlab.distill import hard_labels
from kdlab.metrics.reasoning import answers_of, majority, percent, right_answers, right_steps
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import open_teacher
from kdlab.teachers.reasoning import TRAINING, taught, write, writer

SEEDS, FEW = 5, 3  # pairs; of the studies that take longest
COUNT, MORE, TEST = 1000, 10, 1000  # questions of a student, how many times as many there are, and its test's
TRIES = 8  # of the teacher at a question, at T = 1
MARGIN = 2  # points: the smallest difference that matters, stated before the run
METRICS = {"answers": "right answers, %", "steps": "right steps, %", "asked to work": "right answers, %"}


@cache
def load(seed, digits=DIGITS, values=10):
    """A student's questions, ten times as many, and those of its test: other ones for each seed."""
    make = partial(questions, digits=digits, values=values)
    many = make(MORE * COUNT, seed=2 * seed)
    test = make(TEST, seed=2 * seed + 1)
    return SimpleNamespace(many=many, asked=many.take(slice(COUNT)), test=test, seed=seed)


def learn(inputs, continuation, **training):
    """What an arm gives: examples to imitate, token by token."""
    inputs, labels = examples(inputs, continuation)
    return inputs, [hard_labels(labels)], training


def by_rule(continuation, times=1, **training):
    """An arm of so many times the questions, each with what a rule writes behind it."""

    def arm(d):
        asked = d.many.take(slice(times * COUNT))
        return learn(asked.inputs, continuation(asked), **training)

    return arm


def of_two_tasks(working=worked, mask=True):
    def arm(d):
        inputs, continuation = two_tasks(d.asked, working(d.asked))
        # Unmasked, the question and the padding count as well.
        tokens, labels = examples(inputs, continuation if mask else continuation.clamp(min=0))
        if not mask:
            labels[:, : inputs.shape[1] - 1] = inputs[:, 1:]
        return tokens, [hard_labels(labels)]

    return arm


def measured(arms, seeds, *, data=load, baseline, student=writer, **training):
    """By reading, the Result of the same students."""
    seen = []

    def score(student, d):
        written, working = write(student, d.test), write(student, to_work(d.test.inputs))
        seen.append(
            {
                "answers": percent(right_answers(written, d.test)),
                "steps": percent(right_steps(written, d.test)),
                "asked to work": percent(right_answers(working, d.test)),
            }
        )
        return seen[-1]["answers"]

    result = compare(
        arms, data=data, student=student, seeds=seeds, baseline=baseline, score=score, margin=MARGIN,
        metric=METRICS["answers"], workers=1, **{**TRAINING, **training},
    )  # fmt: skip
    read = {name: seen[i :: len(arms)] for i, name in enumerate(arms)}
    return {what: as_result(result, read, what) for what in METRICS}


def as_result(result, read, what):
    scores = {name: [one[what] for one in values] for name, values in read.items()}
    return replace(result, scores=scores, metric=METRICS[what])


RULES = {
    "answers": by_rule(only_answers),
    "answers, 10 times the questions": by_rule(only_answers, MORE),
    "answers, 3 times the questions and steps": by_rule(only_answers, 3, steps=3 * TRAINING["steps"]),
    "filler": by_rule(with_filler),
    "filler, 4 times the steps": by_rule(with_filler, steps=4 * TRAINING["steps"]),
    "another's working": by_rule(with_anothers),
    "answer first": by_rule(answer_first),
    "two tasks": of_two_tasks(),
    "two tasks, all counts": of_two_tasks(mask=False),
    "working": by_rule(worked),
}


@cache
def forms(seeds):
    """What follows the question, by rule: the same questions, the same steps."""
    return measured(RULES, seeds, baseline="answers")


@cache
def bigger(seeds):
    """Two layers, twice the width, ten times the questions: do answers come now?"""
    arms = {
        "answers": by_rule(only_answers, MORE, steps=2 * TRAINING["steps"]),
        "working": by_rule(worked, MORE),
    }
    student = partial(writer, width=64, layers=2)
    return measured(arms, min(seeds, FEW), baseline="answers", student=student, learning_rate=0.003)


@cache
def asked_of(teacher, seed, digits=DIGITS, values=10):
    """The seed's questions with what a teacher wrote to four times as many, and in several tries."""
    d = load(seed, digits, values)
    several = torch.stack([write(teacher, d.asked, temperature=1, seed=100 * seed + k) for k in range(TRIES)])
    more = d.many.take(slice(COUNT, 4 * COUNT))
    rest = write(teacher, more, temperature=1, seed=100 * seed + TRIES)
    vote = majority(torch.stack([answers_of(written) for written in several]))
    return SimpleNamespace(**vars(d), several=several, written=several[0], more=more, rest=rest, vote=vote)


def kept(which):
    """An arm of those of the teacher's traces that ``which(d)`` says."""
    return lambda d: learn(d.asked.inputs[rows := which(d)], d.written[rows])


def right(d):
    return right_answers(d.written, d.asked)


def at_random(d):
    """As many as have the right answer, whatever their answers are."""
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(d.seed))
    return order[: int(right(d).sum())]


def of_four_times(d, *, filtered=True):
    """One try at four times the questions."""
    inputs, written = torch.cat([d.asked.inputs, d.more.inputs]), torch.cat([d.written, d.rest])
    rows = torch.cat([right(d), right_answers(d.rest, d.more)]) if filtered else slice(None)
    return learn(inputs[rows], written[rows])


def of_tries(d, tries=4):
    """Several tries at the same questions."""
    rows = torch.cat([right_answers(written, d.asked) for written in d.several[:tries]])
    return learn(d.asked.inputs.repeat(tries, 1)[rows], d.several[:tries].flatten(0, 1)[rows])


FILTERS = {
    "all": kept(lambda d: slice(None)),
    "all, 4 times the questions": partial(of_four_times, filtered=False),
    "answers put right": lambda d: learn(d.asked.inputs, worked(d.asked, d.written[:, :-2])),
    "kept by the answer": kept(right),
    "kept at random": kept(at_random),
    "kept by the vote": kept(lambda d: answers_of(d.written) == d.vote),
    "kept by the steps": kept(lambda d: right_steps(d.written, d.asked).all(dim=1)),
    "kept, 4 times the questions": of_four_times,
    "kept, 4 tries": of_tries,
    "rule": by_rule(worked),
}


@cache
def filters(seeds):
    """What the shipped teacher wrote, all of it or a part."""
    teacher = open_teacher("reasoning").network
    return measured(FILTERS, seeds, data=partial(asked_of, teacher), baseline="all")


@cache
def with_teacher(seed, traces, values):
    """A teacher of this pair's own, and what it wrote."""
    teacher = taught(traces, seed=1000 + seed, values=values)
    d = asked_of(teacher, seed, DIGITS, values)
    return SimpleNamespace(**vars(d), teacher=teacher)


@cache
def teachers(traces, values, seeds):
    """The filter where a right answer is a tenth by chance, or a half, for teachers of so many traces."""
    names = "all", "kept by the answer"
    data = partial(with_teacher, traces=traces, values=values)
    found = measured({name: FILTERS[name] for name in names}, seeds, data=data, baseline="all")
    of = [data(seed) for seed in found["answers"].seed_list]
    shares = {
        "teacher's right answers": [percent(right(d)) for d in of],
        "teacher's right steps": [percent(right_steps(d.written, d.asked)) for d in of],
        "kept with a wrong step": [wrong_steps(d, right(d)) for d in of],
        "kept by the vote with a wrong step": [wrong_steps(d, answers_of(d.written) == d.vote) for d in of],
        "votes that are right": [percent(d.vote == d.asked.answers) for d in of],
    }
    about = replace(found["answers"], baseline="teacher's right answers", scores=shares, metric="share, %")
    return found | {"shares": about}


def wrong_steps(d, rows):
    """Share of the traces in ``rows`` with a wrong step."""
    return percent(~right_steps(d.written, d.asked).all(dim=1)[rows])


@cache
def lengths(digits, seeds):
    """Students of four widths on sums of so many digits; the widest also on answers alone."""
    found = {}
    for width in WIDTHS:
        arms = {f"width {width}": by_rule(worked)}
        if width == max(WIDTHS):
            arms["answers alone"] = by_rule(only_answers)
        result = measured(
            arms, min(seeds, FEW), data=partial(load, digits=digits), baseline=f"width {width}",
            student=partial(writer, width=width),
        )  # fmt: skip
        found |= result["answers"].scores
    return {"answers": replace(result["answers"], scores=found)}


def part(study, what, seeds):
    return study(seeds)[what]


def parts(title, study, *what):
    return {f"{title}, {one}": partial(part, study, one) for one in what}


WIDTHS, LONG, TRACES = (4, 8, 16, 32), (3, 5, 7), (80, 120, 180)
READ = ("answers", "steps", "shares")
STUDIES = {
    **parts("filters", filters, "answers", "steps"),
    **parts("forms", forms, *METRICS),
    **{
        name: study
        for values in (10, 2)
        for traces in TRACES
        for name, study in parts(
            f"{values} values, {traces} traces", partial(teachers, traces, values), *READ
        ).items()
    },
    **{
        name: study
        for digits in LONG
        for name, study in parts(f"{digits} digits", partial(lengths, digits), "answers").items()
    },
    **parts("bigger", bigger, "answers"),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("reasoning", STUDIES, seeds=SEEDS)
