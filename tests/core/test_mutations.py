"""The classic bugs, planted into kdlab.losses itself: the reference table must catch each."""

import inspect
import types

import pytest
import test_divergences
import test_losses
import torch

from kdlab.losses import common, divergence, response, top

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
DIVERGENCES = {
    "reverse_kl_loss": {
        "the other way round": ("return _kl(student, teacher)", "return _kl(teacher, student)"),
        "missing T squared": ("_kl(student, teacher) * temperature**2", "_kl(student, teacher)"),
        "mean for batchmean": ('"batchmean"', '"mean"'),
        "temperature on the student only": (
            "(z / temperature", "(z / (temperature if z.requires_grad else 1)",
        ),
        "temperature on the teacher only": (
            "(z / temperature", "(z / (1 if z.requires_grad else temperature)",
        ),
    },
    "generalized_jsd_loss": {
        "missing T squared": ("_kl(student, mixture)) * temperature**2", "_kl(student, mixture))"),
        "weights swapped": (
            "(beta * _kl(teacher, mixture) + (1 - beta)", "((1 - beta) * _kl(teacher, mixture) + beta",
        ),
        "mixture the other way round": (
            "_mixture(teacher, student, beta)", "_mixture(student, teacher, beta)",
        ),
        "weights and mixture swapped": ("mixture = _mixture", "beta = 1 - beta; mixture = _mixture"),
        "against the mixture, turned": ("beta * _kl(teacher, mixture)", "beta * _kl(mixture, teacher)"),
        "ends swapped": ("if beta == 0 else", "if beta == 1 else"),
        "ends by the formula": ("if beta in (0, 1):", "if False:"),
        "student's part detached": ("_kl(student, mixture)", "_kl(student.detach(), mixture)"),
        "two KLs for the JSD": ("mixture = _mixture(teacher, student, beta)", "mixture = student"),
    },
    "skewed_kl_loss": {
        "skew the other way round": ("_mixture(teacher, student, skew)", "_mixture(student, teacher, skew)"),
        "mean of logarithms": ("_mixture(teacher, student, skew)", "skew * teacher + (1 - skew) * student"),
        "cross-entropy": (
            'F.kl_div(q, p, log_target=True, reduction="batchmean")', "-(p.exp() * q).sum(1).mean()",
        ),
    },
    "top_logits_loss": {
        "no tail": ("if classes.shape[1] < student_logits.shape[1]:", "if False:"),
        "a tail of nothing": ("if classes.shape[1] <", "if classes.shape[1] <="),
        "kept classes in the student's tail": (".scatter(1, classes, -torch.inf)", ""),
        "kept classes at 0 in the tail": ("-torch.inf", "0.0"),
        "mean of the tail": (".logsumexp(dim=1)\n", ".mean(dim=1)\n"),
        "student's first classes": (
            "student_logits.gather(1, classes)", "student_logits[:, : classes.shape[1]]",
        ),
        "gradient into the rest": ("rest.detach()", "rest"),
    },
}  # fmt: skip


def planted(module, old, new):
    """``soft_target_loss`` with ``old`` replaced by ``new`` in the source of ``module``."""
    mutant = mutated(module, old, new)
    if module is common:
        inner = inspect.unwrap(response.soft_target_loss)
        return mutant.in_full_precision(inner)
    return mutant.soft_target_loss


def mutated(module, old, new):
    """A module like it, with ``old`` replaced by ``new`` in its source."""
    source = inspect.getsource(module)
    assert old in source, f"{old!r} is not in {module.__name__} any more"
    mutant = types.ModuleType("mutant")
    exec(source.replace(old, new), mutant.__dict__)
    return mutant


def checks(loss, name="soft_target_loss"):
    """The parity tests of a loss of this name, run on another function."""
    for row in test_losses.REFERENCE:
        if row[0].__name__ == name:
            test_losses.test_reference_value_and_gradient(loss, *row[1:])
            for dtype in (torch.float16, torch.bfloat16):
                test_losses.test_half_precision_inputs_and_autocast(loss, *row[1:], dtype)


def test_the_checks_pass_without_a_bug():
    checks(planted(response, "batchmean", "batchmean"))


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_reference_table_catches(name):
    with pytest.raises((AssertionError, RuntimeError)):
        checks(planted(*MUTATIONS[name]))


def home(name):
    """The module of a loss that is planted with its neighbours."""
    return top if name == "top_logits_loss" else divergence


def checks_of(loss, old, new):
    """The same of a divergence with ``old`` replaced by ``new``."""
    mutant = getattr(mutated(home(loss), old, new), loss)
    checks(mutant, loss)
    if loss == "top_logits_loss":
        test_divergences.test_the_teachers_rest_has_no_gradient(mutant)


@pytest.mark.parametrize("loss", DIVERGENCES)
def test_the_checks_of_divergences_pass_without_a_bug(loss):
    checks_of(loss, "return", "return")


@pytest.mark.parametrize("loss, name", [(loss, name) for loss in DIVERGENCES for name in DIVERGENCES[loss]])
def test_the_reference_table_catches_divergences(loss, name):
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        checks_of(loss, *DIVERGENCES[loss][name])
