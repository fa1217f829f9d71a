"""Exercise 1.3: the same view for both."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value
from kdlab.exercises.props import images, network


def _case(n):
    random = torch.Generator().manual_seed(7)

    def augment(batch):
        return batch + torch.randn(batch.shape, generator=random)

    return network(1).eval(), network(2).eval(), images(n), augment


def _reference(student, teacher, images, augment):
    view = augment(images)
    return student(view), teacher(view)


EXERCISE = Exercise(
    id="1.3",
    title="The same view",
    reference=_reference,
    observe=value,
    cases={"one image and a random shift of its pixels": lambda: _case(1), "four images": lambda: _case(4)},
    mistakes=[
        Mistake(
            "teacher and student seeing different augmentations",
            (
                lambda s, t, x, a: (s(a(x)), t(a(x))),
                lambda s, t, x, a: (t(a(x)), s(a(x)))[::-1],
            ),
            "augment is random, and it was called twice. The teacher's answer describes another picture than the "
            "one the student is asked about.",
        ),
        Mistake(
            "teacher sees the plain image",
            (lambda s, t, x, a: (s(a(x)), t(x)),),
            "Only the student's image was augmented. If the augmentation hides the digit, the teacher has not noticed.",
        ),
        Mistake(
            "student sees the plain image",
            (lambda s, t, x, a: (s(x), t(a(x))),),
            "Only the teacher's image was augmented.",
        ),
        Mistake(
            "no augmentation at all",
            (lambda s, t, x, a: (s(x), t(x)),),
            "Both see the same picture, but never a new one: augment was not called.",
        ),
        Mistake(
            "student and teacher swapped",
            (lambda s, t, x, a: _reference(s, t, x, a)[::-1],),
            "The student comes first, the teacher second, here and in every loss of the course.",
        ),
    ],
    right="One view, two networks: the answer belongs to the picture.",
    see="The loop",
)
