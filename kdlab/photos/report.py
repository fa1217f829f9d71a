"""What a run leaves: the student, an ONNX file, the report as Markdown and as one page of HTML, figures."""

import base64
import io
import json
from pathlib import Path

import torch

from kdlab.compress import export_onnx
from kdlab.files import write_atomically
from kdlab.measure import cost_table
from kdlab.names import digest_of, literal, reason
from kdlab.photos import pictures, wording
from kdlab.photos.export import save_student

TIMED_BATCH = 8
NEEDED = ("student", "report.md", "run.json")  # without these the run has not ended
STYLE = """body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5;
  font-family: system-ui, sans-serif; color: #1a1a1a; background: #fff }
img { max-width: 100%; height: auto } table { border-collapse: collapse; font-size: 0.9rem }
td, th { border-bottom: 1px solid #ccc; padding: 0.2rem 0.6rem; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left } table, pre { display: block; overflow-x: auto }
pre { background: #f4f4f4; padding: 0.8rem; white-space: pre-wrap } h2 { margin-top: 2rem }"""


def write_report(outcome, out, *, name, options):
    """Write everything into the folder ``out``; returns lines for the reader.

    Each part stands alone: one that fails is named, and the others are written. What an earlier end of the
    same run measured and exported is used again. The student's name and options are those of
    :func:`kdlab.models.create_student`.

    Raises
    ------
    OSError
        When all has been tried, if the student or the report could not be written.
    """
    failed, found = {}, {"remarks": []}

    def part(what, make, *arguments):
        try:
            made = make(*arguments)
            return True if made is None else made
        except Exception as error:  # nothing of the end is worth losing the rest
            failed[what] = line = reason(error)
            found["remarks"].append(f"no {what}: {line}")

    for network in outcome.students.values():
        network.to("cpu").eval()
    labels, size = outcome.photos.validation.labels, outcome.recipe.size
    arms, card = list(outcome.students), wording.model_card(outcome, name)
    save = [outcome.student, out / "student", name, options, outcome.photos, size, card]
    part("student", save_student, *save)
    if len(arms) > 1:
        beside = f"# {literal(name)}, {arms[0]}: the student beside the one in ../student\n"
        save[:2], save[-1] = [outcome.students[arms[0]], out / "hard-labels"], beside
        part("hard-labels", save_student, *save)
    before, made = _before(out, outcome), {}
    images = torch.randn(TIMED_BATCH, options["in_chans"], size, size)
    made["onnx"] = part("student.onnx", _onnx, outcome.student, images, out / "student.onnx", before)
    cost = part("table of costs", _cost, outcome, images, before)
    if cost is not None:
        found["cost"], made["cost"] = cost, [cost.attrs["threads"], cost.to_dict()]
    found["onnx"] = bool(made["onnx"])
    found["curves"] = bool(part("curves.png", pictures.curves, outcome, out / "curves.png"))
    answers = outcome.answers[arms[-1]]
    matrix = part(
        "confusion.png", pictures.confusion, answers, labels, outcome.photos.classes, out / "confusion.png"
    )
    if matrix is not None:
        found["matrix"] = matrix
        part("confusion.csv", _write_counts, out / "confusion.csv", matrix, outcome.photos.classes)
    groups = _groups(outcome)
    if part("examples.png", pictures.examples, groups, outcome.photos, out / "examples.png"):
        found["examples"] = [group for group in groups if group[1]]
    facts = {**outcome.facts, "scores": outcome.result.scores, "classes": outcome.photos.classes}
    facts["made for"] = {"networks": _networks(outcome), **made}
    part("run.json", _write, out / "run.json", json.dumps(facts, indent=1, default=str))
    text = part("report.md", wording.whole, outcome, name, card, found)
    if text is not None:
        part("report.md", _write, out / "report.md", text)
        part("report.html", write_page, out / "report.html", text, out)
    return _last_lines(outcome, out, found, failed)


def _last_lines(outcome, out, found, failed):
    photos = outcome.photos
    lines = [literal(wording.verdict(outcome)), *wording.warnings_of(outcome)]
    if photos.bad:
        lines += [f"{len(photos.bad)} bad images were left out:"]
        lines += [literal(f"  {name}: {why}") for name, why in photos.bad]
    lines += map(literal, found["remarks"])
    if lost := [what for what in NEEDED if what in failed]:
        raise OSError(
            f"{out} lacks {', '.join(lost)}: {failed[lost[0]]}; all that was trained is kept in "
            f"{out / 'runs'}: mend that, and the same command with --resume writes the rest"
        )
    page = out / ("report.md" if "report.html" in failed else "report.html")
    return [*lines, f"student: {out / 'student'}; report: {page}"]


def _networks(outcome):
    """Digests of what is timed and exported."""
    teacher = digest_of(outcome.teacher.network) if outcome.teacher else "none"
    return {"student": digest_of(outcome.student), "teacher": teacher, "size": outcome.recipe.size}


def _before(out, outcome):
    """What an earlier end of this very run made; {} if there was none."""
    try:
        made = json.loads((out / "run.json").read_text(encoding="utf-8"))["made for"]
        return made if made["networks"] == _networks(outcome) else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _onnx(network, images, path, before):
    """Write the ONNX file unless it is there; gives its digest."""
    if not (path.exists() and before.get("onnx") == _digest_of_file(path)):
        try:
            export_onnx(network, images, path)
        except ImportError as error:
            raise type(error)(f"{error} (pip install 'kdlab[deploy]')") from error
    return _digest_of_file(path) if path.exists() else False


def _digest_of_file(path):
    import hashlib

    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _cost(outcome, images, before):
    import pandas as pd

    if before.get("cost"):
        threads, columns = before["cost"]
        cost = pd.DataFrame(columns)
        cost.attrs["threads"] = threads
        return cost
    models = {"teacher": outcome.teacher.to("cpu")} if outcome.teacher else {}
    models["student"] = outcome.student
    return cost_table(models, images, threads=torch.get_num_threads(), seconds=0.2)


def _groups(outcome):
    """What to show: photos that the student answers better and worse than the student of hard labels, or
    than its teacher; without either, those that it is surest of and wrong about."""
    arms, photos = list(outcome.students), outcome.photos
    other = arms[0] if len(arms) > 1 else "teacher" if "teacher" in outcome.answers else None
    after, before = outcome.answers[arms[-1]], outcome.answers.get(other)
    better, worse = pictures.changed(before, after, photos.validation.labels)
    names = {"student": after} | ({} if before is None else {other: before})

    def captions(row):
        said = [f"{who}: {photos.classes[logits[row].argmax()]}" for who, logits in names.items()]
        return [f"true: {photos.classes[photos.validation.labels[row]]}", *said]

    told = {row: captions(row) for row in (*better[: pictures.SHOWN], *worse[: pictures.SHOWN])}
    if other is None:
        return [("Wrong, the surest first", worse, told)]
    whose = "the teacher" if other == "teacher" else f"the student of {other}"
    return [(f"Right, where {whose} is wrong", better, told), (f"Wrong, where {whose} is right", worse, told)]


def _write_counts(path, matrix, classes):
    import pandas as pd

    # A spreadsheet takes a cell that begins so for a formula.
    names = [f"'{name}" if name[:1] in "=+-@" else name for name in map(literal, classes)]
    text = io.StringIO()
    pd.DataFrame(matrix, index=pd.Index(names, name="true class"), columns=names).to_csv(text)
    _write(path, text.getvalue())


def _write(path, text):
    with write_atomically(path) as file:
        file.write(text.encode("utf-8", "replace"))


def write_page(path, markdown, folder):
    """The report as one HTML file that needs no other: figures inside, nothing loaded, no script."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    for picture in ("curves.png", "confusion.png", "examples.png"):
        if f'src="{picture}"' in body:
            data = base64.b64encode((Path(folder) / picture).read_bytes()).decode()
            body = body.replace(f'src="{picture}"', f'src="data:image/png;base64,{data}"')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
    head = f"<head><title>kdlab: report</title>{head}</head>"
    _write(path, f'<!doctype html>\n<html lang="en">{head}<body>\n{body}</body></html>\n')
