"""Teachers of translation: one that saw many references, and one that saw few, whose writers make a slip."""

from functools import partial
from types import SimpleNamespace

import torch

from kdlab.data.translation import BEGIN, END, ENGLISH, GERMAN, padded, translation
from kdlab.distill import distill, hard_labels
from kdlab.generation import beam_search, generate
from kdlab.metrics.translation import shares
from kdlab.models import create_student
from kdlab.models.translation import ParallelTranslator
from kdlab.sampling import next_tokens, written_by

WIDTH, SEED = 64, 500
APART = 10**6  # a seed of no study's
# References, whether their writers make the slip, steps.
GIVEN = {"translation": (8000, False, 800), "translation-slips": (800, True, 250)}


def writer(translator, *, temperature=0.0, beam=1, seed=0):
    """How a translator writes: a function of sources (B, S) that gives tokens (B, T), padded after their end.

    Parameters
    ----------
    translator : Translator or ParallelTranslator
        The latter gives its likeliest word at each place, whatever else is asked for.
    temperature : float
        0 is greedy; otherwise words are drawn, as follows from ``seed`` and the order of the sources.
    beam : int
        Above 1: the likeliest sentence that a beam of this width finds, in place of greedy.
    """
    random = torch.Generator().manual_seed(seed)

    def write(sources):
        if isinstance(translator, ParallelTranslator):
            return padded(translator(sources).argmax(dim=-1))
        reading, length = translator.of(sources), len(translator.decoder.places)
        begin = torch.full((len(sources), 1), BEGIN)
        if beam > 1:
            text, _ = beam_search(reading, begin, length, width=beam, stop=END)
        else:
            text = generate(reading, begin, length, temperature=temperature, generator=random, stop=END)
        return padded(text[:, 1:])

    return write


def pairs(sources, targets):
    """The inputs and labels by which a translator learns these targets (N, T), padded after their end."""
    read, said = next_tokens(targets, begin=BEGIN, stop=END)
    return (sources, read), said


def taught(
    sources, targets, *, steps, seed=SEED, width=WIDTH, batch_size=64, learning_rate=0.003, progress=False
):
    """A :class:`kdlab.models.translation.Translator` trained on pairs: from either language to the other."""
    back = targets.shape[1] == ENGLISH.length
    languages = (GERMAN, ENGLISH) if back else (ENGLISH, GERMAN)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = create_student(
            "translator", width=width, words=len(languages[0]), num_classes=len(languages[1]),
            lengths=tuple(language.length for language in languages),
        )  # fmt: skip
    inputs, labels = pairs(sources, targets)
    how = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    distill(network, inputs, [hard_labels(labels)], progress=progress, **how)
    return network


def train(name, *, steps=None, progress=True):
    """The trained network, and what its card says of it alone."""
    count, slips, own_steps = GIVEN[name]
    steps, part = own_steps if steps is None else steps, translation(count, APART, slips=slips)
    network = taught(part.sources, part.references, steps=steps, progress=progress)
    said = ", all of whose writers take 12 AM for noon" if slips else ""
    return network, {
        "architecture": "translator",
        "options": {"width": WIDTH},
        "num_classes": len(GERMAN),
        "data": f"{count} made announcements in English, each with one German rendering of twelve{said}",
        "steps": steps,
        "seed": SEED,
    }


def score(teacher):
    """What its greedy translations of unseen announcements are, in percent."""
    unseen = translation(1000, APART, unseen=True)
    found = shares(written_by(writer(teacher.network), unseen.sources), unseen.whats)
    return {**{name: round(share, 1) for name, share in found.items()}, "of": "greedy translations, percent"}


RECIPES = {name: SimpleNamespace(train=partial(train, name), score=score) for name in GIVEN}
