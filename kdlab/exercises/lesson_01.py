"""Lesson 01: the loss, one step, and what surrounds it."""

from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Experiment, Mistake, returned, value
from kdlab.exercises.divergence import MISTAKES, kl_div
from kdlab.exercises.props import images, network, statistics_moved, ten_classes, two_rows, weights
from kdlab.losses import soft_target_loss

LOSS = Exercise(
    "1.1", "The loss in PyTorch's words", see="The loss",
    right="Summed over the classes, the mean over the images: what PyTorch calls batchmean.",
    reference=lambda s, t: soft_target_loss(s, t, temperature=1),
    cases={
        "two rows of three logits": two_rows,
        "four rows of ten logits": ten_classes,
        "a row with a gap of 200": lambda: (torch.tensor([[200.0, 0.0, 1.0]]), torch.tensor([[0.0, 3.0, 200.0]])),
    },
    mistakes=MISTAKES,
)  # fmt: skip


def _before_a_step():
    student, teacher = network(1), network(2, dropout=0.5)
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1)
    for p in student.parameters():
        p.grad = torch.ones_like(p)  # what an earlier step has left behind
    return student, teacher, images(), optimiser


def _after_a_step(function, arguments):
    student, teacher, _, _ = arguments
    loss = returned(function, arguments)
    reached = any(p.grad is not None for p in teacher.parameters())
    return {
        "the teacher's running statistics moved:": statistics_moved(teacher),
        "a gradient reached the teacher:": torch.tensor(reached),
        "the student's running statistics moved:": statistics_moved(student),
        "the loss": torch.as_tensor(loss).detach(),
        "the student's weights afterwards:": weights(student),
    }


def _step(student, teacher, images, optimiser, *, freeze=True, evaluate=True, train=True, clear=True, act=True,
          loss=lambda s, t: kl_div(s.log_softmax(1), t.softmax(1))):  # fmt: skip
    """Right by default; each option is one mistake."""
    teacher.train(not evaluate)
    with torch.set_grad_enabled(not freeze):
        taught = teacher(images)
    student.train(train)
    loss = loss(student(images), taught)
    if clear:
        optimiser.zero_grad()
    loss.backward()
    if act:
        optimiser.step()
    return loss


STEP = Exercise(
    "1.2", "One step", see="The loop",
    right="The teacher is the same before and after, and nothing of the step reaches it.",
    reference=_step, observe=_after_a_step,
    cases={"a teacher with dropout and batch normalisation, fresh from training": _before_a_step},
    mistakes=[
        Mistake("teacher in train mode",
            "In train mode dropout makes the teacher answer differently each time, and batch normalisation "
            "changes the teacher, even under no_grad. Which call puts a network into the other mode?",
            partial(_step, evaluate=False), sign=("the teacher's running statistics moved:", True)),
        Mistake("gradient flowing into the teacher",
            "The backward pass went through the teacher too. That costs time and memory, "
            "and with its weights in the optimiser the teacher would chase the student.",
            partial(_step, freeze=False), sign=("a gradient reached the teacher:", True)),
        Mistake("student in eval mode", "The student trains with frozen batch statistics and without dropout.",
            partial(_step, train=False), sign=("the student's running statistics moved:", False)),
        Mistake("gradients of the last step kept",
            "backward adds to what is there. The gradients of the step before were still in place.",
            partial(_step, clear=False)),
        Mistake("no step taken",
            "The weights are as before: the gradient was not used, or it was cleared between backward and step.",
            partial(_step, act=False)),
        Mistake("cross-entropy in place of KL",
            "Cross-entropy with soft labels is larger by the teacher's entropy; the step is the same.",
            partial(_step, loss=lambda s, t: F.cross_entropy(s, t.softmax(1))), accept=True),
        Mistake("KL arguments swapped", "The loss takes the student first, the teacher second.",
            partial(_step, loss=lambda s, t: kl_div(t.log_softmax(1), s.softmax(1)))),
        Mistake("softmax twice", "kl takes logits and applies softmax itself.",
            partial(_step, loss=lambda s, t: soft_target_loss(s.softmax(1), t.softmax(1), temperature=1)),
            partial(_step, loss=lambda s, t: soft_target_loss(s, t.softmax(1), temperature=1))),
        Mistake("logits regressed",
            "That is the squared difference of the logits: another loss, to which lesson 02 comes.",
            partial(_step, loss=F.mse_loss)),
        Mistake("argmax taken as a soft label", "The teacher's top class as a label is a hard label.",
            partial(_step, loss=lambda s, t: F.cross_entropy(s, t.argmax(1)))),
        Mistake("mean for batchmean",
            "The loss is a third of what it should be: there are three classes, and 'mean' divides by them too.",
            partial(_step, loss=lambda s, t: kl_div(s.log_softmax(1), t.softmax(1), reduction="mean"))),
    ],
)  # fmt: skip


def _two_networks(n):
    random = torch.Generator().manual_seed(7)

    def augment(batch):
        return batch + torch.randn(batch.shape, generator=random)

    return network(1).eval(), network(2).eval(), images(n), augment


def _same_view(student, teacher, images, augment):
    view = augment(images)
    return student(view), teacher(view)


def _answers(function, arguments):
    seen = value(function, arguments)
    seen["the student's answer has a gradient:"] = torch.tensor(function(*arguments)[0].requires_grad)
    return seen


SAME_VIEW = Exercise(
    "1.3", "The same view", see="The loop",
    right="One view, two networks: the answer belongs to the picture.",
    reference=_same_view, observe=_answers,
    cases={
        "one image and a random shift of its pixels": partial(_two_networks, 1),
        "four images": partial(_two_networks, 4),
    },
    mistakes=[
        Mistake("teacher and student seeing different augmentations",
            "augment is random, and it was called twice. The teacher's answer "
            "describes another picture than the one the student is asked about.",
            lambda s, t, x, a: (s(a(x)), t(a(x))), lambda s, t, x, a: (t(a(x)), s(a(x)))[::-1]),
        Mistake("augmented image by image",
            "One view, as it should be. augment takes the whole batch at once: that is shorter and faster.",
            lambda s, t, x, a: _same_view(s, t, x, lambda b: torch.cat([a(one[None]) for one in b])), accept=True),
        Mistake("teacher sees the plain image",
            "Only the student's image was augmented. If the augmentation hides the digit, the teacher has not noticed.",
            lambda s, t, x, a: (s(a(x)), t(x))),
        Mistake("student sees the plain image", "Only the teacher's image was augmented.",
            lambda s, t, x, a: (s(x), t(a(x)))),
        Mistake("no augmentation at all",
            "Both see the plain picture: augment was not called, or what it returned was not used.",
            lambda s, t, x, a: (s(x), t(x))),
        Mistake("augmented twice over",
            "The view went through augment a second time: both agree, but the picture is changed more than asked.",
            lambda s, t, x, a: _same_view(s, t, a(x), a)),
        Mistake("probabilities returned", "Logits are asked for: the losses apply softmax themselves.",
            lambda s, t, x, a: tuple(z.softmax(1) for z in _same_view(s, t, x, a))),
        Mistake("the student cannot learn", "Both values are right, but the student's answer carries no gradient.",
            lambda s, t, x, a: tuple(z.detach() for z in _same_view(s, t, x, a))),
        Mistake("student and teacher swapped",
            "The student comes first, the teacher second, here and in every loss of the course.",
            lambda s, t, x, a: _same_view(s, t, x, a)[::-1]),
    ],
)  # fmt: skip


def _student_and_images(training):
    return network(1, dropout=0.5).train(training), images(), torch.tensor([0, 1, 2, 0, 1, 2, 2, 1])


def _after_validation(function, arguments):
    score, student = returned(function, arguments), arguments[0]
    return {
        "the accuracy in percent": torch.as_tensor(score).detach(),
        "the student's running statistics moved:": statistics_moved(student),
        "the student is in train mode afterwards:": torch.tensor(student.training),
        "gradients are recorded afterwards:": torch.tensor(torch.is_grad_enabled()),
    }


def _validate(student, images, labels, *, evaluate=True, restore=True, always=False, factor=100):
    before = student.training
    if evaluate:
        student.eval()
    with torch.no_grad():
        score = factor * (student(images).argmax(1) == labels).float().mean()
    if restore:
        student.train(before or always)
    return score


def _grad_off(*arguments):
    score = _validate(*arguments)
    torch.set_grad_enabled(False)
    return score


VALIDATION = Exercise(
    "1.4", "Validation in between", see="The loop",
    right="It measured in eval mode and left the student in the mode it found.",
    reference=_validate, observe=_after_validation,
    cases={
        "a student in the middle of training": partial(_student_and_images, True),
        "a finished one": partial(_student_and_images, False),
    },
    mistakes=[
        Mistake("student left in eval mode after validation",
            "The next training step would run with frozen batch statistics and without "
            "dropout, and nothing would say so. The mode it had must come back.",
            partial(_validate, restore=False)),
        Mistake("validated in train mode",
            "Dropout was at work while you measured, and the validation images changed the student's batch statistics.",
            partial(_validate, evaluate=False), sign=("the student's running statistics moved:", True)),
        Mistake("train mode whatever it was before",
            "A finished student was in eval mode and is not any more. Keep what student.training was.",
            partial(_validate, always=True)),
        Mistake("gradients switched off for good",
            "set_grad_enabled(False) as a plain call stays on. Use `with torch.no_grad():`, which ends.",
            _grad_off),
        Mistake("a share in place of percent", "1 is one percent here.",
            partial(_validate, factor=1),
            partial(_validate, factor=1, restore=False), partial(_validate, factor=1, always=True)),
        Mistake("the share of wrong answers", "The accuracy counts the right ones.",
            lambda s, x, y: 100 - _validate(s, x, y)),
        Mistake("a count in place of percent", "This is the number of right answers.",
            partial(_validate, factor=8)),
    ],
)  # fmt: skip


OWN_CONTROL = Experiment(
    "1.5", "Your own control", see="Experiment 2: the same fifty images", arms=("soft targets", "class means"),
    meaning={
        "helps": "The class's mean label did better than the image's own: what is special to the image was noise here.",
        "hurts": "What is special to the image was worth something: without it the student is worse.",
        "same": "What is special to the image is worth less than the margin here.",
        "open": "These pairs cannot tell whether what is special to the image matters. The study below has more of them.",
    },
)  # fmt: skip


EXERCISES = [LOSS, STEP, SAME_VIEW, VALIDATION, OWN_CONTROL]
