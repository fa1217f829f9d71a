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


def _observe(function, arguments):
    seen = value(function, arguments)
    seen["the student's answer has a gradient:"] = torch.tensor(function(*arguments)[0].requires_grad)
    return seen


EXERCISE = Exercise(
    id="1.3",
    title="The same view",
    reference=_reference,
    observe=_observe,
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
            "Both see the plain picture: augment was not called, or what it returned was not used.",
        ),
        Mistake(
            "augmented twice over",
            (lambda s, t, x, a: _reference(s, t, a(x), a),),
            "The view went through augment a second time: both agree, but the picture is changed more than asked.",
        ),
        Mistake(
            "probabilities returned",
            (lambda s, t, x, a: tuple(z.softmax(1) for z in _reference(s, t, x, a)),),
            "Logits are asked for: the losses apply softmax themselves.",
        ),
        Mistake(
            "the student cannot learn",
            (lambda s, t, x, a: tuple(z.detach() for z in _reference(s, t, x, a)),),
            "Both values are right, but the student's answer carries no gradient.",
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
