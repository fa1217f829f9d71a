"""The classic bugs, planted into kdlab.losses itself: the reference table must catch each."""

import inspect
import types
from functools import partial

import pytest
import test_divergences
import test_losses
import torch

from kdlab.losses import boxes, common, divergence, lists, response, top

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
LISTS = {
    "sum from the best down": (".flip(1).logcumsumexp(dim=1).flip(1)", ".logcumsumexp(dim=1)"),
    "order of the student": ("best, counts = _best(teacher, top)", "best, counts = _best(student, top)"),
    "others left out": ("torch.logaddexp(", "(lambda below, others: below)("),
    "the best counted again among the others": ("student.scatter(1, best, OUT)", "student"),
    "mean over the best": ("counts).sum(dim=1).mean()", "counts).mean(dim=1).mean()"),
    "mean over lists forgotten": ("sum(dim=1).mean() + ", "sum(dim=1).sum() + "),
    "sides swapped": ("soft_target_loss(student, teacher", "soft_target_loss(teacher, student"),
    "temperature forgotten": ("teacher, temperature=temperature)", "teacher, temperature=1.0)"),
    "temperature on both sides twice": (
        "soft_target_loss(student, ",
        "soft_target_loss(student / temperature, ",
    ),
    "weights not normalised": (".softmax(dim=0)", ".exp()"),
    "weights turned round": (".div(-decay)", ".div(decay)"),
    "sigmoid of the wrong sign": ("F.logsigmoid(student)", "F.logsigmoid(-student)"),
    "always among the list": ("if among else F.logsigmoid(student)", "if True else 0"),
    "never among the list": ("if among else", "if False else"),
    "both sides softened": ("(student, (teacher", "(student / temperature, (teacher"),
    "a sum over items": ("each.mean()", "each.sum()"),
    "items that do not count": ("masked_fill(~candidates, OUT)", "masked_fill(~candidates, 0.0)"),
}

BOXES = {
    "sides swapped": ("F.kl_div(student, teacher", "F.kl_div(teacher, student"),
    "missing T squared": (" * temperature**2", ""),
    "T instead of T squared": ("temperature**2", "temperature"),
    "temperature on the student only": ("z / temperature", "z / (temperature if z.requires_grad else 1)"),
    "temperature on the teacher only": ("z / temperature", "z / (1 if z.requires_grad else temperature)"),
    "one softmax over all edges": (
        "_divergences(student_edges, teacher_edges, temperature).mean(dim=-1)",
        "_divergences(student_edges.flatten(-2), teacher_edges.flatten(-2), temperature)",
    ),
    "sum over edges": (".mean(dim=-1)", ".sum(dim=-1)"),
    "mean over bins or classes": ('"none").sum(dim=-1)', '"none").mean(dim=-1)'),
    "divided by all cells": ("torch.where(total > 0, total, torch.ones_like(total))", "weight.numel()"),
    "not divided": ("torch.where(total > 0, total, torch.ones_like(total))", "1"),
    "weights forgotten": ("if weight is None:", "if True:"),
    "probabilities for log-probabilities": (".log_softmax(dim=-1) for", ".softmax(dim=-1) for"),
    "edges and bins swapped": ("teacher_edges, temperature)", "teacher_edges.roll(1, -1), temperature)"),
    "the last column left out": ("z / temperature).log", "z[..., :-1] / temperature).log"),
    "weights have a gradient": ("weight.detach()", "weight"),
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


def mutant_of(module, old, new):
    """The module with ``old`` replaced by ``new`` in its source."""
    source = inspect.getsource(module)
    assert old in source, f"{old!r} is not in {module.__name__} any more"
    mutant = types.ModuleType("mutant")
    exec(source.replace(old, new), mutant.__dict__)
    return mutant


def planted(module, old, new, loss="soft_target_loss"):
    """The loss of a mutant."""
    mutant = mutant_of(module, old, new)
    if module is common:
        inner = inspect.unwrap(response.soft_target_loss)
        return mutant.in_full_precision(inner)
    return getattr(mutant, loss)


def checks(loss, of=response.soft_target_loss):
    """The parity tests of a loss, run on another function."""

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


def check_lists(module):
    for loss, student, teacher, options, value, norm in test_losses.REFERENCE:
        if loss.__module__ == lists.__name__:
            mine = getattr(module, loss.__name__)
            twice = [side.repeat(2, 1) for side in (student, teacher)]
            assert mine(*twice, **options).item() == pytest.approx(value, rel=1e-6)
            test_losses.test_reference_value_and_gradient(mine, student, teacher, options, value, norm)
    for loss in test_losses.LISTS:
        mine = partial(getattr(module, getattr(loss, "func", loss).__name__), **getattr(loss, "keywords", {}))
        test_losses.test_items_that_do_not_count_are_as_if_they_were_not_there(mine)


def test_the_checks_of_lists_pass_without_a_bug():
    check_lists(mutant_of(lists, "OUT", "OUT"))


@pytest.mark.parametrize("name", LISTS)
def test_the_reference_table_catches_it_in_a_list(name):
    with pytest.raises((AssertionError, RuntimeError)):
        check_lists(mutant_of(lists, *LISTS[name]))


def check_boxes(module):
    for loss, *row in test_losses.REFERENCE:
        if loss.__module__ == boxes.__name__:
            test_losses.test_reference_value_and_gradient(getattr(module, loss.__name__), *row)
    for loss, sides in zip(test_losses.OF_CELLS, (test_losses.CELLS, test_losses.EDGES)):
        mine = getattr(module, loss.__name__)
        test_losses.test_cells_of_no_weight_are_as_if_they_were_not_there(mine, sides)
        test_losses.test_where_nothing_has_a_weight_the_loss_is_0(mine, sides)


def test_the_checks_of_boxes_pass_without_a_bug():
    check_boxes(mutant_of(boxes, "return", "return"))


@pytest.mark.parametrize("name", BOXES)
def test_the_reference_table_catches_it_in_a_box(name):
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        check_boxes(mutant_of(boxes, *BOXES[name]))


@pytest.mark.parametrize("name", [*BINARY, "none"])
def test_the_reference_table_catches_it_of_one_logit(name):
    mutant = planted(response, *BINARY.get(name, ("batchmean", "batchmean")), loss="binary_soft_target_loss")
    if name == "none":
        return checks(mutant, response.binary_soft_target_loss)
    with pytest.raises((AssertionError, RuntimeError)):
        checks(mutant, response.binary_soft_target_loss)


def home(name):
    """The module of a loss that is planted with its neighbours."""
    return top if name == "top_logits_loss" else divergence


def checks_of(loss, old, new):
    """The same of a divergence with ``old`` replaced by ``new``."""
    mutant = planted(home(loss), old, new, loss)
    checks(mutant, getattr(home(loss), loss))
    if loss == "top_logits_loss":
        test_divergences.test_the_teachers_rest_has_no_gradient(mutant)


@pytest.mark.parametrize("loss", DIVERGENCES)
def test_the_checks_of_divergences_pass_without_a_bug(loss):
    checks_of(loss, "return", "return")


@pytest.mark.parametrize("loss, name", [(loss, name) for loss in DIVERGENCES for name in DIVERGENCES[loss]])
def test_the_reference_table_catches_divergences(loss, name):
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        checks_of(loss, *DIVERGENCES[loss][name])
