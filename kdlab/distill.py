"""Train a student in memory, or on what is made as training goes, to match what the terms hold."""

import copy
import itertools
from functools import partial

import torch

from kdlab import rows as tree
from kdlab.checks import check_terms
from kdlab.progress_bar import progress_bar
from kdlab.terms import Term, features, hard_labels, relations, soft_targets, values
from kdlab.training import Objective, check_finite, first_outputs, looked_up, made, row_stream, train

__all__ = [
    "Term",
    "check_terms",
    "distill",
    "features",
    "hard_labels",
    "pairing",
    "relations",
    "soft_targets",
    "values",
]


def distill(
    student, inputs, terms, *, steps=300, batch_size=32, learning_rate=0.01, weight_decay=0.0, seed=0,
    gradients_every=0, progress=False,
):  # fmt: skip
    """Train ``student`` on ``inputs`` to match what the terms hold. The last step's weights stay.

    Adam with a one-cycle learning rate. The order of the inputs follows from ``seed`` and their
    number alone, so that two runs differ only in what they match.

    Parameters
    ----------
    student : Module
        Trained in place, and left in eval mode. It may have several heads, in a dict or tuple.
    inputs : Tensor of shape (N, ...), tuple or dict of Tensor, or callable
        A row an example; a tuple is handed over by place, a dict by keyword. Or a function that is given
        the student and yields batches, such as :func:`kdlab.sampling.on_policy`.
    terms : list of Term
        From :func:`hard_labels`, :func:`soft_targets`, :func:`features`, :func:`relations`, or your own.
    steps, batch_size : int
        A batch is drawn from a stream of reshuffled epochs; it may be larger than N.
    learning_rate : float
        The highest of the cycle.
    weight_decay : float
        In each step all weights shrink by this share times the learning rate (Loshchilov and Hutter 2019).
    seed : int
        Of the order of the inputs, and of dropout in the student.
    gradients_every : int
        Above 0: also measure gradients, at step 0 and every so many. What is trained stays the same.
    progress : bool

    Returns
    -------
    dict of str to Tensor of shape (steps,)
        Each term's loss before weighting, and ``"total"``, at each step. With ``gradients_every``
        also ``"gradient of ..."``: the norm of the weighted term's, of the student's parameters.

    Raises
    ------
    ValueError
        Before training, if targets and inputs differ in number, logits and targets in classes, the
        student does not take the inputs, or a label, target or weight is out of range.
    FloatingPointError
        After training, if a loss was not finite, or a weight is not.
    """
    first = check_terms(student, inputs, terms, steps=steps, batch_size=batch_size)
    device = next(student.parameters()).device
    terms = [term.to(device) for term in terms]
    history, gradients = [], []
    # Convolutions train about a fifth faster this way on a CPU; the weights are the same.
    _channels_last(student.train(), True)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # for projectors, and for dropout and the like in the student
        objective = Objective(student, terms, first)
        weights = [*student.parameters(), *objective.projectors.parameters()]
        optimiser = torch.optim.AdamW(
            weights, lr=learning_rate, weight_decay=weight_decay, fused=_fusible(weights)
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1)

        def measure(losses):
            if gradients_every and len(history) % gradients_every == 0:
                gradients.append(_gradient_norms(terms, losses, [*student.parameters()]))

        def note(losses, total):
            history.append(torch.stack([*losses, total]).detach())

        if callable(inputs):
            batches = made(
                (tree.on_device(b, device) for b in itertools.islice(inputs(student), steps)), terms
            )
        else:
            order = itertools.islice(row_stream(tree.count(first), batch_size, seed), steps)
            batches = looked_up(first, terms, torch.stack([*order]).to(device))
        bar = progress_bar(batches, what="training", unit="step", shown=progress, total=steps)
        train(objective, bar, optimiser, schedule, before=measure, after=note)
    _channels_last(student.eval(), False)
    if len(history) < steps:
        raise ValueError(f"the inputs gave {len(history)} batches for {steps} steps")
    curves = _curves(terms, history, gradients)
    check_finite(objective, "after training")
    return curves


def _fusible(weights):
    """True where Adam can take all weights in one go, which spares a small student a tenth of its step."""
    # Its loop runs over memory as it lies, so that a weight must not have gaps.
    one_go = all(
        w.is_floating_point()
        and w.device.type in ("cpu", "cuda")
        and torch.empty_like(w).stride() == w.stride()
        for w in weights
    )
    return one_go or None


def _channels_last(student, last):
    if all(p.ndim < 5 for p in student.parameters()):
        student.to(memory_format=torch.channels_last if last else torch.contiguous_format)


def _curves(terms, history, gradients):
    curves = torch.stack(history).cpu()
    if not curves.isfinite().all():
        first = int((~curves.isfinite()).any(dim=1).nonzero()[0])
        raise FloatingPointError(f"the loss is not finite from step {first} on; try a lower learning rate")
    names = [term.name for term in terms]
    names += ["total", *(f"gradient of {name}" for name in names)]
    return dict(zip(names, [*curves.unbind(1), *(torch.tensor(gradients).unbind(1) if gradients else ())]))


def _gradient_norms(terms, losses, parameters):
    """The norm of each weighted term's gradient; the graph stays for the step that follows."""
    norms = []
    for term, loss in zip(terms, losses):
        find = partial(torch.autograd.grad, inputs=parameters, retain_graph=True, allow_unused=True)
        gradients = [g for g in find(loss) if g is not None] if loss.requires_grad else []
        norms.append(term.weight * torch.nn.utils.get_total_norm(gradients).item())
    return norms


def pairing(student, inputs, terms):
    """What each term compares, and through which projector: a table to read before training.

    A pandas.DataFrame with a row a term: the student's layer and shape, the teacher's shape, the projector.
    Nothing is trained, and no projector is built.
    """
    import pandas as pd

    check_terms(student, inputs, terms)
    outputs = first_outputs(student, inputs, terms)
    table = {}
    for term in terms:
        ours = tuple(outputs.at(term.of).shape[1:])
        build = copy.deepcopy(term.projector).build if term.projector is not None else None
        with torch.random.fork_rng():
            way = build(ours).way if build else "none"
        table[term.name] = {
            "student's": term.of,
            "shape": ours,
            "teacher's shape": tuple(term.targets.shape[1:]),
            "projector": way,
        }
    return pd.DataFrame.from_dict(table, orient="index")
