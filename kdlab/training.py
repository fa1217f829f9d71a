"""The one training loop: an objective, a source of batches, an optimiser."""

from contextlib import nullcontext
from functools import reduce
from operator import add

import torch
from torch import nn

from kdlab.models.outputs import Outputs, call, evaluated, forward, heads_of
from kdlab.names import reason
from kdlab.rows import shapes, take


class Objective(nn.Module):
    """Student and projectors as one module: a batch in, each term's loss and their weighted total out.

    The student's own ``state_dict()`` stays free of projectors. Under several processes, each with its
    share of the batch, ``gather`` puts rows of all together, with gradients to those of this one, for
    terms whose loss is ``over_batch``. Every process then sees its own part of that gradient, of which
    DistributedDataParallel takes the mean where the sum is wanted: hence the factor ``world``.
    """

    def __init__(self, student, terms, first_inputs, *, precision=None, gather=None, world=1, compiled=False):
        super().__init__()
        self.student, self.terms, self.precision = student, terms, precision
        self.gather, self.world = gather, world
        self.projectors = nn.ModuleList(t.projector for t in terms if t.projector is not None)
        first = first_outputs(student, first_inputs, terms)
        self.layers = tuple(first.features) if needs_layers(terms, first) else None
        self.outputs_of = torch.compile(outputs_of) if compiled else outputs_of
        for term in terms:
            if term.projector is not None:  # it takes its shape from the first it sees
                with torch.no_grad():
                    term.projector.train()(first.at(term.of))
        self.projectors.to(next(student.parameters()).device)

    def forward(self, inputs, given):
        with self._autocast():
            outputs = self.outputs_of(self.student, inputs, self.layers)
            sides = [t.projector(s) if t.projector is not None else s
                     for t, s in ((term, outputs.at(term.of)) for term in self.terms)]  # fmt: skip
        losses, weighted = [], []
        for term, side, mine in zip(self.terms, sides, given):
            side, share = side.float() if self.precision else side, 1
            if term.over_batch and self.world > 1:
                side, mine, share = self.gather(side), self.gather(mine), self.world
            losses.append(term.value(side, mine))
            weight = share * term.weight
            # Each operation spared is one fewer in the graph as well: much of a small student's step.
            weighted.append(losses[-1] if weight == 1 else weight * losses[-1])
        return losses, reduce(add, weighted)

    def _autocast(self):
        if not self.precision:
            return nullcontext()
        return torch.autocast(next(self.student.parameters()).device.type, self.precision)


def train(objective, batches, optimiser, schedule, *, before=None, after=None, scaler=None):
    """A step for each batch ``(inputs, given)``: looked up, read, or sampled just now.

    ``given`` has an entry a term (:meth:`kdlab.terms.Term.given`). ``before(losses)`` is called while their
    graph is there, ``after(losses, total)`` when the step is done. A ``scaler`` is for float16.
    """
    for inputs, given in batches:
        losses, total = objective(inputs, given)
        if before:
            before(losses)
        optimiser.zero_grad()
        (scaler.scale(total) if scaler else total).backward()
        if scaler:
            scaler.step(optimiser)
            scaler.update()
        else:
            optimiser.step()
        schedule.step()
        if after:
            after(losses, total)


def check_finite(module, when):
    """Raise FloatingPointError, naming one, if a weight or a running statistic is not finite.

    A loss may be finite and its gradient not.
    """
    for name, values in module.state_dict().items():
        if values.is_floating_point() and not values.isfinite().all():
            raise FloatingPointError(f"{name} is not finite {when}; try a lower learning rate")


def looked_up(inputs, terms, order):
    """Batches of inputs in memory: ``order`` gives the rows of each."""
    for rows in order:
        batch = take(inputs, rows)
        yield batch, [term.given(rows, batch) for term in terms]


def made(batches, terms):
    """Batches that are made one after the other; teachers are asked about each."""
    for batch in batches:
        yield batch, [term.given(None, batch) for term in terms]


def row_stream(n, batch_size, seed):
    """Row numbers (batch_size,) without end, from a stream of reshuffled epochs of ``n`` rows."""
    random = torch.Generator().manual_seed(seed)
    rows = torch.empty(0, dtype=torch.int64)
    while True:
        while len(rows) < batch_size:
            rows = torch.cat([rows, torch.randperm(n, generator=random)])
        yield rows[:batch_size]
        rows = rows[batch_size:]


def outputs_of(student, inputs, layers):
    """A plain call where only answers are matched, so that any Module will do."""
    return Outputs(call(student, inputs), {}, None) if layers is None else forward(student, inputs, layers)


def needs_layers(terms, outputs):
    """Whether a term compares more than the student's answer."""
    return any(term.of not in heads_of(outputs.logits) for term in terms)


@torch.no_grad()
def first_outputs(student, inputs, terms):
    """What the terms compare, for the first two inputs, in eval mode; a ValueError if there is none."""
    few = take(inputs, slice(2))
    with evaluated(student), torch.random.fork_rng(devices=[]):
        try:
            outputs = outputs_of(student, few, None)
        except (RuntimeError, IndexError, AttributeError, TypeError) as error:
            name = type(student).__name__
            raise ValueError(f"{name} does not take inputs {shapes(inputs)}: {reason(error)}") from error
        if needs_layers(terms, outputs):
            asked = {term.of for term in terms} - {"logits", "embedding", *heads_of(outputs.logits)}
            outputs = forward(student, few, tuple(sorted(asked, key=str)))
        return outputs
