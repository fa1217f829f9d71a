"""The long run: a student on photos, matched to cached answers; killed at any moment, it goes on."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from kdlab import losses
from kdlab.checkpoints import load_run, save_run
from kdlab.distill import _build_projectors, _layers, _look, check_match
from kdlab.evaluation import evaluate, statistics
from kdlab.metrics import accuracy
from kdlab.parallel import Process
from kdlab.views import ahead, normalise, training_views

# The value of these depends on which rows stand together in a batch.
OVER_THE_BATCH = {
    losses.correlation_loss, losses.probabilistic_transfer_loss, losses.relational_angle_loss,
    losses.relational_distance_loss, losses.similarity_preserving_loss,
}  # fmt: skip
OPTIMISERS = {
    "adamw": torch.optim.AdamW,
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
SCHEDULES = {
    "one-cycle": lambda o, rate, steps: torch.optim.lr_scheduler.OneCycleLR(o, rate, steps + 1),
    "cosine": lambda o, rate, steps: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps),
}
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Recipe:
    """How to train. Two runs with the same recipe, terms and photos are the same run.

    ``batch_size`` is that of all processes together. One of ``views`` is shown an epoch, in turn;
    ``view_seed``, ``area`` and ``flip`` fix what they show (:func:`kdlab.views.training_views`).
    """

    size: int
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 0.002
    optimiser: str = "adamw"
    schedule: str = "one-cycle"
    weight_decay: float = 0.02
    views: int = 8
    view_seed: int = 0
    area: float = 0.35
    flip: float = 0.5
    seed: int = 0
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self):
        known = {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "precision": PRECISIONS}
        for name, there in known.items():
            if getattr(self, name) not in there:
                raise ValueError(f"{name} is {getattr(self, name)!r}; there are {', '.join(there)}")
        for name in ("size", "epochs", "batch_size", "views"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip must lie between 0 and 1, got {self.flip}")

    def make(self, part, images, view):
        """View ``view`` of these images of a part, uint8."""
        how = {"size": self.size, "seed": self.view_seed, "area": self.area, "flip": self.flip}
        return training_views(part, images, view, **how)

    def transform(self):
        """What :meth:`make` does, in words."""
        flip = "flip" if self.flip == 0.5 else f"flip of {self.flip:g}"
        return f"random crop of {self.area:g} to 1, {flip}, {self.size} px, seed {self.view_seed}"


def fit(
    student, photos, match, folder, recipe, *,
    resume=False, every=600.0, process=None, threads=1, progress=False,
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
    match : list of kdlab.distill.Term
        With a row of targets an image of ``photos.train``, or a :class:`kdlab.cache.Column`.
    folder : path
    recipe : Recipe
    resume : bool
        Go on from the folder's checkpoint, if there is one.
    every : float
        Seconds between checkpoints within an epoch.
    process : kdlab.parallel.Process, optional
    threads : int
        That prepare batches while the student trains; 0: the training thread does it.
    progress : bool

    Returns
    -------
    list of dict
        A row an epoch: losses before weighting, their weighted total, validation accuracy, images/s.

    Raises
    ------
    ValueError
        Before training, if targets do not fit, or the checkpoint is of another run.
    FloatingPointError
        After an epoch in which a loss was not finite; the checkpoint before it stays.
    """
    process, folder = process or Process(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(student.to(process.device), photos, match, recipe, process)
    if resume:
        load_run(run, folder)
    bar = _bar(run, progress and process.first)
    saved = time.monotonic()
    try:
        while run.step < run.steps:
            epoch, done = divmod(run.step, run.steps_an_epoch)
            run.model.train()
            tick = time.perf_counter()
            steps = range(done, run.steps_an_epoch)
            for images, terms in ahead(run.batches(epoch), steps, threads=threads):
                values, total = run.losses(images, terms)
                run.update(total)
                run.add(values, time.perf_counter() - tick)
                tick = time.perf_counter()
                bar.update(run.batch)
                if run.step % run.steps_an_epoch and time.monotonic() - saved > every:
                    saved = save_run(run, folder)
            run.end_epoch(epoch, threads)
            bar.set_postfix({k: f"{v:.3g}" for k, v in run.rows[-1].items() if k not in _NOT_SHOWN})
            saved = save_run(run, folder)
    finally:
        bar.close()
    student.eval().to(memory_format=torch.contiguous_format)
    return run.rows


_NOT_SHOWN = ("epoch", "step", "learning rate", "images/s", "seconds")


def _bar(run, shown):
    from tqdm.auto import tqdm

    photos = run.steps * run.batch
    return tqdm(
        total=photos, initial=run.step * run.batch, desc="training", unit="photo", unit_scale=True,
        disable=not shown, leave=False,
    )  # fmt: skip


class Run:
    """The student with everything that trains it: what a checkpoint holds, and one step."""

    def __init__(self, student, photos, match, recipe, process):
        self.student, self.photos, self.match = student, photos, match
        self.recipe, self.process = recipe, process
        self.batch = min(recipe.batch_size, len(photos.train)) // process.world * process.world
        if self.batch == 0:
            raise ValueError(f"{process.world} processes cannot share a batch of {recipe.batch_size} photos")
        looked_at = {term.name for term in match if term.of != "logits"}
        if recipe.compile and looked_at:  # hooks are new in each step, and so would be the compiled code
            raise ValueError(f"compile works where only logits are matched, not with {', '.join(looked_at)}")
        self.steps_an_epoch = len(photos.train) // self.batch
        self.steps = recipe.epochs * self.steps_an_epoch
        rows = [0, min(1, len(photos.train) - 1)]
        first = recipe.make(photos.train, rows, 0).to(process.device)
        self.statistics = statistics(student, first.shape[1])
        images = normalise(first, *self.statistics)
        check_match(student, images, [_of_rows(term, rows, 0) for term in match])
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            projectors = _build_projectors(student, images, match, _layers(match))
        self.sides = _Sides(student, match, projectors).to(memory_format=torch.channels_last)
        weights = [*self.sides.parameters()]
        groups = [{"params": [p for p in weights if p.ndim > 1]},
                  {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
        self.optimiser = OPTIMISERS[recipe.optimiser](
            groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.schedule = SCHEDULES[recipe.schedule](self.optimiser, recipe.learning_rate, self.steps)
        self.scaler = torch.amp.GradScaler(process.device.type, enabled=recipe.precision == "float16")
        self.model = self._shared_by_all()
        self.step, self.rows = 0, []
        self.sums, self.seconds = torch.zeros(len(match) + 1, device=process.device), 0.0

    def _shared_by_all(self):
        model = torch.compile(self.sides) if self.recipe.compile else self.sides
        if self.process.world == 1:
            return model
        on_gpu = self.process.device.type == "cuda"
        if on_gpu:  # on CPUs there is no such layer: each process's share is normalised by itself
            nn.SyncBatchNorm.convert_sync_batchnorm(self.sides)
        return nn.parallel.DistributedDataParallel(
            model, device_ids=[self.process.device] if on_gpu else None,
            find_unused_parameters=all(term.of != "logits" for term in self.match),
        )  # fmt: skip

    def batches(self, epoch):
        """A function from a step of this epoch to this process's images, and the terms of these alone."""
        random = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + epoch)
        order, view = torch.randperm(len(self.photos.train), generator=random), epoch % self.recipe.views
        share = self.batch // self.process.world

        def prepare(step):
            rows = order[step * self.batch + self.process.rank * share :][:share].tolist()
            images = self.recipe.make(self.photos.train, rows, view)
            return images, [_of_rows(term, rows, view) for term in self.match]

        return prepare

    def losses(self, images, match):
        """Each term's loss of a batch, detached, and the weighted total to differentiate."""
        device, dtype = self.process.device, PRECISIONS[self.recipe.precision]
        torch.manual_seed(hash((self.recipe.seed, self.step, self.process.rank)))
        images = normalise(images.to(device), *self.statistics).to(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype) if dtype else nullcontext():
            sides = self.model(images)
        values, total = [], 0.0
        for term, side in zip(match, sides):
            side, target, share = side.float(), term.targets.to(device), 1
            if getattr(term.loss, "func", term.loss) in OVER_THE_BATCH and self.process.world > 1:
                side, target, share = *map(self.process.gather, (side, target)), self.process.world
            values.append(
                term.loss(side, target, *(() if term.labels is None else (term.labels.to(device),)))
            )
            total = total + share * term.weight * values[-1]
        return torch.stack(values).detach(), total

    def update(self, total):
        """One step of the optimiser and of its schedule."""
        self.optimiser.zero_grad()
        self.scaler.scale(total).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()

    def add(self, values, seconds):
        """Count the step, its losses and its time."""
        if self.step % self.steps_an_epoch == 0:
            self.sums, self.seconds = torch.zeros_like(self.sums), 0.0
        weights = torch.tensor([term.weight for term in self.match], device=values.device)
        self.sums += torch.cat([values, (weights * values).sum()[None]])
        self.seconds += seconds
        self.step += 1

    def end_epoch(self, epoch, threads):
        """A row for the log: mean losses, validation accuracy, speed."""
        means = (self.process.sum(self.sums) / self.process.world / self.steps_an_epoch).tolist()
        names = [*(term.name for term in self.match), "total"]
        if not torch.tensor(means).isfinite().all():
            raise FloatingPointError(
                f"the loss is not finite in epoch {epoch + 1}; try a lower learning rate, or float32"
            )
        logits = evaluate(self.student, self.photos.validation, self.recipe.size, self.process, threads)
        self.rows.append(
            {"epoch": epoch + 1, "step": self.step, "learning rate": self.schedule.get_last_lr()[0],
             **dict(zip(names, means)), "accuracy, %": accuracy(logits, self.photos.validation.labels),
             "images/s": self.batch * self.steps_an_epoch / self.seconds, "seconds": self.seconds}
        )  # fmt: skip


def best_precision(device):
    """bfloat16 on a GPU that has it, float16 on other GPUs, float32 on a CPU."""
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


class _Sides(nn.Module):
    """Student and projectors as one module, for DDP to see every weight: images in, sides to match out."""

    def __init__(self, student, match, projectors):
        super().__init__()
        self.student, self.projectors, self.match, self.layers = student, projectors, match, _layers(match)

    def forward(self, images):
        outputs, projectors = _look(self.student, images, self.layers), iter(self.projectors)
        sides = [term.look(outputs) for term in self.match]
        return [next(projectors)(s) if t.projector is not None else s for s, t in zip(sides, self.match)]


def _of_rows(term, rows, view):
    """The term with targets and labels of these images only, at this view if it knows views."""
    targets = term.targets[rows] if torch.is_tensor(term.targets) else term.targets[rows, view]
    return replace(term, targets=targets, labels=None if term.labels is None else term.labels[rows])
