"""Exercise 1.2: one step of distillation, and what it must leave alone."""

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Mistake, NothingReturned
from kdlab.exercises.props import images, network, statistics_moved, weights
from kdlab.losses import soft_target_loss


def _case():
    student, teacher = network(1), network(2, dropout=0.5)
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1)
    for p in student.parameters():
        p.grad = torch.ones_like(p)  # what an earlier step has left behind
    return student, teacher, images(), optimiser


def _observe(function, arguments):
    student, teacher, _, _ = arguments
    loss = function(*arguments)
    if loss is None or loss is ...:
        raise NothingReturned
    return {
        "the teacher's running statistics moved:": statistics_moved(teacher),
        "a gradient reached the teacher:": torch.tensor(
            any(p.grad is not None for p in teacher.parameters())
        ),
        "the student's running statistics moved:": statistics_moved(student),
        "the loss": torch.as_tensor(loss).detach(),
        "the student's weights afterwards:": weights(student),
    }


def _step(student, teacher, images, optimiser, *, freeze=True, evaluate=True, train=True, clear=True, act=True,
          target=soft_target_loss):  # fmt: skip
    teacher.train(not evaluate)
    with torch.set_grad_enabled(not freeze):
        z_t = teacher(images)
    student.train(train)
    z_s = student(images)
    if target is soft_target_loss:
        log_s, p_t = z_s.log_softmax(1), z_t.softmax(1)
        loss = F.kl_div(log_s, p_t, reduction="batchmean")
    else:
        loss = target(z_s, z_t)
    if clear:
        optimiser.zero_grad()
    loss.backward()
    if act:
        optimiser.step()
    return loss


def _variant(**options):
    return lambda *arguments: _step(*arguments, **options)


EXERCISE = Exercise(
    id="1.2",
    title="One step",
    reference=_step,
    observe=_observe,
    cases={"a teacher with dropout and batch normalisation, fresh from training": _case},
    mistakes=[
        Mistake(
            "teacher in train mode",
            (_variant(evaluate=False),),
            "In train mode dropout makes the teacher answer differently each time, and batch normalisation "
            "changes the teacher, even under no_grad. Which call puts a network into the other mode?",
            sign=lambda seen: seen["the teacher's running statistics moved:"].item(),
        ),
        Mistake(
            "gradient flowing into the teacher",
            (_variant(freeze=False),),
            "The backward pass went through the teacher too. That costs time and memory, and with its weights "
            "in the optimiser the teacher would chase the student.",
            sign=lambda seen: seen["a gradient reached the teacher:"].item(),
        ),
        Mistake(
            "student in eval mode",
            (_variant(train=False),),
            "The student trains with frozen batch statistics and without dropout.",
            sign=lambda seen: not seen["the student's running statistics moved:"].item(),
        ),
        Mistake(
            "gradients of the last step kept",
            (_variant(clear=False),),
            "backward adds to what is there. The gradients of the step before were still in place.",
        ),
        Mistake(
            "no step taken",
            (_variant(act=False),),
            "The weights are as before: the gradient was not used, or it was cleared between backward and step.",
        ),
        Mistake(
            "cross-entropy in place of KL",
            (_variant(target=lambda s, t: F.cross_entropy(s, t.softmax(1))),),
            "Cross-entropy with soft labels is larger by the teacher's entropy; the step is the same.",
            accept=True,
        ),
        Mistake(
            "KL arguments swapped",
            (_variant(target=lambda s, t: F.kl_div(t.log_softmax(1), s.softmax(1), reduction="batchmean")),),
            "The loss takes the student first, the teacher second.",
        ),
        Mistake(
            "softmax twice",
            (
                _variant(target=lambda s, t: soft_target_loss(s.softmax(1), t.softmax(1), temperature=1)),
                _variant(target=lambda s, t: soft_target_loss(s, t.softmax(1), temperature=1)),
            ),
            "kl takes logits and applies softmax itself.",
        ),
        Mistake(
            "logits regressed",
            (_variant(target=F.mse_loss),),
            "That is the squared difference of the logits: another loss, to which lesson 02 comes.",
        ),
        Mistake(
            "argmax taken as a soft label",
            (_variant(target=lambda s, t: F.cross_entropy(s, t.argmax(1))),),
            "The teacher's top class as a label is a hard label.",
        ),
        Mistake(
            "mean for batchmean",
            (_variant(target=lambda s, t: F.kl_div(s.log_softmax(1), t.softmax(1), reduction="mean")),),
            "The loss is a third of what it should be: there are three classes, and 'mean' divides by them too.",
        ),
    ],
    right="The teacher is the same before and after, and nothing of the step reaches it.",
    see="The loop",
)
