"""The report in words: the verdict first, then what to know before the student is used, then the rest."""

import platform
import re
import shlex
import sys
import textwrap
from pathlib import Path

import torch

import kdlab
from kdlab.metrics import accuracy_interval
from kdlab.names import in_markdown, literal
from kdlab.photos.export import how_to_use
from kdlab.photos.pictures import MOST_CLASSES, SHOWN, most_confused
from kdlab.photos.settings import OPTIONS

COLUMNS = {  # of the table of costs: what is said of a student that has less of it, and more
    "ms, batch 1": ("answers one photo {} times faster", "answers one photo {} times more slowly"),
    "parameters": ("has {} times fewer weights", "has {} times more weights"),
    "kB on disk": ("takes {} times fewer bytes", "takes {} times more bytes"),
    "million MACs": ("needs {} times fewer multiply-adds", "needs {} times more multiply-adds"),
}


def verdict(outcome):
    """The first line: what came of the comparison, or why there is none."""
    result, arms = outcome.result, list(outcome.result.scores)
    if len(arms) == 1:
        why = (
            "with --baseline, a teacher and 3 seeds there would be"
            if outcome.teacher
            else "there is no teacher"
        )
        return f"No verdict, as nothing was compared ({why}): {_levels(result)}."
    found = result.estimate(arms[-1])
    about = "distilling " if found.word in ("helps", "hurts") else ""
    return f"Verdict: {about}{found.told()}: {_levels(result)}."


def _levels(result):
    levels = ", ".join(f"{arm} {sum(scores) / len(scores):.1f} %" for arm, scores in result.scores.items())
    seeds = f"mean of {result.seeds} seeds" if result.seeds > 1 else "one seed"
    return f"{levels} of the validation photos, {seeds}"


def warnings_of(outcome):
    """What a reader should know before the student is used, a sentence each."""
    labels, arms = outcome.photos.validation.labels, list(outcome.result.scores)
    told, one = [], 100 / len(labels)
    mine = outcome.answers[arms[-1]]
    shares = {arm: accuracy_interval(logits, labels) for arm, logits in outcome.answers.items()}
    reached, low, high = shares[arms[-1]]
    told.append(
        f"The student in student/ answers {reached:.1f} % of {len(labels)} validation photos right. For "
        f"other photos of this kind the 95 % interval is {low:.0f} to {high:.0f} %; one photo is "
        f"{one:.1f} points."
    )
    if len(arms) > 1:
        if shares[arms[0]][0] > reached:
            told.append(
                f"The student of hard labels beside it, from the same weights, did better: "
                f"{shares[arms[0]][0]:.1f} %. It is in hard-labels/."
            )
        if one > outcome.result.margin:
            told.append(
                f"One photo is more than the margin of {outcome.result.margin:g} points: "
                f"a verdict about so few photos is coarse."
            )
        if outcome.result.seeds > 1:
            told.append(
                "All pairs share these photos: their interval is about seeds, not about other photos."
            )
    if "teacher" in shares:
        told += _weak_teacher(outcome, shares["teacher"], mine)
    return told + [outcome.facts[key] for key in ("remark",) if key in outcome.facts]


def _weak_teacher(outcome, teacher, mine):
    """Why this teacher can hardly help, if so."""
    labels, hard = outcome.photos.validation.labels, outcome.result.scores.get("hard labels")
    told = [line] if (line := no_better_than_chance(teacher, labels)) else []
    if hard and teacher[0] <= sum(hard) / len(hard):
        told.append(
            f"The teacher answers {teacher[0]:.1f} % right, students of hard labels "
            f"{sum(hard) / len(hard):.1f} %: a teacher that is no better has little to teach."
        )
    elif not hard and teacher[0] <= 100 * (mine.argmax(1) == labels).double().mean():
        told.append(f"The teacher answers {teacher[0]:.1f} % right, no more than its student.")
    return told


def no_better_than_chance(reached, labels):
    """A sentence if an accuracy with its interval is not above that of one answer to everything; else ''."""
    chance = 100 * labels.bincount().max().item() / len(labels)
    if reached[1] > chance:
        return ""
    return (
        f"The teacher answers {reached[0]:.1f} % of {len(labels)} photos right (95 % interval "
        f"{reached[1]:.0f} to {reached[2]:.0f} %); always naming the commonest class is right in "
        f"{chance:.1f} %. Are its classes those of the photos, in the same order?"
    )


def ratios(cost):
    """How the student compares with the teacher, in words; '' without one."""
    if "teacher" not in cost.index:
        return ""
    found = []
    for column, (better, worse) in COLUMNS.items():
        ratio = cost.loc["teacher", column] / cost.loc["student", column]
        times = max(ratio, 1 / ratio)
        if times >= 1.05:
            told = better if ratio > 1 else worse
            found.append(told.format(f"{times:.1f}" if times < 10 else f"{times:.0f}"))
    return f"Beside the teacher, the student {', '.join(found) or 'costs the same'}."


def of_the_cache(facts, epochs):
    """Sentences about the teacher's answers, as far as they were measured."""
    told = []
    if "cache, MB" in facts:
        told.append(f"The teacher's answers to all views take {facts['cache, MB']:.3g} MB on disk.")
    if "ms an answer" in facts:
        told.append(f"One answer took {facts['ms an answer']:.3g} ms.")
    if "break-even epoch" in facts:
        told.append(
            f"From epoch {facts['break-even epoch']:.1f} on, asking once and looking up has cost less than "
            f"asking the teacher in every epoch; this run had {epochs}."
        )
    if "largest error, logits" in facts:
        told.append(
            f"Asked again about a sample, the teacher differed by at most "
            f"{facts['largest error, logits']:.2g} from the stored logits."
        )
    return " ".join(told)


def fenced(text, language=""):
    """A block of code, whatever backticks it holds."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def command(settings):
    """How to make this run again: the command it was started by, or the call."""
    if Path(sys.argv[0]).name in ("kdlab", "__main__.py") and sys.argv[1:2] in (["distill"], ["train"]):
        return literal(shlex.join(["kdlab", *sys.argv[1:]])), "sh"
    given = {k: v for k, v in settings.items() if v != OPTIONS[k].metadata["unset"] and k != "resume"}
    told = "".join(f"    {key}={literal(ascii(value))},\n" for key, value in given.items())
    return f"from kdlab.run import run\n\nrun(\n{told})", "python"


def model_card(outcome, name):
    """The card beside the student's weights, as a list with a heading."""
    settings, photos, arm = outcome.facts["settings"], outcome.photos, list(outcome.result.scores)[-1]
    teacher = "none"
    if outcome.teacher:
        teacher = f"{in_markdown(outcome.teacher.name)}, {outcome.facts['teacher, %']:.1f} %"
    seed, more = outcome.recipe.seed, ", ..." if len(photos.classes) > 20 else ""
    classes = ", ".join(map(in_markdown, photos.classes[:20]))
    reached, low, high = accuracy_interval(outcome.answers[arm], photos.validation.labels)
    kept = "the whole photo" if photos.crop == 1 else f"the middle {photos.crop:.1%} of the shorter side"
    return f"""# {in_markdown(name)}, {arm}

- classes: {len(photos.classes)} ({classes}{more})
- input: {outcome.recipe.size} px, {kept}, bilinear, normalised as in `config.json`
- photos: {in_markdown(settings["data"])}, {len(photos.train)} to train, {len(photos.validation)} to validate
- teacher: {teacher}
- matched: {", ".join(f"{k} {v:g}" for k, v in settings["match"].items())}
- accuracy: {reached:.1f} % of the validation photos (95 % interval {low:.0f} to {high:.0f} %), seed {seed}, \
last epoch
- made with kdlab {kdlab.__version__}, torch {torch.__version__}, Python {platform.python_version()}
- licence: that of the photos and of the teacher's weights applies; kdlab adds none
"""


def table(frame):
    """A data frame as a Markdown table."""
    rows = [["", *map(in_markdown, frame.columns)], ["---"] * (1 + len(frame.columns))]
    rows += [[in_markdown(index), *(in_markdown(v if isinstance(v, str) else f"{v:,}") for v in row)]
             for index, *row in frame.itertuples()]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _bullets(lines):
    return "\n".join(f"- {line}" for line in lines)


def whole(outcome, name, card, found):
    """The report as Markdown.

    ``found`` holds what could be made: ``"cost"``, a frame; ``"matrix"``, counts; ``"examples"``, groups as
    in :func:`kdlab.photos.pictures.examples`; ``"curves"`` and ``"onnx"``, whether they are there; and
    ``"remarks"``.
    """
    photos, result, size = outcome.photos, outcome.result, outcome.recipe.size
    settings = outcome.facts["settings"]
    parts = [f"**{verdict(outcome)}**", f"# {in_markdown(name)} on {in_markdown(settings['data'])}"]
    parts += ["## Before you use it", _bullets(warnings_of(outcome))]
    if len(result.scores) > 1:
        parts += ["## The comparison", textwrap.indent(str(result), "    "), table(result.table())]
    if found["curves"]:
        parts += [
            "## Learning curves", "![validation accuracy over epochs](curves.png)",
            "A curve that still rises at its end asks for more epochs. The student of the last epoch counts: "
            "validation photos choose nothing.",
        ]  # fmt: skip
    if "matrix" in found:
        parts += ["## Confusion", *_confusion(found["matrix"], photos.classes)]
    if "examples" in found:
        parts += ["## What got better, and what worse", *_examples(found["examples"], photos)]
    if "cost" in found:
        cost = found["cost"]
        parts += [
            f"## Cost, on {cost.attrs['threads']} CPU threads at {size} px",
            ratios(cost),
            table(cost.round(2).T),
        ]
    if told := of_the_cache(outcome.facts, outcome.recipe.epochs):
        parts += ["## The teacher's answers", told]
    torch_code, onnx_code = how_to_use(name, photos.train.read(0).shape[0])
    parts += ["## How to use the student", "In the folder of this report:", fenced(torch_code, "python")]
    parts += ["The ONNX file takes the same photo:", fenced(onnx_code, "python")] if found["onnx"] else []
    parts += ["The file answers as it was evaluated here. Transparent photos were laid on white first."]
    parts += (
        ["## What could not be made", _bullets(map(in_markdown, found["remarks"]))]
        if found["remarks"]
        else []
    )
    parts += [
        "## How it was made",
        fenced(*command(settings)),
        card.partition("\n")[2].strip(),
        _again(outcome),
    ]
    told = [in_markdown(line) for line in (*photos.notes, *(f"bad: {n}: {why}" for n, why in photos.bad))]
    parts += ["## The photos", _bullets(told)] if told else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _again(outcome):
    return (
        "On a processor of the same kind, with the same number of threads and the same versions, the command "
        "gives the same weights bit for bit; elsewhere other ones, and scores that differ as those of other "
        f"seeds do. Trained by {torch.get_num_threads()} threads on {platform.machine()}. All settings stand "
        "in `run.json`, what decides in `runs/identity.json`."
    )


def _confusion(matrix, classes):
    parts = ["![share of each true class answered as each class](confusion.png)"] * (
        len(classes) <= MOST_CLASSES
    )
    named = [
        f"{in_markdown(a)} answered as {in_markdown(b)}: {n}" for a, b, n in most_confused(matrix, classes)
    ]
    found = "Confused most often:\n\n" + _bullets(named) if named else "No validation photo is confused."
    return [*parts, found, "All counts are in `confusion.csv`."]


def _examples(groups, photos):
    parts = ["![photos of each kind](examples.png)"]
    for title, rows, captions in groups:
        first = rows[:SHOWN]
        shown = [
            f"{in_markdown(photos.validation.names[i])}: {in_markdown('; '.join(captions[i]))}" for i in first
        ]
        more = f" The first {SHOWN}:" if len(rows) > SHOWN else ""
        parts += [f"{title}: {len(rows)} of {len(photos.validation)}.{more}", _bullets(shown)]
    return parts
