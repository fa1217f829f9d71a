"""What a run leaves: the student in timm's own format, an ONNX file, curves, confusion, cost, a card."""

import json
import platform
import shlex
import sys
import textwrap
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.ticker import MaxNLocator

import kdlab
from kdlab import plots
from kdlab.compress import export_onnx
from kdlab.files import write_atomically
from kdlab.measure import cost_table
from kdlab.models import own_students
from kdlab.names import in_markdown, literal
from kdlab.photos.evaluation import statistics

MOST_CLASSES = 30  # of which a confusion matrix can be read
TIMED_BATCH = 8


def write_report(outcome, out, *, name, options):
    """Write everything into the folder ``out``; returns lines for the reader.

    The student's name and options are those of :func:`kdlab.models.create_student`.
    """
    network, photos, recipe = outcome.student.to("cpu").eval(), outcome.photos, outcome.recipe
    folder = save_student(network, out / "student", name, options, photos.classes, recipe.size)
    images = torch.randn(TIMED_BATCH, options["in_chans"], recipe.size, recipe.size)
    remarks = try_onnx(network, images, out / "student.onnx")
    models = {"teacher": outcome.teacher.to("cpu")} if outcome.teacher else {}
    cost = cost_table(
        {**models, "student": network}, images, threads=torch.get_num_threads(), seconds=0.2
    ).round(2)
    curves(outcome, out / "curves.png")
    confused = confusion(outcome.logits, photos.validation.labels, photos.classes, out / "confusion.png")
    card = _card(outcome, name)
    _write(folder / "README.md", card)
    _write(out / "report.md", _text(outcome, name, card, cost, confused, remarks))
    facts = {**outcome.facts, "scores": outcome.result.scores, "classes": photos.classes}
    _write(out / "run.json", json.dumps(facts, indent=1, default=str))
    lines = [str(outcome.result)] if len(outcome.result.scores) > 1 else []
    if photos.bad:
        lines += [f"{len(photos.bad)} bad images were left out:"]
        lines += [literal(f"  {name}: {why}") for name, why in photos.bad]
    return [*lines, *remarks, f"student: {folder}; report: {out / 'report.md'}"]


def save_student(network, folder, name, options, classes, size):
    """Safetensors in the layout that ``timm.create_model("local-dir:...", pretrained=True)`` reads.

    kdlab's own students have no place in timm: their weights are written with the call that makes them.
    """
    import timm
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    names = {"label_names": list(classes)}
    if name in own_students():
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors")
        made = {"create_student": {"name": name, **options}, **names}
        _write(folder / "config.json", json.dumps(made, indent=1))
        return folder
    channels = options["in_chans"]
    mean, std = statistics(network, channels)
    shape = {"input_size": (channels, size, size), "num_classes": len(classes)}
    network.pretrained_cfg.update(mean=mean, std=std, **shape)
    options = {k: v for k, v in options.items() if k != "pretrained"}
    timm.models.save_for_hf(network, folder, safe_serialization=True, model_args=options, model_config=names)
    return folder


def try_onnx(network, images, path):
    """Write ONNX if what it takes is here; the remarks, which say what is not."""
    try:
        export_onnx(network, images, path)
    except Exception as error:  # the student is saved: nothing about this file is worth losing the report
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return [f"no ONNX file: {reason} (pip install 'kdlab[deploy]')"]
    return []


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
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    plots.label(axis, "epoch", "validation accuracy, %")
    _save(figure, path)


def confusion(logits, labels, classes, path):
    """Draw the share of each true class, a row, answered as each class, where there are not too many.

    Returns the pairs that are confused most: (true, answered, count).
    """
    from sklearn.metrics import confusion_matrix

    matrix = confusion_matrix(labels, logits.argmax(1), labels=range(len(classes)))
    if len(classes) <= MOST_CLASSES:
        share = matrix / matrix.sum(axis=1, keepdims=True).clip(min=1)
        names = [literal(name) for name in classes]
        figure = plots.draw_matrix(
            share, names, names, label="share of the true class", xlabel="answered", ylabel="true class",
            limits=(0, 1),
        )  # fmt: skip
        _save(figure, path)
    wrong = [(int(count), *place) for place, count in np.ndenumerate(matrix) if place[0] != place[1]]
    most = sorted(wrong, key=lambda pair: -pair[0])[:5]
    return [(classes[true], classes[said], count) for count, true, said in most if count]


def _save(figure, path):
    # Names are drawn as they are, whatever dollars they hold and whether the font has their letters.
    with warnings.catch_warnings(), write_atomically(path) as file:
        warnings.filterwarnings("ignore", "Glyph .* missing")
        for text in figure.findobj(plt.Text):
            text.set_parse_math(False)
        file.write(plots.png(figure)[0])
    plt.close(figure)


def _write(path, text):
    with write_atomically(path) as file:
        file.write(text.encode("utf-8", "replace"))


def table(frame):
    """A data frame as a Markdown table."""
    rows = [["", *map(in_markdown, frame.columns)], ["---"] * (1 + len(frame.columns))]
    rows += [[in_markdown(index), *(f"{v:,}" if isinstance(v, float) else in_markdown(v) for v in row)]
             for index, *row in frame.itertuples()]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _from_the_shell():
    return Path(sys.argv[0]).name in ("kdlab", "__main__.py") and sys.argv[1:2] in (["distill"], ["train"])


def _card(outcome, name):
    """The model card."""
    settings, photos, arm = outcome.facts["settings"], outcome.photos, list(outcome.result.scores)[-1]
    teacher = "none"
    if outcome.teacher:
        teacher = f"{in_markdown(outcome.teacher.name)}, {outcome.facts['teacher, %']:.1f} %"
    command = in_markdown(shlex.join(["kdlab", *sys.argv[1:]]))
    seed, more = outcome.recipe.seed, ", ..." if len(photos.classes) > 20 else ""
    classes = ", ".join(map(in_markdown, photos.classes[:20]))
    return f"""# {in_markdown(name)}, {arm}

- classes: {len(photos.classes)} ({classes}{more})
- input: {outcome.recipe.size} px, normalised as in `config.json`
- photos: {in_markdown(settings["data"])}, {len(photos.train)} to train, {len(photos.validation)} to validate
- teacher: {teacher}
- matched: {", ".join(f"{k} {v:g}" for k, v in settings["match"].items())}
- accuracy: {outcome.result.scores[arm][0]:.1f} % of the validation photos, seed {seed}, last epoch
- made with kdlab {kdlab.__version__}, torch {torch.__version__}, Python {platform.python_version()}
- {f"command: {command}" if _from_the_shell() else "made from Python"}
- licence: that of the photos and of the teacher's weights applies; kdlab adds none
"""


def _text(outcome, name, card, cost, confused, remarks):
    """The report."""
    photos, result = outcome.photos, outcome.result
    load = (
        "`student/config.json` holds the call that makes it" if name in own_students()
        else '`timm.create_model("local-dir:student", pretrained=True)` loads it'
    )  # fmt: skip
    parts = [f"# {in_markdown(name)} on {in_markdown(outcome.facts['settings']['data'])}"]
    if len(result.scores) > 1:
        parts += ["## Verdict", textwrap.indent(str(result), "    "), table(result.table())]
    parts += [outcome.facts["remark"]] if "remark" in outcome.facts else []
    parts += ["## Curves", "![validation accuracy over epochs](curves.png)", "## Confusion"]
    if len(photos.classes) <= MOST_CLASSES:
        parts += ["![share of each true class answered as each class](confusion.png)"]
    named = [f"- {in_markdown(a)} answered as {in_markdown(b)}: {count}" for a, b, count in confused]
    parts += ["Confused most often:\n\n" + "\n".join(named) if named else "No validation photo is confused."]
    parts += [f"## Cost, on {torch.get_num_threads()} CPU threads at {outcome.recipe.size} px", table(cost)]
    known = ("cache, MB", "ms an answer", "break-even epoch", "largest error, logits")
    measured = [f"- {k}: {outcome.facts[k]:.3g}" for k in known if k in outcome.facts]
    parts += ["## The teacher's cache", "\n".join(measured)] if measured else []
    parts += ["## The student", f"In `student/`; {load}.", *remarks, card.partition("\n")[2].strip()]
    told = [in_markdown(line) for line in (*photos.notes, *(f"bad: {n}: {why}" for n, why in photos.bad))]
    parts += ["## The photos", "\n".join(f"- {line}" for line in told)] if told else []
    return "\n\n".join(parts) + "\n"
