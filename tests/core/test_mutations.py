"""The classic bugs, planted into kdlab.losses itself: the reference table must catch each."""

import inspect
import types

import pytest
import test_losses

from kdlab.losses import common, response

MUTATIONS = {
    "KL arguments swapped": (response, "F.kl_div(student, teacher,", "F.kl_div(teacher, student,"),
    "missing T squared": (response, " * temperature**2", ""),
    "T instead of T squared": (response, "temperature**2", "temperature"),
    "mean for batchmean": (response, '"batchmean"', '"mean"'),
    "sum for batchmean": (response, '"batchmean"', '"sum"'),
    "probabilities for log-probabilities": (response, "student = F.log_softmax", "student = F.softmax"),
    "temperature on the student only": (response, "teacher_logits / temperature", "teacher_logits"),
    "temperature on the teacher only": (response, "student_logits / temperature", "student_logits"),
    "wrong axis": (response, "dim=1", "dim=0"),
    "softmax twice": (response, "(teacher_logits / temperature", "(teacher_logits.softmax(1) / temperature"),
    "log target not said": (response, "log_target=True", "log_target=False"),
    "gradient into the teacher": (common, "teacher.detach()", "teacher"),
    "student detached": (common, "loss(student.to", "loss(student.detach().to"),
    "half precision kept": (common, ", torch.float32)", ", torch.float16)"),
}

BINARY = {
    "sides swapped": ("for z in (student, teacher)", "for z in (teacher, student)"),
    "cross-entropy in place of the divergence": ("(cross_entropy - entropy)", "cross_entropy"),
    "missing T squared": ("(cross_entropy - entropy) * temperature**2", "(cross_entropy - entropy)"),
    "the student's probability for the teacher's": ("teacher.sigmoid()", "student.sigmoid()"),
    "temperature on the teacher only": ("student_logits / temperature, teacher", "student_logits, teacher"),
    "temperature on the student only": (", teacher_logits / temperature", ", teacher_logits"),
    "softmax over the only logit": ("teacher.sigmoid()", "teacher.softmax(-1)"),
}  # fmt: skip


def planted(module, old, new, loss="soft_target_loss"):
    """The loss with ``old`` replaced by ``new`` in the source of ``module``."""
    source = inspect.getsource(module)
    assert old in source, f"{old!r} is not in {module.__name__} any more"
    mutant = types.ModuleType("mutant")
    exec(source.replace(old, new), mutant.__dict__)
    if module is common:
        inner = inspect.unwrap(response.soft_target_loss)
        return mutant.in_full_precision(inner)
    return getattr(mutant, loss)


def checks(loss, of=response.soft_target_loss):
    """The parity tests of a loss, run on another function."""
    import torch

    for row in test_losses.REFERENCE:
        if row[0] is of:
            test_losses.test_reference_value_and_gradient(loss, *row[1:])
            for dtype in (torch.float16, torch.bfloat16):
                test_losses.test_half_precision_inputs_and_autocast(loss, *row[1:], dtype)


def test_the_checks_pass_without_a_bug():
    checks(planted(response, "batchmean", "batchmean"))


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_reference_table_catches(name):
    with pytest.raises((AssertionError, RuntimeError)):
        checks(planted(*MUTATIONS[name]))


@pytest.mark.parametrize("name", [*BINARY, "none"])
def test_the_reference_table_catches_it_of_one_logit(name):
    mutant = planted(response, *BINARY.get(name, ("batchmean", "batchmean")), loss="binary_soft_target_loss")
    if name == "none":
        return checks(mutant, response.binary_soft_target_loss)
    with pytest.raises((AssertionError, RuntimeError)):
        checks(mutant, response.binary_soft_target_loss)
