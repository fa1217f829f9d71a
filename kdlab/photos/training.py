"""The long run: a student on photos, matched to cached answers; killed at any moment, it goes on."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from kdlab.checks import check_terms
from kdlab.metrics import accuracy
from kdlab.photos.checkpoints import load_checkpoint, save_checkpoint
from kdlab.photos.evaluation import evaluate, statistics
from kdlab.photos.parallel import Process
from kdlab.photos.settings import identity_of
from kdlab.photos.views import normalise, prefetch
from kdlab.progress_bar import progress_bar
from kdlab.rows import on_device
from kdlab.training import Objective, check_finite, train

_OPTIMISERS = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
_SCHEDULES = {
    "one-cycle": lambda o, rate, steps: torch.optim.lr_scheduler.OneCycleLR(o, rate, steps + 1),
    "cosine": lambda o, rate, steps: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps),
}
_PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
_NOT_SHOWN = ("epoch", "step", "learning rate", "images/s", "seconds")


def fit(
    student, photos, terms, folder, recipe, *,
    resume=False, every=600.0, process=None, threads=1, progress=False, identity=None,
):  # fmt: skip
    """Train ``student`` on the photos to match what the terms hold; the last step's weights stay.

    The order of the photos, dropout and the like follow from the recipe's seed and the number of the
    step: that number is all of the random state. ``folder/checkpoint.pt`` is replaced, whole, after
    each epoch and every ``every`` seconds; ``folder/log.csv`` has a row an epoch.

    Parameters
    ----------
    student : Module
        Trained in place on the process's device, and left in eval mode.
    photos : kdlab.photos.Photos
    terms : list of kdlab.terms.Term
        With a row of targets an image of ``photos.train``, or a :class:`kdlab.photos.cache.Column`.
    folder : path
        Of the checkpoint, from which ``resume`` goes on if there is one.
    recipe : kdlab.photos.settings.Recipe
    process : kdlab.photos.parallel.Process, optional
    threads : int
        That prepare batches while the student trains; 0: the training thread does it.
    identity : dict, optional
        Of the run this is part of: a checkpoint of another one is refused.

    Returns
    -------
    list of dict
        A row an epoch: losses before weighting, their weighted total, validation accuracy, images/s.

    Raises
    ------
    ValueError
        Before training, if targets do not fit, or the checkpoint is of another run.
    FloatingPointError
        After an epoch in which a loss was not finite, or a weight became so; the checkpoint before it stays.
    """
    process, folder = process or Process(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Training(student.to(process.device), photos, terms, recipe, process, identity or {})
    if resume:
        load_checkpoint(run, folder)
    bar = progress_bar(
        what="training", unit="photo", shown=progress and process.first, unit_scale=True,
        total=run.steps * run.batch, initial=run.step * run.batch,
    )  # fmt: skip
    saved, tick = time.monotonic(), time.perf_counter()

    def after(losses, total):
        nonlocal saved, tick
        run.count(losses, time.perf_counter() - tick)
        bar.update(run.batch)
        if run.step % run.steps_an_epoch and time.monotonic() - saved > every:
            check_finite(run.objective, f"after step {run.step}")
            # A loss that is not finite ends the run with its epoch: nothing of it may be gone on from.
            saved = save_checkpoint(run, folder) if run.sums.isfinite().all() else time.monotonic()
        tick = time.perf_counter()

    with bar:
        while run.step < run.steps:
            run.model.train()
            tick = time.perf_counter()
            batches = run.batches(threads)
            train(run.model, batches, run.optimiser, run.schedule, after=after, scaler=run.scaler)
            run.end_epoch(threads)
            shown = {k: f"{v:.3g}" for k, v in run.rows[-1].items() if k not in _NOT_SHOWN}
            bar.set_postfix(shown, refresh=False)
            saved = save_checkpoint(run, folder)
    student.eval().to(memory_format=torch.contiguous_format)
    return run.rows


class _Training:
    """What a checkpoint holds: the objective with all that trains it, and how far it has come."""

    def __init__(self, student, photos, terms, recipe, process, identity):
        self.student, self.photos, self.terms = student, photos, terms
        self.recipe, self.process = recipe, process
        self.batch = min(recipe.batch_size, len(photos.train)) // process.world * process.world
        if self.batch == 0:
            raise ValueError(f"{process.world} processes cannot share a batch of {recipe.batch_size} photos")
        looked_at = {term.name for term in terms if term.of != "logits"}
        if recipe.compile and looked_at:  # hooks are new in each step, and so would be the compiled code
            raise ValueError(f"compile works where only logits are matched, not with {', '.join(looked_at)}")
        self.steps_an_epoch = len(photos.train) // self.batch
        self.steps = recipe.epochs * self.steps_an_epoch
        rows = [0, min(1, len(photos.train) - 1)]
        first = recipe.make(photos.train, rows, 0).to(process.device)
        self.statistics = statistics(student, first.shape[1])
        first = normalise(first, *self.statistics)
        check_terms(student, first, [_of_rows(term, rows, 0) for term in terms])
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            self.objective = Objective(
                student, terms, first, precision=_PRECISIONS[recipe.precision], gather=process.gather,
                world=process.world, compiled=recipe.compile,
            ).to(memory_format=torch.channels_last)  # fmt: skip
        weights = [*self.objective.parameters()]
        groups = [{"params": [p for p in weights if p.ndim > 1]},
                  {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
        make, rate = _OPTIMISERS[recipe.optimiser], recipe.learning_rate
        self.optimiser = make(groups, lr=rate, weight_decay=recipe.weight_decay)
        self.schedule = _SCHEDULES[recipe.schedule](self.optimiser, rate, self.steps)
        self.scaler = torch.amp.GradScaler(process.device.type, enabled=recipe.precision == "float16")
        self.model = self._shared_by_all()
        self.step, self.rows = 0, []
        self.sums, self.seconds = torch.zeros(len(terms) + 1, device=process.device), 0.0
        self.identity = {
            **identity,
            **identity_of(recipe),
            "terms": {term.name: term.weight for term in terms},
            "photos": photos.train.digest,
            "photos a step": self.batch,
        }

    def _shared_by_all(self):
        if self.process.world == 1:
            return self.objective
        on_gpu = self.process.device.type == "cuda"
        if on_gpu:  # on CPUs there is no such layer: each process's share is normalised by itself
            nn.SyncBatchNorm.convert_sync_batchnorm(self.objective)
        return nn.parallel.DistributedDataParallel(
            self.objective, device_ids=[self.process.device] if on_gpu else None,
            find_unused_parameters=all(term.of != "logits" for term in self.terms),
        )  # fmt: skip

    def batches(self, threads):
        """What is left of this epoch: this process's share of each batch, and what belongs to it."""
        epoch, done = divmod(self.step, self.steps_an_epoch)
        random = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + epoch)
        order, view = torch.randperm(len(self.photos.train), generator=random), epoch % self.recipe.views
        share, device = self.batch // self.process.world, self.process.device

        def read(step):
            rows = order[step * self.batch + self.process.rank * share :][:share].tolist()
            given = [_of_rows(term, rows, view).parts for term in self.terms]
            return self.recipe.make(self.photos.train, rows, view), given

        for images, given in prefetch(read, range(done, self.steps_an_epoch), threads=threads):
            torch.manual_seed(hash((self.recipe.seed, self.step, self.process.rank)))
            images = normalise(images.to(device), *self.statistics).to(memory_format=torch.channels_last)
            yield images, [tuple(on_device(part, device) for part in parts) for parts in given]

    def count(self, losses, seconds):
        """Count the step, its losses and its time."""
        if self.step % self.steps_an_epoch == 0:
            self.sums, self.seconds = torch.zeros_like(self.sums), 0.0
        values = torch.stack(losses).detach()
        weights = torch.tensor([term.weight for term in self.terms], device=values.device)
        self.sums += torch.cat([values, (weights * values).sum()[None]])
        self.seconds += seconds
        self.step += 1

    def end_epoch(self, threads):
        """A row for the log: mean losses, validation accuracy, speed."""
        epoch = self.step // self.steps_an_epoch
        means = (self.process.sum(self.sums) / self.process.world / self.steps_an_epoch).tolist()
        names = [*(term.name for term in self.terms), "total"]
        if not torch.tensor(means).isfinite().all():
            advice = "try a lower learning rate, or float32"
            raise FloatingPointError(f"the loss is not finite in epoch {epoch}; {advice}")
        check_finite(self.objective, f"after epoch {epoch}")
        logits = evaluate(self.student, self.photos.validation, self.recipe.size, self.process, threads)
        self.rows.append(
            {"epoch": epoch, "step": self.step, "learning rate": self.schedule.get_last_lr()[0],
             **dict(zip(names, means)), "accuracy, %": accuracy(logits, self.photos.validation.labels),
             "images/s": self.batch * self.steps_an_epoch / self.seconds, "seconds": self.seconds}
        )  # fmt: skip


def _of_rows(term, rows, view):
    """The term with targets and labels of these images only, at this view if it knows views."""
    targets = term.targets[rows] if torch.is_tensor(term.targets) else term.targets[rows, view]
    return replace(term, targets=targets, labels=None if term.labels is None else term.labels[rows])
