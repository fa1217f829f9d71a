"""Several small students of one kind trained at once, each as :func:`kdlab.distill.distill` would alone.

A step of a student of a few hundred weights is mostly the cost of calling PyTorch. Stacked, all students
share each call. From some thousand weights on this costs more than it spares.
"""

import itertools
from functools import partial

import torch
from torch import nn

from kdlab.terms import is_asked
from kdlab.training import check_finite, row_stream, train

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)  # they note what they see


def distill_stacked(students, tasks, *, steps=300, batch_size=32, learning_rate=0.01, seed=0):
    """Train each student on its task; the last step's weights stay.

    The numbers are those of :func:`kdlab.distill.distill` but for rounding, which training may amplify.

    Parameters
    ----------
    students : list of Module
        Of one architecture; trained in place, and left in eval mode.
    tasks : list of tuple
        For each student its inputs, a Tensor (N, ...), its terms, what is matched, and its options,
        ``{"weight_decay": ...}`` or ``{}``.
    steps, batch_size, learning_rate, seed
        As for :func:`kdlab.distill.distill`, of all students.

    Raises
    ------
    ValueError
        If a task cannot be stacked, before training.
    FloatingPointError
        If a weight is not finite after it.
    """
    check_stackable(students, tasks)
    orders = [_order(len(inputs), batch_size, seed, steps) for inputs, _, _ in tasks]
    objective = _Together([student.train() for student in students], tasks, orders)
    decay = torch.tensor([options.get("weight_decay", 0.0) for _, _, options in tasks], dtype=torch.float64)
    optimiser = torch.optim.Adam(objective.parameters(), lr=learning_rate, fused=True)
    if decay.any():  # before the step, as AdamW does it, and for each student its own
        optimiser.register_step_pre_hook(partial(_shrink, decay=decay))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        train(objective, ((step, None) for step in range(steps)), optimiser, schedule)
    objective.hand_back(students)
    for student in students:
        check_finite(student.eval(), "after training")


class _Together(nn.Module):
    """The students' weights side by side; a batch is the number of a step, which says the rows of each."""

    def __init__(self, students, tasks, orders):
        super().__init__()
        self.model = [students[0]]  # in a list: its own weights are not among those that train
        self.names = [name for name, _ in students[0].named_parameters()]
        weights, self.buffers_of = torch.func.stack_module_state(students)
        self.weights = nn.ParameterList(weights[name].detach() for name in self.names)
        self.pool, starts = _pooled([inputs for inputs, _, _ in tasks])
        self.rows = torch.stack(orders, dim=1) + starts[:, None]  # (steps, students, batch)
        self.groups = _groups(tasks, orders)

    def forward(self, step, given):
        def answer(weights, buffers, batch):
            return torch.func.functional_call(self.model[0], (weights, buffers), (batch,))

        weights = dict(zip(self.names, self.weights))
        mapped = torch.func.vmap(answer, randomness="different")
        answers = mapped(weights, self.buffers_of, self.pool[self.rows[step]])
        return [], sum(group.total(answers, step) for group in self.groups)

    @torch.no_grad()
    def hand_back(self, students):
        for place, student in enumerate(students):
            for weight, mine in zip(self.weights, student.parameters()):
                mine.copy_(weight[place])


def check_stackable(students, tasks):
    """Raise ValueError, naming what it is, where students or tasks cannot be trained stacked."""
    for module in students[0].modules():
        if isinstance(module, NORMS):
            raise ValueError(f"a student with {type(module).__name__} cannot be trained stacked")
    for inputs, terms, options in tasks:
        if not torch.is_tensor(inputs):
            raise ValueError(f"stacked students take inputs in one tensor, got {type(inputs).__name__}")
        for term in terms:
            plain = torch.is_tensor(term.targets) and term.labels is None and term.rows is None
            if is_asked(term.targets) or not plain or term.projector is not None or term.of != "logits":
                raise ValueError(
                    f"{term.name} cannot be trained stacked: that takes targets in one tensor, compared with "
                    f"the student's answer alone"
                )
        if unknown := set(options) - {"weight_decay"}:
            raise ValueError(f"stacked students share their {', '.join(sorted(unknown))}")


def _order(n, batch_size, seed, steps):
    return torch.stack([*itertools.islice(row_stream(n, batch_size, seed), steps)])


def _pooled(tensors):
    """The rows of all different tensors in one, and where those of each begin."""
    kept, starts, first = {}, [], 0
    for tensor in tensors:
        if id(tensor) not in kept:
            kept[id(tensor)] = first, tensor
            first += len(tensor)
        starts.append(kept[id(tensor)][0])
    return torch.cat([tensor for _, tensor in kept.values()]), torch.tensor(starts)


class _Group:
    """Terms of one loss, for as many students: one call of it mapped over all."""

    def __init__(self, loss, places, terms, orders):
        self.loss, self.places = torch.func.vmap(loss), torch.tensor(places)
        self.weights = torch.tensor([float(term.weight) for term in terms])
        self.targets, starts = _pooled([term.targets for term in terms])
        self.rows = torch.stack([orders[place] for place in places], dim=1) + starts[None, :, None]

    def total(self, answers, step):
        losses = self.loss(answers[self.places], self.targets[self.rows[step]])
        return (self.weights * losses).sum()


def _groups(tasks, orders):
    found = {}
    for place, (_, terms, _) in enumerate(tasks):
        for term in terms:
            places, mine, _ = found.setdefault(_key(term), ([], [], term.loss))
            places.append(place)
            mine.append(term)
    return [_Group(loss, places, terms, orders) for places, terms, loss in found.values()]


def _key(term):
    """Terms with equal keys have one loss, and targets that can lie in one tensor."""
    loss = term.loss
    if isinstance(loss, partial):
        loss = loss.func, loss.args, tuple(sorted(loss.keywords.items()))
    return loss, term.targets.dtype, term.targets.shape[1:]


@torch.no_grad()
def _shrink(optimiser, arguments, options, *, decay):
    for group in optimiser.param_groups:
        for weight in group["params"]:
            weight.mul_(1 - group["lr"] * decay.view(-1, *[1] * (weight.ndim - 1)))
