"""Exercise 6.1: what the wrong classes say."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, value

# The second row's largest logit is not at its label.
_small = [[6.0, 1.0, 2.0, -3.0], [4.0, 5.0, -1.0, 0.0], [0.0, 2.0, 3.0, 9.0]]


def _case():
    random = torch.Generator().manual_seed(2)
    labels = torch.arange(8) % 5
    return 2 * torch.randn(8, 5, generator=random) + 3 * F.one_hot(labels, 5), labels


def _spread(z, y, *, at=lambda z, y: y, over=1, prepare=lambda z: z, unbiased=True, power=1):
    wrong = prepare(z)[~F.one_hot(at(z, y), z.shape[1]).bool()].view(len(z), -1)
    return wrong.std(dim=over, correction=int(unbiased)).pow(power).mean()


def _variant(**options):
    return lambda z, y: _spread(z, y, **options)


EXERCISE = Exercise(
    id="6.1",
    title="What the wrong classes say",
    reference=_spread,
    observe=value,
    cases={
        "three rows of four logits": lambda: (torch.tensor(_small), torch.tensor([0, 0, 3])),
        "eight rows of five logits": _case,
    },
    mistakes=[
        Mistake(
            "the right class counted",
            (lambda z, y: z.std(dim=1).mean(),),
            "The right class stands far above the others, and its distance is not what is asked. Take the others only.",
        ),
        Mistake(
            "the right class set to 0, not left out",
            (
                lambda z, y: (z * (1 - F.one_hot(y, z.shape[1]))).std(dim=1).mean(),
                lambda z, y: z.masked_fill(F.one_hot(y, z.shape[1]).bool(), 0.0).std(dim=1).mean(),
            ),
            "A 0 in its place is a number like any other, and enters into the spread. Remove the entry.",
        ),
        Mistake(
            "the largest left out, not the label",
            (_variant(at=lambda z, y: z.argmax(dim=1)),),
            "You left out the class that the teacher answers. Where it errs, that is one of the wrong classes.",
        ),
        Mistake(
            "the right class alone kept",
            (lambda z, y: z.gather(1, y[:, None]).std(),),
            "That is the spread of the right class over the images. It is the others that are asked for.",
        ),
        Mistake(
            "spread over the images",
            (_variant(over=0), lambda z, y: z.std(dim=0).mean()),
            "The spread was taken down each column, over images. One image's wrong classes are to be compared with each other.",
        ),
        Mistake(
            "one spread for all images together",
            (lambda z, y: z[~F.one_hot(y, z.shape[1]).bool()].std(),),
            "All logits were thrown together. Images differ in the level of their logits, which says nothing about classes: "
            "take the spread of each row, then the mean.",
        ),
        Mistake(
            "probabilities in place of logits",
            (_variant(prepare=lambda z: z.softmax(dim=1)),),
            "Beside a sure answer the probabilities of the wrong classes are all near 0. A temperature brings the logits to light.",
        ),
        Mistake(
            "the variance in place of its root",
            (_variant(power=2),),
            "The standard deviation is the root of the variance.",
        ),
        Mistake(
            "SD divided by n instead of n - 1",
            (_variant(unbiased=False),),
            "numpy's std divides by n unless ddof=1; torch's divides by n - 1, as is asked here.",
        ),
    ],
    right="What is left when the label is taken away: that is all a soft label can add to a hard one.",
    see="What smoothing does to a teacher",
)
