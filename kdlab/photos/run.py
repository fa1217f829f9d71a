"""From a teacher, photos and a student's name to a trained student with a report: ``kdlab distill``."""

import sys
import time
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from kdlab.files import check_folder
from kdlab.metrics import accuracy_interval
from kdlab.names import digest_of
from kdlab.photos.adapt import adapt
from kdlab.photos.cache import open_cache
from kdlab.photos.decoding import no_warnings_of_images
from kdlab.photos.evaluation import evaluate
from kdlab.photos.identity import (
    alone,
    begun,
    how_to_go_on,
    identity_of_run,
    keep_identity,
    refuse_another_run,
)
from kdlab.photos.loading import GIGABYTE, load_photos
from kdlab.photos.matching import outputs_for, terms
from kdlab.photos.parallel import Process, processes
from kdlab.photos.report import write_report
from kdlab.photos.settings import Recipe, identity_of, split, with_options
from kdlab.photos.students import new_student, try_networks
from kdlab.photos.training import fit
from kdlab.photos.wording import no_better_than_chance
from kdlab.teachers import open_teacher
from kdlab.verdicts import Result

HARD, DISTILLED = "hard labels", "distilled"
STUDENT_BYTES = 50 * 10**6  # a checkpoint and a student, where a cache is not the larger part


@dataclass
class Outcome:
    """What a run found: the verdict, and the logs by arm and seed.

    Of the first seed ``students`` has the networks by arm, and ``answers`` their logits for the validation
    photos, and the teacher's.
    """

    result: Result
    logs: dict
    teacher: object
    photos: object
    recipe: Recipe
    facts: dict = field(default_factory=dict)
    students: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)

    @property
    def student(self):
        """The student of the last arm: the distilled one, where there is a teacher."""
        return next(reversed(self.students.values()))


@with_options
def run(**options):
    """Distil a teacher into a student on photos; write student, report and logs into ``out``.

    Parameters
    ----------
    <options>

    Returns
    -------
    Outcome

    Raises
    ------
    TypeError
        If an option is unknown or missing.
    ValueError, OSError
        In one line, before training; see ``docs/distill.md``.
    """
    asked, teaching, recipe, running = split(options)
    match = _match(teaching)
    settings = vars(asked) | vars(teaching) | recipe | vars(running) | {"match": match}
    out = Path(asked.out)
    with ExitStack() as held, processes(running.device) as process, _told_how_to_go_on(out):
        held.enter_context(no_warnings_of_images())
        context = _Context(process, running.threads, running.progress and process.first)
        if process.first:
            check_folder(out, needed=STUDENT_BYTES)
            held.enter_context(alone(out))
            if begun(out / "runs") and not running.resume:
                raise ValueError(f"{out} holds a run already: go on by --resume, or give another --out")
            given = {key: value for key, value in recipe.items() if value not in (None, "auto")}
            same = identity_of(asked, replace(teaching, match=match), running) | given
            refuse_another_run(out / "runs", same)  # before anything is opened, if that can be told
        process.wait()
        teacher, facts, answers = None, {}, None
        if teaching.teacher is not None:
            teacher = open_teacher(teaching.teacher, architecture=teaching.architecture)
        recipe = _recipe(recipe, teacher, process.device)
        model = {"in_chans": teacher.in_chans if teacher else 3} | (asked.student_options or {})
        model |= {"pretrained": True} if asked.pretrained else {}
        channels = teacher.in_chans if teacher else model["in_chans"]
        try_networks(asked.student, model, teacher, match, teaching, recipe, channels)
        photos = _photos(asked, recipe, channels, context)
        if process.world > (fewest := min(len(photos.train), len(photos.validation))):
            raise ValueError(f"{process.world} processes cannot share {fewest} photos")
        model["num_classes"] = len(photos.classes)
        student_of = partial(new_student, asked.student, model)
        student = student_of(recipe.seed)
        identity = identity_of_run(
            identity_of(asked, replace(teaching, match=match), recipe, running), photos=photos,
            teacher=digest_of(teacher.network) if teacher else "none", student=digest_of(student),
            processes=process.world,
        )  # fmt: skip
        settings = {name: value for name, value in settings.items() if value is not None}
        facts |= {"settings": settings, "notes": photos.notes, "bad images": photos.bad}
        if process.first:
            planned = keep_identity(out / "runs", identity, running.seeds)
            if planned != running.seeds:
                facts["remark"] = f"{planned} pairs were planned when the run began; now {running.seeds}."
        process.wait()
        if teacher:
            teacher = _fitted(teacher, photos, recipe, teaching.adapt, out, running, identity, context, facts)
            if set(match) != {"hard"}:
                answers = _answers(teacher, photos, recipe, teaching, match, out, context, facts)
        arms = {HARD: {"hard": 1.0}} if teaching.baseline or not answers else {}
        if answers:
            arms[DISTILLED] = match
        scores = {arm: [] for arm in arms}
        result = Result(
            next(iter(arms)), scores, "validation accuracy, %", planned=running.seeds, margin=running.margin
        )
        outcome = Outcome(result, {}, teacher, photos, recipe, facts)
        for seed in range(recipe.seed, recipe.seed + running.seeds):
            for arm, weights in arms.items():
                targets = terms(
                    weights, photos.train.labels, answers, temperature=teaching.temperature,
                    smoothing=recipe.smoothing, teacher_layer=teaching.teacher_layer,
                    student_layer=teaching.student_layer,
                )  # fmt: skip
                folder = out / "runs" / f"{arm.replace(' ', '-')}-{seed}"
                _train(outcome, arm, seed, student_of(seed), targets, folder, running, identity, context)
            result.seed_list.append(seed)
        networks = {"teacher": teacher} if teacher else {}
        for name, network in {**networks, **outcome.students}.items():
            outcome.answers[name] = evaluate(
                network, photos.validation, recipe.size, process, running.threads
            )
        if process.first:
            for line in write_report(outcome, out, name=asked.student, options=model):
                context.say(line)
        process.wait()
        return outcome


def _train(outcome, arm, seed, network, targets, folder, running, identity, context):
    """Train one student, and put what comes of it into the outcome."""
    rows = fit(
        network, outcome.photos, targets, folder, replace(outcome.recipe, seed=seed), resume=running.resume,
        every=running.every, identity=identity, **context._asdict(),
    )  # fmt: skip
    reached = rows[-1]["accuracy, %"]
    context.say(f"{arm}, seed {seed}: {reached:.1f} % of the validation photos")
    outcome.logs[arm, seed] = rows
    outcome.result.scores[arm].append(reached)
    if seed == outcome.recipe.seed:
        outcome.students[arm] = network


@contextmanager
def _told_how_to_go_on(out):
    """An interrupt says that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"kdlab: stopped{how_to_go_on(out)}", file=sys.stderr)
        raise


class _Context(NamedTuple):
    """Who computes, with how many threads, and whether anybody watches."""

    process: Process
    threads: int
    progress: bool

    def say(self, text):
        if self.progress:
            print(text, flush=True)


def _match(teaching):
    """The weights of the terms, checked."""
    with_teacher = teaching.teacher is not None
    match = teaching.match or ({"hard": 0.1, "soft": 0.9} if with_teacher else {"hard": 1.0})
    if not with_teacher and set(match) != {"hard"}:
        raise ValueError(f"{', '.join(match)} need a teacher; without one there is only hard")
    return match


def _recipe(asked, teacher, device):
    """The recipe, with the size and the precision of which nothing was said."""
    size, precision = asked["size"], asked["precision"]
    if size is None:
        size = teacher.input_size if teacher else 224
    if precision == "auto":
        half = device.type == "cuda" and ("bfloat16" if torch.cuda.is_bf16_supported() else "float16")
        precision = half or "float32"
    return Recipe(**{**asked, "size": size, "precision": precision})


def _photos(asked, recipe, channels, context):
    """The photos, with what there is to say about them."""
    photos = load_photos(
        asked.data, size=recipe.size, channels=channels, share=asked.share, seed=recipe.view_seed,
        budget=asked.memory * GIGABYTE, threads=context.threads or 1, progress=context.progress,
    )  # fmt: skip
    counts = f"{len(photos.train)} photos to train on, {len(photos.validation)} to validate"
    for line in (f"{len(photos.classes)} classes, {counts}", *photos.notes):
        context.say(line)
    return photos


def _fitted(teacher, photos, recipe, way, out, running, identity, context, facts):
    """The teacher at the recipe's size, for the photos' classes, with its accuracy told."""
    teacher.to(context.process.device)
    teacher.input_size = recipe.size
    fitted = adapt(
        teacher, photos, recipe, way=way, folder=out / "runs" / "teacher", resume=running.resume,
        identity=identity, **context._asdict(),
    )  # fmt: skip
    logits = evaluate(fitted, photos.validation, recipe.size, context.process, context.threads)
    reached = accuracy_interval(logits, photos.validation.labels)
    facts["teacher, %"] = reached[0]
    context.say(f"teacher {fitted.name}: {reached[0]:.1f} % of the validation photos")
    if line := no_better_than_chance(reached, photos.validation.labels):
        context.say(line)
    return fitted


def _answers(teacher, photos, recipe, teaching, match, out, context, facts):
    """The teacher's cached answers, asked for where they are missing."""
    process, part, folder = context.process, photos.train, Path(teaching.cache or out / "cache")
    begin = partial(
        open_cache, folder, teacher, part, recipe.make, transform=recipe.transform(), views=recipe.views,
        classes=photos.classes, outputs=outputs_for(match, teaching.teacher_layer),
    )  # fmt: skip
    if process.first:
        check_folder(folder, needed=begin().bytes_missing)
    with alone(folder, wait=True, what="the cache") if process.first else nullcontext():
        process.wait()
        cache = begin()
        cache.write(
            teacher, part, recipe.make, rank=process.rank, world=process.world, threads=context.threads,
            progress=context.progress,
        )  # fmt: skip
        process.wait()
    size = facts["cache, MB"] = cache.bytes / 1e6
    context.say(f"the teacher's answers to {recipe.views} views of each photo: {size:.3g} MB in {folder}")
    if cache.answered:
        rows, start = list(range(min(64, cache.images))), time.perf_counter()
        for name in cache.shapes:
            cache.look_up(name, rows, 0)
        epoch = cache.break_even((time.perf_counter() - start) / len(rows))
        took = 1e3 * cache.seconds / cache.answered
        facts |= {"ms an answer": took, "break-even epoch": epoch}
        less = f"from epoch {epoch:.1f} on, asking once has cost less than asking always"
        context.say(f"an answer took {took:.2f} ms: {less}")
    if teaching.verify:
        error = facts["largest error, logits"] = cache.verify(teacher, part, recipe.make)
        context.say(f"verified: the largest error of a stored logit is {error:.2g}")
    return cache
