"""From a teacher, photos and a student's name to a trained student with a report: ``kdlab distill``."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from kdlab.adapt import adapt as adapt_teacher
from kdlab.adapt import validation_accuracy
from kdlab.cache import open_cache
from kdlab.evaluation import evaluate
from kdlab.files import check_folder
from kdlab.hub import stop_waiting_for_the_hub
from kdlab.matching import check_names, outputs_for, terms
from kdlab.models import create_student
from kdlab.parallel import processes
from kdlab.photos import GIGABYTE, load_photos
from kdlab.study import Result
from kdlab.teachers import open_teacher
from kdlab.train import Recipe, best_precision, fit

HARD, DISTILLED = "hard labels", "distilled"
STUDENT_BYTES = 50 * 10**6  # a checkpoint and a student, where a cache is not the larger part


@dataclass
class Outcome:
    """What a run found: the verdict, the logs by arm and seed, the student with its validation logits."""

    result: Result
    logs: dict
    student: torch.nn.Module
    teacher: object
    photos: object
    recipe: Recipe
    facts: dict = field(default_factory=dict)
    logits: torch.Tensor | None = None


def run(
    *, student, data, out, teacher=None, architecture=None, adapt="none", match=None, temperature=4.0,
    smoothing=0.0, teacher_layer=-1, student_layer=-1, student_options=None, baseline=False, seeds=1,
    resume=False, verify=False, cache=None, size=None, share=0.2, memory=4.0, threads=2, every=600.0,
    device=None, progress=True, **recipe,
):  # fmt: skip
    """Distil a teacher into a student on photos; write student, report and logs into ``out``.

    Parameters
    ----------
    student : str
        ``"tiny_cnn"`` or any timm name.
    data : path or str
        As in :func:`kdlab.photos.load_photos`.
    out : path
    teacher : str, optional
        As in :func:`kdlab.teachers.open_teacher`; without one the student learns hard labels.
    architecture : str, optional
        Of a teacher that is a plain checkpoint.
    adapt : str
        ``"none"``, ``"probe"`` or ``"finetune"``, see :func:`kdlab.adapt.adapt`.
    match : dict of str to float, optional
        Weights of the terms, see :func:`kdlab.matching.terms`; 0.1 hard and 0.9 soft by default.
    temperature, smoothing, teacher_layer, student_layer
        As there.
    student_options : dict, optional
        To the student: ``{"width": 16}``, ``{"pretrained": True}``, ...
    baseline : bool
        Train a hard-label student beside each distilled one, and give a verdict.
    seeds : int
        Students of each kind; seed 0's is the one that is saved.
    resume : bool
        Go on with what is in ``out``.
    verify : bool
        Ask the teacher again about a sample of the cache.
    cache : path, optional
        In place of ``out/cache``; runs with the same teacher, photos and views can share one.
    size : int, optional
        Side of the input in pixels; the teacher's by default.
    share : float
        Of each class, for validation, where the photos come unsplit.
    memory : float
        Gigabytes of decoded photos to keep.
    threads : int
    every : float
        Seconds between checkpoints within an epoch.
    device : str, optional
    progress : bool
    **recipe
        Further fields of :class:`kdlab.train.Recipe`: ``epochs``, ``batch_size``, ...; ``precision``
        is ``"auto"`` by default, half precision on a GPU.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError, OSError
        In one line, before training; see ``docs/distill.md``.
    """
    settings = _plain(dict(locals()))
    out, match = Path(out), match or ({"hard": 0.1, "soft": 0.9} if teacher else {"hard": 1.0})
    options = dict(student_options or {})
    check_names(match)
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    if teacher is None and set(match) != {"hard"}:
        raise ValueError(f"{', '.join(match)} need a teacher; without one there is only hard")
    with processes(device) as process:
        how = _How(process, threads, progress and process.first)
        if process.first:
            check_folder(out, needed=STUDENT_BYTES)
            if (out / "runs").exists() and not resume:
                raise ValueError(f"{out} holds a run already: go on by --resume, or give another --out")
        process.wait()
        found = open_teacher(teacher, architecture=architecture) if teacher else None
        if recipe.get("precision", "auto") == "auto":
            recipe["precision"] = best_precision(process.device)
        recipe = Recipe(size=size or (found.input_size if found else 224), **recipe)
        channels = found.in_chans if found else options.pop("in_chans", 3)
        photos = load_photos(
            data, size=recipe.size, channels=channels, share=share, seed=recipe.view_seed,
            budget=memory * GIGABYTE, threads=threads or 1, progress=how.progress,
        )  # fmt: skip
        how.say(
            f"{len(photos.classes)} classes, {len(photos.train)} photos to train on, "
            f"{len(photos.validation)} to validate"
        )
        for note in photos.notes:
            how.say(note)

        def new_student(seed):
            if options.get("pretrained"):
                stop_waiting_for_the_hub()
            torch.manual_seed(seed)
            try:
                return create_student(student, num_classes=len(photos.classes), in_chans=channels, **options)
            except OSError as error:
                raise OSError(f"the weights of {student!r} are neither here nor within reach") from error

        blank = torch.zeros(2, channels, recipe.size, recipe.size)
        _try(f"student {student!r}", new_student(recipe.seed).eval(), blank)  # a misspelt name ends here
        settings["match"], answers = match, None
        facts = {"settings": settings, "notes": photos.notes, "bad images": photos.bad}
        if found:
            found = _fitted(found, photos, recipe, adapt, out / "runs" / "teacher", resume, how, facts)
            if set(match) != {"hard"}:
                outputs, folder = outputs_for(match, teacher_layer), Path(cache or out / "cache")
                answers = _answers(found, photos, recipe, folder, outputs, verify, how, facts)
        arms = {HARD: {"hard": 1.0}} if baseline or not answers else {}
        if answers:
            arms[DISTILLED] = match

        def targets(weights):
            return terms(
                weights, photos.train.labels, answers, temperature=temperature, smoothing=smoothing,
                teacher_layer=teacher_layer, student_layer=student_layer,
            )  # fmt: skip

        result = Result(next(iter(arms)), {arm: [] for arm in arms}, "validation accuracy, %", planned=seeds)
        outcome = Outcome(result, {}, None, found, photos, recipe, facts)
        for seed in range(recipe.seed, recipe.seed + seeds):
            for arm, weights in arms.items():
                network, folder = new_student(seed), out / "runs" / f"{arm.replace(' ', '-')}-{seed}"
                rows = fit(
                    network, photos, targets(weights), folder, replace(recipe, seed=seed),
                    resume=resume, every=every, **how.options(),
                )  # fmt: skip
                how.say(f"{arm}, seed {seed}: {rows[-1]['accuracy, %']:.1f} % of the validation photos")
                outcome.logs[arm, seed] = rows
                result.scores[arm].append(rows[-1]["accuracy, %"])
                if seed == recipe.seed:
                    outcome.student = network  # that of the last arm stays
        outcome.logits = evaluate(outcome.student, photos.validation, recipe.size, process, threads)
        if process.first:
            from kdlab.report import write_report

            for line in write_report(outcome, out, name=student, options=options):
                how.say(line)
        process.wait()
        return outcome


@dataclass(frozen=True)
class _How:
    """Who computes, with how many threads, and whether anybody watches."""

    process: object
    threads: int
    progress: bool

    def options(self):
        return {"process": self.process, "threads": self.threads, "progress": self.progress}

    def say(self, text):
        if self.progress:
            print(text, flush=True)


def _plain(settings):
    """What was asked for, for the record, without what was left to its default of None."""
    flat = {**settings, **settings.pop("recipe")}
    return {k: str(v) if isinstance(v, Path) else v for k, v in flat.items() if v is not None}


def _try(what, network, blank):
    """Raise ValueError, in one line, if the network does not take images of this size."""
    try:
        with torch.no_grad():
            network(blank)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{what} does not take {blank.shape[-1]} px: {reason}") from error


def _fitted(teacher, photos, recipe, way, folder, resume, how, facts):
    """The teacher at the recipe's size, for the photos' classes, with its accuracy told."""
    device = how.process.device
    teacher.to(device)
    teacher.input_size = recipe.size
    blank = torch.zeros(2, teacher.in_chans, recipe.size, recipe.size, device=device)
    _try(f"teacher {teacher.name!r}", teacher.outputs, blank)
    fitted = adapt_teacher(teacher, photos, recipe, way=way, folder=folder, resume=resume, **how.options())
    reached = validation_accuracy(fitted, photos, recipe, how.process, how.threads)
    facts["teacher, %"] = reached
    how.say(f"teacher {fitted.name}: {reached:.1f} % of the validation photos")
    if reached < 200 / len(photos.classes):
        how.say("that is little above chance: are its classes those of the photos, in the same order?")
    return fitted


def _answers(teacher, photos, recipe, folder, outputs, verify, how, facts):
    """The teacher's cached answers, asked for where they are missing."""
    process, part = how.process, photos.train

    def begin():
        return open_cache(
            folder, teacher, part, recipe.make, transform=recipe.transform(), classes=photos.classes,
            views=recipe.views, outputs=outputs,
        )  # fmt: skip

    if process.first:
        begun = begin()
        check_folder(folder, needed=begun.bytes_missing)
    process.wait()
    cache = begin()
    cache.write(
        teacher, part, recipe.make, rank=process.rank, world=process.world, threads=how.threads,
        progress=how.progress,
    )  # fmt: skip
    process.wait()
    facts["cache, MB"] = cache.bytes / 1e6
    how.say(
        f"the teacher's answers to {recipe.views} views of each photo: {cache.bytes / 1e6:.1f} MB in {folder}"
    )
    if cache.answered:
        rows, start = list(range(min(64, cache.images))), time.perf_counter()
        for name in cache.shapes:
            cache.look_up(name, rows, 0)
        epoch = cache.break_even((time.perf_counter() - start) / len(rows))
        facts |= {"ms an answer": 1e3 * cache.seconds / cache.answered, "break-even epoch": epoch}
        how.say(
            f"an answer took {facts['ms an answer']:.2f} ms: from epoch {epoch:.1f} on, asking once "
            f"has cost less than asking always"
        )
    if verify:
        facts["largest error, logits"] = cache.verify(teacher, part, recipe.make)
        how.say(f"verified: the largest error of a stored logit is {facts['largest error, logits']:.2g}")
    return cache
