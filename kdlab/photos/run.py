"""From a teacher, photos and a student's name to a trained student with a report: ``kdlab distill``."""

import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch

from kdlab.files import check_folder
from kdlab.hub import stop_waiting_for_the_hub
from kdlab.models import create_student
from kdlab.photos.adapt import adapt as adapt_teacher
from kdlab.photos.adapt import validation_accuracy
from kdlab.photos.cache import open_cache
from kdlab.photos.evaluation import evaluate
from kdlab.photos.loading import GIGABYTE, load_photos
from kdlab.photos.matching import check_names, outputs_for, terms
from kdlab.photos.parallel import processes
from kdlab.photos.report import write_report
from kdlab.photos.settings import GROUPS, Recipe, split, unset, with_options
from kdlab.photos.training import fit
from kdlab.teachers import open_teacher
from kdlab.verdicts import Result

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
    out, with_teacher = Path(asked.out), teaching.teacher is not None
    match = teaching.match or ({"hard": 0.1, "soft": 0.9} if with_teacher else {"hard": 1.0})
    check_names(match)
    if running.seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {running.seeds}")
    if not with_teacher and set(match) != {"hard"}:
        raise ValueError(f"{', '.join(match)} need a teacher; without one there is only hard")
    with processes(running.device) as process:
        how = _Context(process, running.threads, running.progress and process.first)
        if process.first:
            check_folder(out, needed=STUDENT_BYTES)
            if (out / "runs").exists() and not running.resume:
                raise ValueError(f"{out} holds a run already: go on by --resume, or give another --out")
        process.wait()
        found = open_teacher(teaching.teacher, architecture=teaching.architecture) if with_teacher else None
        if recipe["precision"] == "auto":
            recipe["precision"] = best_precision(process.device)
        recipe["size"] = recipe["size"] or (found.input_size if found else 224)
        recipe = Recipe(**recipe)
        to_student = dict(asked.student_options or {}) | ({"pretrained": True} if asked.pretrained else {})
        channels = found.in_chans if found else to_student.pop("in_chans", 3)
        photos = load_photos(
            asked.data, size=recipe.size, channels=channels, share=asked.share, seed=recipe.view_seed,
            budget=asked.memory * GIGABYTE, threads=running.threads or 1, progress=how.progress,
        )  # fmt: skip
        how.say(
            f"{len(photos.classes)} classes, {len(photos.train)} photos to train on, "
            f"{len(photos.validation)} to validate"
        )
        for note in photos.notes:
            how.say(note)

        def new_student(seed):
            if to_student.get("pretrained"):
                stop_waiting_for_the_hub()
            torch.manual_seed(seed)
            try:
                return create_student(
                    asked.student, num_classes=len(photos.classes), in_chans=channels, **to_student
                )
            except OSError as error:
                raise OSError(
                    f"the weights of {asked.student!r} are neither here nor within reach"
                ) from error

        blank = torch.zeros(2, channels, recipe.size, recipe.size)
        _try(
            f"student {asked.student!r}", new_student(recipe.seed).eval(), blank
        )  # a misspelt name ends here
        settings, answers = {**_plain(options), "match": match}, None
        facts = {"settings": settings, "notes": photos.notes, "bad images": photos.bad}
        if found:
            found = _fitted(
                found, photos, recipe, teaching.adapt, out / "runs" / "teacher", running.resume, how, facts
            )
            if set(match) != {"hard"}:
                outputs, folder = (
                    outputs_for(match, teaching.teacher_layer),
                    Path(teaching.cache or out / "cache"),
                )
                answers = _answers(found, photos, recipe, folder, outputs, teaching.verify, how, facts)
        arms = {HARD: {"hard": 1.0}} if teaching.baseline or not answers else {}
        if answers:
            arms[DISTILLED] = match

        def targets(weights):
            return terms(
                weights, photos.train.labels, answers, temperature=teaching.temperature,
                smoothing=recipe.smoothing, teacher_layer=teaching.teacher_layer,
                student_layer=teaching.student_layer,
            )  # fmt: skip

        result = Result(
            next(iter(arms)), {arm: [] for arm in arms}, "validation accuracy, %", planned=running.seeds
        )
        outcome = Outcome(result, {}, None, found, photos, recipe, facts)
        for seed in range(recipe.seed, recipe.seed + running.seeds):
            for arm, weights in arms.items():
                network, folder = new_student(seed), out / "runs" / f"{arm.replace(' ', '-')}-{seed}"
                rows = fit(
                    network, photos, targets(weights), folder, replace(recipe, seed=seed),
                    resume=running.resume, every=running.every, others=(asked, teaching), **how.options(),
                )  # fmt: skip
                how.say(f"{arm}, seed {seed}: {rows[-1]['accuracy, %']:.1f} % of the validation photos")
                outcome.logs[arm, seed] = rows
                result.scores[arm].append(rows[-1]["accuracy, %"])
                if seed == recipe.seed:
                    outcome.student = network  # that of the last arm stays
        outcome.logits = evaluate(outcome.student, photos.validation, recipe.size, process, running.threads)
        if process.first:
            for line in write_report(outcome, out, name=asked.student, options=to_student):
                how.say(line)
        process.wait()
        return outcome


def best_precision(device):
    """bfloat16 on a GPU that has it, float16 on other GPUs, float32 on a CPU."""
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def _plain(options):
    """What was asked for, for the record, without what was left to its default of None."""
    every = {f.name: unset(f) for group in GROUPS for f in fields(group)} | options
    return {k: str(v) if isinstance(v, Path) else v for k, v in every.items() if v is not None}


@dataclass(frozen=True)
class _Context:
    """Who computes, with how many threads, and whether anybody watches."""

    process: object
    threads: int
    progress: bool

    def options(self):
        return {"process": self.process, "threads": self.threads, "progress": self.progress}

    def say(self, text):
        if self.progress:
            print(text, flush=True)


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
