"""What a run leaves: the student in timm's own format, an ONNX file, curves, confusion, cost, a card."""

import json
import platform
import sys
from pathlib import Path

import torch

import kdlab
from kdlab import plots
from kdlab.compress import export_onnx
from kdlab.files import write_atomically
from kdlab.measure import cost_table
from kdlab.models import own_students
from kdlab.photos.evaluation import statistics

MOST_CLASSES = 30  # of which a confusion matrix can be read
TIMED_BATCH = 8


def write_report(outcome, out, *, name, options):
    """Write everything into ``out``; returns lines for the reader.

    Parameters
    ----------
    outcome : kdlab.run.Outcome
    out : path
    name, options
        Of the student, as :func:`kdlab.models.create_student` takes them.
    """
    out, network = Path(out), outcome.student.to("cpu").eval()
    photos, recipe = outcome.photos, outcome.recipe
    channels = photos.validation.read(0).shape[0]
    arguments = {"num_classes": len(photos.classes), "in_chans": channels, **options}
    folder = save_student(network, out / "student", name, arguments, photos.classes, recipe.size)
    images = torch.randn(TIMED_BATCH, channels, recipe.size, recipe.size)
    remarks = [export(network, images, out / "student.onnx")]
    models = {"teacher": outcome.teacher.to("cpu")} if outcome.teacher else {}
    cost = cost_table({**models, "student": network}, images, threads=torch.get_num_threads()).round(2)
    curves(outcome, out / "curves.png")
    confusion, confused = confusion_of(outcome.logits, photos.validation.labels, photos.classes)
    if len(photos.classes) <= MOST_CLASSES:
        draw_confusion(confusion, photos.classes, out / "confusion.png")
    card = _card(outcome, name)
    _write(folder / "README.md", card)
    _write(out / "report.md", _text(outcome, name, card, cost, confused, remarks))
    facts = {**outcome.facts, "scores": outcome.result.scores, "classes": photos.classes}
    _write(out / "run.json", json.dumps(facts, indent=1, default=str))
    lines = [str(outcome.result)] if len(outcome.result.scores) > 1 else []
    if photos.bad:
        lines += [f"{len(photos.bad)} bad images were left out:", *(f"  {n}: {why}" for n, why in photos.bad)]
    return [*lines, *filter(None, remarks), f"student: {folder}; report: {out / 'report.md'}"]


def save_student(network, folder, name, arguments, classes, size):
    """Safetensors in the layout that ``timm.create_model("local-dir:...", pretrained=True)`` reads.

    kdlab's own students have no place in timm: their weights are written with the call that makes them.
    """
    import timm
    from safetensors.torch import save_file

    folder, names = Path(folder), {"label_names": list(classes)}
    folder.mkdir(parents=True, exist_ok=True)
    if name in own_students():
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors")
        _write(
            folder / "config.json",
            json.dumps({"create_student": {"name": name, **arguments}, **names}, indent=1),
        )
        return folder
    channels = arguments["in_chans"]
    mean, std = statistics(network, channels)
    network.pretrained_cfg.update(
        input_size=(channels, size, size), mean=mean, std=std, num_classes=len(classes)
    )
    arguments = {k: v for k, v in arguments.items() if k != "pretrained"}
    timm.models.save_for_hf(
        network, folder, safe_serialization=True, model_args=arguments, model_config=names
    )
    return folder


def export(network, images, path):
    """Write ONNX if what it takes is here; otherwise a remark that says what is not."""
    try:
        export_onnx(network, images, path)
    except Exception as error:  # the student is saved: nothing about this file is worth losing the report
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"no ONNX file: {reason} (pip install 'kdlab[deploy]')"
    return ""


def curves(outcome, path):
    """Validation accuracy over epochs, a line an arm and seed."""
    figure, axis = plots.axes(height=3.2)
    arms = list(outcome.result.scores)
    for (arm, seed), rows in outcome.logs.items():
        number = arms.index(arm)
        axis.plot(
            [r["epoch"] for r in rows], [r["accuracy, %"] for r in rows], color=plots.COLOURS[number],
            linestyle=plots.DASHES[number], marker="", label=arm if seed == outcome.recipe.seed else None,
        )  # fmt: skip
    if "teacher, %" in outcome.facts:
        axis.axhline(outcome.facts["teacher, %"], color="0.4", linewidth=1, linestyle=":", label="teacher")
    axis.xaxis.set_major_locator(plots.MaxNLocator(8, integer=True, min_n_ticks=1))
    axis.set_xlabel("epoch")
    axis.set_ylabel("validation accuracy, %")
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def confusion_of(logits, labels, classes):
    """Counts (C, C), a row a true class, and the pairs that are confused most: (true, said, count)."""
    count = len(classes)
    matrix = torch.zeros(count, count, dtype=torch.int64)
    matrix.index_put_((labels, logits.argmax(1)), torch.ones_like(labels), accumulate=True)
    wrong = matrix - matrix.diag().diag()
    order = wrong.flatten().argsort(descending=True, stable=True)[:5].tolist()
    pairs = [(classes[i // count], classes[i % count], int(wrong.flatten()[i])) for i in order]
    return matrix, [pair for pair in pairs if pair[2]]


def draw_confusion(matrix, classes, path):
    """The share of each true class, a row, that is answered as each class."""
    share = matrix / matrix.sum(dim=1, keepdim=True).clamp(min=1)
    side = 2.5 + 0.3 * len(classes)
    figure, axis = plots.axes(width=side + 1, height=side)
    picture = axis.imshow(share.numpy(), cmap="Greys", vmin=0, vmax=1)
    figure.colorbar(picture, label="share of the true class")
    axis.set_xticks(range(len(classes)), classes, rotation=90)
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("answered")
    axis.set_ylabel("true class")
    _save(figure, path)


def _save(figure, path):
    with write_atomically(path) as file:
        figure.savefig(file, format="png", bbox_inches="tight")
    plots.plt.close(figure)


def _write(path, text):
    with write_atomically(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def table(frame):
    """A data frame as a Markdown table."""
    rows = [["", *map(str, frame.columns)], ["---"] * (1 + len(frame.columns))]
    rows += [[str(index), *(f"{v:,}" if isinstance(v, float) else str(v) for v in row)]
             for index, row in zip(frame.index, frame.itertuples(index=False))]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _from_the_shell():
    return Path(sys.argv[0]).name in ("kdlab", "__main__.py") and sys.argv[1:2] in (["distill"], ["train"])


def _card(outcome, name):
    """The model card."""
    settings, arm = outcome.facts["settings"], list(outcome.result.scores)[-1]
    teacher = outcome.teacher.name if outcome.teacher else "none"
    lines = [
        f"# {name}, {arm}",
        f"- classes: {len(outcome.photos.classes)} ({', '.join(outcome.photos.classes[:20])}"
        + (", ...)" if len(outcome.photos.classes) > 20 else ")"),
        f"- input: {outcome.recipe.size} px, normalised as in `config.json`",
        f"- photos: {settings['data']}, {len(outcome.photos.train)} to train, "
        f"{len(outcome.photos.validation)} to validate",
        f"- teacher: {teacher}" + (f", {outcome.facts['teacher, %']:.1f} %" if outcome.teacher else ""),
        f"- matched: {', '.join(f'{k} {v:g}' for k, v in settings['match'].items())}",
        f"- accuracy: {outcome.result.scores[arm][0]:.1f} % of the validation photos, "
        f"seed {outcome.recipe.seed}, last epoch",
        f"- made with kdlab {kdlab.__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}",
        f"- command: `kdlab {' '.join(sys.argv[1:])}`" if _from_the_shell() else "- made from Python",
        "- licence: that of the photos and of the teacher's weights applies; kdlab adds none",
    ]
    return "\n".join(lines[:1] + [""] + lines[1:]) + "\n"


def _text(outcome, name, card, cost, confused, remarks):
    """The report."""
    photos, result = outcome.photos, outcome.result
    load = (
        '`timm.create_model("local-dir:student", pretrained=True)` loads it'
        if name not in own_students() else "`student/config.json` holds the call that makes it"
    )  # fmt: skip
    parts = [f"# {name} on {outcome.facts['settings']['data']}"]
    if len(result.scores) > 1:
        parts += [
            "## Verdict",
            "\n".join(f"    {line}" for line in str(result).splitlines()),
            table(result.table()),
        ]
    parts += ["## Curves", "![validation accuracy over epochs](curves.png)"]
    parts += ["## Confusion"]
    if len(photos.classes) <= MOST_CLASSES:
        parts += ["![share of each true class answered as each class](confusion.png)"]
    named = [f"- {true} answered as {said}: {count}" for true, said, count in confused]
    parts += ["Confused most often:\n\n" + "\n".join(named) if named else "No validation photo is confused."]
    parts += [f"## Cost, on {torch.get_num_threads()} CPU threads at {outcome.recipe.size} px", table(cost)]
    known = ("cache, MB", "ms an answer", "break-even epoch", "largest error, logits")
    measured = [f"- {k}: {outcome.facts[k]:.3g}" for k in known if k in outcome.facts]
    parts += ["## The teacher's cache", "\n".join(measured)] if measured else []
    parts += [
        "## The student",
        f"In `student/`; {load}.",
        *filter(None, remarks),
        card.partition("\n")[2].strip(),
    ]
    if photos.bad or photos.notes:
        told = [*photos.notes, *(f"bad: {n}: {why}" for n, why in photos.bad)]
        parts += ["## The photos", "\n".join(f"- {line}" for line in told)]
    return "\n\n".join(parts) + "\n"
