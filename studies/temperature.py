"""A study of lesson 02: temperature times steps, for a small student and a wider one."""

from types import SimpleNamespace

from kdlab import data, models
from kdlab.distill import hard_labels, soft_targets
from kdlab.results import run_studies
from kdlab.study import compare
from kdlab.teachers import load_teacher

SEEDS = 8
SETTINGS = [(2, 200), (2, 800), (8, 200)]  # width, steps
TEMPERATURES = {200: (1, 4, 20), 800: (4, 20)}  # by steps: fewer where training is long


def at(temperature):
    return lambda d: (d.pool.images, [soft_targets(d.answers, temperature=temperature)])


def temperatures(width, steps):
    def study(seeds):
        teacher = load_teacher("digits-small")

        def load(seed):
            splits = data.digits(50, seed=seed)
            return SimpleNamespace(**splits._asdict(), answers=teacher(splits.pool.images))

        arms = {"hard labels": lambda d: (d.pool.images, [hard_labels(d.pool.labels)])}
        arms |= {f"T = {T}": at(T) for T in TEMPERATURES[steps]}
        return compare(
            arms, data=load, student=lambda: models.TinyCNN(width), baseline="hard labels", seeds=seeds,
            steps=steps,
        )  # fmt: skip

    return study


if __name__ == "__main__":
    studies = {f"width {width}, {steps} steps": temperatures(width, steps) for width, steps in SETTINGS}
    run_studies("temperature", studies, seeds=SEEDS)
