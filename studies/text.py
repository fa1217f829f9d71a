"""What a student of text learns from the corpus, from its teacher's probabilities, texts and judgement.

``python studies/text.py`` writes data/results/text.json. A pair is new first weights, another half of the
student's text in another order, and texts that the teacher wrote anew; the teacher is one.
"""

from dataclasses import replace
from functools import cache, lru_cache, partial
from types import SimpleNamespace

import torch

from kdlab.data.text import PROMPT, WRITTEN, corpus, cut, windows
from kdlab.distill import Term, distill, hard_labels, soft_targets
from kdlab.generation import generate
from kdlab.losses import generalized_jsd_loss, keep_top, reverse_kl_loss, top_logits_loss
from kdlab.losses.top import read_top
from kdlab.metrics.text import readings, vocabulary
from kdlab.models.text import NeuralNgram
from kdlab.models.transformer import CausalTransformer
from kdlab.results import run_studies
from kdlab.sampling import on_policy
from kdlab.study import compare
from kdlab.teachers import open_teacher

SEEDS = 5
OWN, MANY, JUDGED = 750, 10, 96  # windows of a student's text; times as many; prompts that it goes on from
STEPS, GO_ON = 500, 200
AS_LONG, AS_LONG_TRANSFORMER = 6, 7  # so many ordinary steps take as long as one on-policy
SLOWER = 0.005  # the transformer's learning rate
COOLER = (1.0, 0.8, 0.6)  # temperatures that a student writes at
TRAINING = {"steps": STEPS, "batch_size": 8, "learning_rate": 0.01}
# Smallest differences that matter, stated before the run.
MARGINS = {"bits": 0.05, "bits of the judge": 0.1, "distinct": 2, "real words": 3, "reverse KL": 0.1}
METRICS = {
    "bits": "bits a character of held-out text, bits",
    "bits of the judge": "the teacher's bits a character of what the student writes, bits",
    "distinct": "different runs of four characters, %",
    "real words": "real words among those written, %",
    "reverse KL": "KL(student || teacher) a character on what the student writes, bits",
}
LOWER = ("bits", "bits of the judge", "reverse KL")
WRITING = ("bits of the judge", "distinct", "real words")


@cache
def teacher():
    return open_teacher("text")


@cache
def held_out():
    return windows(corpus().held_out, 20_000)


@cache
def known():
    return vocabulary(*corpus())


@lru_cache(1)
def load(seed):
    """A half of the student's text, with the teacher's answers, and what it writes after the same prompts."""
    own = windows(corpus().student)
    rows = torch.randperm(len(own.inputs), generator=torch.Generator().manual_seed(seed))[:OWN]
    inputs, labels, prompts = own.inputs[rows], own.labels[rows], own.prompts[rows]

    @cache
    def written(temperature, times=1):
        random = torch.Generator().manual_seed(100 + seed)
        asked = prompts.repeat(times, 1)
        return cut(generate(teacher().network, asked, WRITTEN, temperature=temperature, generator=random))

    @cache
    def real(times):
        pool = windows(corpus().teacher)
        random = torch.Generator().manual_seed(200 + seed)
        some = torch.randperm(len(pool.inputs), generator=random)[: times * OWN]
        return pool.inputs[some], pool.labels[some]

    return SimpleNamespace(
        inputs=inputs, labels=labels, prompts=prompts, answers=teacher()(inputs), written=written, real=real,
        seed=seed,
    )  # fmt: skip


def as_soft(d):
    """The smoothing that leaves a label what the teacher's largest probability is on average."""
    top = d.answers[d.labels != -100].softmax(dim=1).max(dim=1).values.mean().item()
    return (1 - top) * 50 / 49


def counted(inputs):
    """Which places of a batch (B, T) count: those that follow the prompt."""
    mask = torch.ones(inputs.shape, dtype=torch.bool)
    mask[:, : PROMPT - 1] = False
    return mask


forward = partial(soft_targets, temperature=1)


def matched(loss):
    return lambda answers, rows: Term("divergence", answers, loss, rows=rows)


def on_corpus(term):
    return lambda d: (d.inputs, [term(d.answers, rows=d.labels)])


def on_text(temperature, times=1):
    def arm(d):
        inputs, labels = d.written(temperature, times)
        return inputs, [hard_labels(labels)]

    return arm


def corpus_alone(d):
    return d.inputs, [hard_labels(d.labels)]


def soft_on_text(d):
    inputs, labels = d.written(1.0)
    return inputs, [forward(teacher()(inputs), rows=labels)]


SOURCES = {
    "corpus": corpus_alone,
    "smoothing, as soft": lambda d: (d.inputs, [hard_labels(d.labels, smoothing=as_soft(d))]),
    "soft targets": on_corpus(forward),
    "reverse KL": on_corpus(matched(reverse_kl_loss)),
    "its text": on_text(1.0),
    "its text, ten times": on_text(1.0, MANY),
    "its text, T = 0.5": on_text(0.5),
    "its text, greedy": on_text(0),
    "its text and probabilities": soft_on_text,
    "real text, ten times": lambda d: (d.real(MANY)[0], [hard_labels(d.real(MANY)[1])]),
}


def writes(student, prompts):
    return generate(student, prompts, WRITTEN)[:, :-1]


def judged(term, **options):
    def arm(d):
        inputs = on_policy(writes, d.prompts, batch_size=TRAINING["batch_size"], seed=d.seed)
        return inputs, [term(teacher(), rows=counted)]

    return arm


def longer(arm, steps):
    return lambda d: (*arm(d), {"steps": steps})


GOING_ON = {
    "goes on": on_corpus(forward),
    "goes on, as long": longer(on_corpus(forward), AS_LONG * GO_ON),
    "on-policy, forward": judged(forward),
    "on-policy, JSD": judged(matched(generalized_jsd_loss)),
    "on-policy, reverse": judged(matched(reverse_kl_loss)),
    "reverse on the corpus": on_corpus(matched(reverse_kl_loss)),
}


def started(student, **training):
    """A student that has learned from soft targets already: on-policy needs one that writes."""

    def make():
        seed = torch.initial_seed()
        network, d = student(), load(seed)
        inputs, terms = SOURCES["soft targets"](d)
        distill(network, inputs, terms, seed=seed, **{**TRAINING, **training})
        return network

    return make


def measured(arms, seeds, *, student=NeuralNgram, baseline=None, temperatures=(1.0,), **training):
    """By reading, the Result of the same students; also of what they write at other temperatures."""
    seen = []

    def score(network, d):
        values = {}
        for temperature in temperatures:
            random = torch.Generator().manual_seed(1000 + d.seed)
            prompts = held_out().prompts[:JUDGED]
            text = generate(network, prompts, WRITTEN, temperature=temperature, generator=random)
            found = readings(network, teacher(), held_out(), text, known())
            at = "" if temperature == 1 else f" at {temperature}"
            values |= {what + at: value for what, value in found.items()}
        seen.append(values)
        return values["bits"]

    result = compare(
        arms, data=load, student=student, baseline=baseline or next(iter(arms)), seeds=seeds, score=score,
        metric=METRICS["bits"], margin=MARGINS["bits"], higher_is_better=False, workers=1,
        **{**TRAINING, **training},
    )  # fmt: skip
    of_arms = {arm: seen[i :: len(arms)] for i, arm in enumerate(arms)}
    results = {}
    for key in seen[0]:
        what = key.partition(" at ")[0]
        scores = {arm: [one[key] for one in values] for arm, values in of_arms.items()}
        about = {"metric": METRICS[what], "margin": MARGINS[what], "higher_is_better": what not in LOWER}
        results[key] = replace(result, scores=scores, **about)
    return results


def top(count):
    return lambda d: (d.inputs, [Term("top", keep_top(d.answers, count), top_logits_loss, rows=d.labels)])


def spread(count):
    """The mass of the rest, spread evenly: soft targets as always."""

    def arm(d):
        kept = [part.flatten(0, 1) for part in keep_top(d.answers, count)]
        answers = read_top(*kept, d.answers.shape[-1]).view_as(d.answers)
        return d.inputs, [forward(answers, rows=d.labels)]

    return arm


KEPT = (1, 3, 10)
TOP = {"all 50": SOURCES["soft targets"], "none: the corpus": corpus_alone}
TOP |= {f"top {k}": top(k) for k in KEPT} | {"top 3, the rest evenly": spread(3)}
TIMES = (1, 2, 4, 8)
LONGER = {
    f"{name}, {n} x": longer(SOURCES[name], n * STEPS // 2)
    for name in ("corpus", "soft targets")
    for n in TIMES
}
ANOTHER = ("corpus", "soft targets", "its text", "its text, greedy")
ANOTHERS = 3  # pairs, where a student costs several times as much


def transformer():
    """A student that sees the whole window: a check that a finding is not of one architecture."""
    return CausalTransformer(width=48, layers=2, heads=4, length=PROMPT + WRITTEN, distances=True)


@cache
def sources(seeds):
    return measured(SOURCES, seeds)


@cache
def going_on(seeds):
    return measured(GOING_ON, seeds, student=started(NeuralNgram), temperatures=COOLER, steps=GO_ON)


@cache
def longer_runs(seeds):
    return measured(LONGER, seeds)


@cache
def top_logits(seeds):
    return measured(TOP, seeds)


@cache
def of_a_transformer(seeds):
    arms = {name: SOURCES[name] for name in ANOTHER}
    return measured(arms, min(seeds, ANOTHERS), student=transformer, learning_rate=SLOWER)


@cache
def transformer_going_on(seeds):
    """A step of an arm that writes costs more here: as long is another number of steps."""
    steps = GO_ON // 2
    arms = {
        "goes on": GOING_ON["goes on"],
        "goes on, as long": longer(on_corpus(forward), AS_LONG_TRANSFORMER * steps),
        "on-policy, reverse": GOING_ON["on-policy, reverse"],
    }
    student = started(transformer, learning_rate=SLOWER)
    options = {"temperatures": COOLER[:2], "learning_rate": SLOWER, "steps": steps}
    return measured(arms, min(seeds, ANOTHERS), student=student, **options)


def part(study, what, seeds):
    return study(seeds)[what]


def parts(title, study, *what):
    return {f"{title}, {one}": partial(part, study, one) for one in what or METRICS}


STUDIES = {
    **parts("sources", sources),
    **parts("going on", going_on),
    **parts("going on", going_on, *(f"{what} at {t}" for t in COOLER[1:] for what in WRITING)),
    **parts("longer", longer_runs, "bits", "bits of the judge", "distinct"),
    **parts("top logits", top_logits, "bits", "reverse KL"),
    **parts("transformer", of_a_transformer),
    **parts("transformer going on", transformer_going_on),
    **parts("transformer going on", transformer_going_on, *(f"{what} at {COOLER[1]}" for what in WRITING)),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    run_studies("text", STUDIES, seeds=SEEDS)
