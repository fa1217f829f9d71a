"""Studies of lesson 02: temperature times steps times width, and other divergences at one setting."""

from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import torch.nn.functional as F

from kdlab import data, metrics, models
from kdlab.distill import Term, hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher

SEEDS = 8
SETTINGS = [(2, 200), (2, 800), (4, 200), (4, 800), (8, 200), (8, 800), (2, 3200)]  # width, steps
TEMPERATURES = {200: (1, 4, 20), 800: (4, 20), 3200: (4, 20)}  # by steps: fewer where training is long
WIDTH, STEPS = 2, 800  # of the other divergences


def load(seed):
    splits = data.digits(50, seed=seed)
    return SimpleNamespace(**splits._asdict(), answers=load_teacher("digits-small")(splits.pool.images))


def at(temperature):
    return lambda d: (d.pool.images, [soft_targets(d.answers, temperature=temperature)])


def temperatures(width, steps, seeds):
    arms = {"hard labels": lambda d: (d.pool.images, [hard_labels(d.pool.labels)])}
    arms |= {f"T = {T}": at(T) for T in TEMPERATURES[steps]}
    return trained(arms, width, baseline="hard labels", seeds=seeds, steps=steps)


def trained(arms, width, **options):
    return compare(arms, data=load, student=lambda: models.TinyCNN(width), workers=1, **options)


def divergence(student, teacher, *, of_student=1, of_teacher=1, reverse=False):
    """KL(teacher || student), or reverse, with a temperature for each side, times the larger one squared."""
    q, p = (student / of_student).log_softmax(1), (teacher / of_teacher).log_softmax(1)
    value = F.kl_div(*((p, q) if reverse else (q, p)), log_target=True, reduction="batchmean")
    return max(of_student, of_teacher) ** 2 * value


def by(name, **options):
    """An arm that matches the teacher's answers by this divergence."""
    loss = partial(divergence, **options)
    return lambda d: (d.pool.images, [Term(name, d.answers, loss)])


DIVERGENCES = {
    "T = 1": at(1),
    "T = 1, reverse KL": by("reverse KL", reverse=True),
    "T = 4": at(4),
    "T = 4, reverse KL": by("reverse KL", of_student=4, of_teacher=4, reverse=True),
    "T = 4, teacher only": by("softened teacher", of_teacher=4),
    "T = 4, student only": by("softened student", of_student=4),
}


@cache
def divergences(seeds):
    """Accuracy and negative log-likelihood of the same students."""
    seen = []

    def score(student, d):
        answers = metrics.predict(student, d.test.images)
        seen.append(metrics.negative_log_likelihood(answers, d.test.labels))
        return metrics.accuracy(answers, d.test.labels)

    # In one process: the score keeps what else it read.
    accuracy = trained(DIVERGENCES, WIDTH, baseline="T = 4", seeds=seeds, steps=STEPS, score=score)
    scores = {arm: seen[i :: len(DIVERGENCES)] for i, arm in enumerate(DIVERGENCES)}
    about = {"metric": "negative log-likelihood, nats", "higher_is_better": False, "margin": 0.05}
    return {"accuracy": accuracy, "likelihood": replace(accuracy, scores=scores, **about)}


def part(name, seeds):
    return divergences(seeds)[name]


if __name__ == "__main__":
    studies = {f"width {w}, {steps} steps": partial(temperatures, w, steps) for w, steps in SETTINGS}
    studies |= {f"divergences, {name}": partial(part, name) for name in ("accuracy", "likelihood")}
    run_studies("temperature", studies, seeds=SEEDS)
