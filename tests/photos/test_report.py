"""The end of a run: the student answers as was told, the report is read anywhere, nothing is lost."""

import contextlib
import errno
import io
import json
import re
import types
from functools import partial
from html.parser import HTMLParser

import pandas as pd
import pytest
import timm
import torch
from photo_folders import make_photos
from PIL import Image

from kdlab.metrics import accuracy
from kdlab.photos import pictures, report, wording
from kdlab.photos.loading import load_photos
from kdlab.run import run
from kdlab.verdicts import Result

QUICK = {"epochs": 1, "batch_size": 8, "views": 1, "threads": 0, "progress": False, "size": 24}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"), each=12, side=60)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run with all that an end can have, and the folder."""
    out = tmp_path_factory.mktemp("out")
    teacher = run(student="test_resnet", data=data, out=out / "teacher", **QUICK)
    options = {**QUICK, "teacher": f"local-dir:{out / 'teacher' / 'student'}", "baseline": True}
    return run(student="test_byobnet", data=data, out=out / "run", **options), out / "run", options, teacher


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(report, "export_onnx", lambda network, images, path: path.write_bytes(b"onnx"))
    monkeypatch.setattr(report, "cost_table", partial(report.cost_table, seconds=0.001))


def test_timm_alone_gets_the_reported_number(whole, data):
    outcome, out, _, _ = whole
    network = timm.create_model(f"local-dir:{out / 'student'}", pretrained=True).eval()
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    names, labels = outcome.photos.validation.names, outcome.photos.validation.labels
    photos = torch.stack([prepare(Image.open(data / name).convert("RGB")) for name in names])
    with torch.no_grad():
        answers = network(photos)
    torch.testing.assert_close(answers, outcome.answers["distilled"], rtol=1e-4, atol=1e-4)
    assert f"{accuracy(answers, labels):.1f} % of {len(names)} validation photos" in (
        out / "report.md"
    ).read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


@pytest.mark.parametrize("student", ["test_byobnet", "tiny_cnn"])
def test_the_code_of_the_report_answers_as_the_student(student, whole, data, tmp_path, monkeypatch):
    if student == "test_byobnet":
        outcome, out, _, _ = whole
    else:
        out = tmp_path / "out"
        outcome = run(student=student, data=data, out=out, **QUICK)
    row = 0
    photo = data / outcome.photos.validation.names[row]
    monkeypatch.chdir(out)
    opened = Image.open
    monkeypatch.setattr(Image, "open", lambda name: opened(photo if name == "photo.jpg" else name))
    said, space = io.StringIO(), {}
    with contextlib.redirect_stdout(said):
        for block in blocks((out / "report.md").read_text(encoding="utf-8"), "python")[:2]:
            exec(block, space)
    answer = outcome.photos.classes[next(reversed(outcome.answers.values()))[row].argmax()]
    assert said.getvalue() == f"{answer}\n{answer}\n"


def test_the_verdict_is_the_first_line_and_how_to_make_it_again_the_last_code(whole):
    outcome, out, _, _ = whole
    text = (out / "report.md").read_text(encoding="utf-8")
    assert (
        text.startswith("**Verdict: open (") and "1 pair: a verdict needs at least 3" in text.splitlines()[0]
    )
    call = blocks(text, "python")[-1]
    assert "student='test_byobnet'" in call and "baseline=True" in call and "weight_decay" not in call
    matrix = pd.read_csv(out / "confusion.csv", index_col=0).to_numpy()
    assert matrix.sum() == len(outcome.photos.validation)
    assert {p.name for p in out.iterdir()} >= {"student", "hard-labels", "student.onnx", "curves.png"}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.sources = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for key, value in attributes if key in ("src", "href", "srcset", "data")]
        assert not [key for key, _ in attributes if key.startswith("on")]


def test_the_page_needs_nothing_else(whole):
    _, out, _, _ = whole
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    assert len(page.sources) >= 2 and all(s.startswith("data:image/png;base64,") for s in page.sources)
    assert {"table", "h2", "img", "pre"} <= set(page.tags) and not {"script", "link", "iframe"} & set(
        page.tags
    )


def test_names_of_others_stay_text_in_the_page(tmp_path):
    bad = "<img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](http://x/y.png)"
    report.write_page(
        tmp_path / "p.html", f"# {wording.in_markdown(bad)}\n\n{wording.fenced('``` ' + bad)}\n", tmp_path
    )
    page = Page((tmp_path / "p.html").read_text(encoding="utf-8"))
    assert not page.sources and "img" not in page.tags and "a" not in page.tags


def test_a_finished_run_is_told_again_without_measuring_or_exporting_again(whole, data, monkeypatch):
    outcome, out, options, _ = whole
    onnx, student = (out / "student.onnx").read_bytes(), (out / "student" / "model.safetensors").read_bytes()
    (out / "report.md").unlink()

    def never(*arguments, **more):
        raise AssertionError("not again")

    for name in ("export_onnx", "cost_table"):
        monkeypatch.setattr(report, name, never)
    monkeypatch.setattr(torch.optim.AdamW, "step", never)
    again = run(student="test_byobnet", data=data, out=out, resume=True, **options)
    assert again.result.scores == outcome.result.scores
    assert (out / "student.onnx").read_bytes() == onnx
    assert (out / "student" / "model.safetensors").read_bytes() == student
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "Beside the teacher, the student " in text and "not again" not in text


PARTS = {
    "student.onnx": (report, "export_onnx", "student.onnx"),
    "table of costs": (report, "cost_table", None),
    "curves.png": (pictures, "curves", "curves.png"),
    "confusion.png": (pictures, "confusion", "confusion.png"),
    "examples.png": (pictures, "examples", "examples.png"),
    "confusion.csv": (report, "_write_counts", "confusion.csv"),
    "report.html": (report, "write_page", "report.html"),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("odd\nlines")]
)
def test_each_part_stands_alone(part, error, data, tmp_path, monkeypatch, brief):
    module, name, file = PARTS[part]

    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(module, name, fails)
    run(student="tiny_cnn", data=data, out=tmp_path, **QUICK)
    reason = getattr(error, "strerror", "odd")
    assert part == "report.html" or f"no {part}: {reason}" in (tmp_path / "report.md").read_text(
        encoding="utf-8"
    )
    left = {p.name for p in tmp_path.iterdir()}
    assert {"student", "report.md", "run.json"} <= left and file not in left


@pytest.mark.parametrize("where", ["student", "report.md", "run.json"])
def test_a_full_disk_at_the_end_is_one_line_and_resume_writes_the_rest(
    where, data, tmp_path, monkeypatch, brief
):
    full = OSError(errno.ENOSPC, "No space left on device")

    def fails(*arguments, **options):
        raise full

    with monkeypatch.context() as patched:
        if where == "student":
            patched.setattr(report, "save_student", fails)
        else:
            write = report._write
            patched.setattr(report, "_write", lambda p, t: fails() if p.name == where else write(p, t))
        with pytest.raises(
            OSError, match=f"lacks {where}: .*No space left on device; all that was"
        ) as caught:
            run(student="tiny_cnn", data=data, out=tmp_path, **QUICK)
        assert "\n" not in str(caught.value)
    run(student="tiny_cnn", data=data, out=tmp_path, resume=True, **QUICK)
    assert (tmp_path / where).exists() and (tmp_path / "report.md").exists()


def test_a_student_is_written_whole_or_not_at_all(data, tmp_path, monkeypatch, brief):
    run(student="tiny_cnn", data=data, out=tmp_path, **QUICK)
    before = (tmp_path / "student" / "model.safetensors").read_bytes()

    def cut(state, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", cut)
    with pytest.raises(OSError, match="lacks student"):
        run(student="tiny_cnn", data=data, out=tmp_path, resume=True, **QUICK)
    assert (tmp_path / "student" / "model.safetensors").read_bytes() == before
    assert not [*tmp_path.glob("*.part")]


# ---- what is said


def outcome(answers, scores, labels, *, margin=1.0, teacher=True):
    """As much of an outcome as the words need."""
    result = Result(next(iter(scores)), scores, "validation accuracy, %", planned=3, margin=margin)
    photos = types.SimpleNamespace(validation=types.SimpleNamespace(labels=labels))
    return types.SimpleNamespace(result=result, answers=answers, photos=photos, facts={}, teacher=teacher)


def right_in(count, labels):
    """Logits that are right about the first ``count`` labels."""
    said = torch.where(torch.arange(len(labels)) < count, labels, (labels + 1) % 3)
    return torch.nn.functional.one_hot(said, 3).float()


LABELS = torch.arange(36) % 3


def told(student, hard=None, teacher=None, **options):
    counts = {"teacher": teacher, "hard labels": hard, "distilled": student}
    answers = {arm: right_in(n, LABELS) for arm, n in counts.items() if n is not None}
    scores = {a: [100 * counts[a] / 36] * 3 for a in ("hard labels", "distilled") if counts[a] is not None}
    return " ".join(wording.warnings_of(outcome(answers, scores, LABELS, **options)))


def test_it_is_said_that_hard_labels_did_better():
    assert "The student of hard labels beside it, from the same weights, did better: 83.3 %" in told(
        28, hard=30
    )
    assert "did better" not in told(30, hard=28) and "did better" not in told(30, hard=30)


def test_the_accuracy_has_an_interval_and_a_resolution():
    assert "the 95 % interval is 65 to 90 %; one photo is 2.8 points" in told(29)
    assert "One photo is more than the margin of 1 points" in told(29, hard=28)
    assert "more than the margin" not in told(29, hard=28, margin=3)


def test_it_is_said_that_a_teacher_is_weak():
    assert "students of hard labels 83.3 %: a teacher that is no better" in told(30, hard=30, teacher=23)
    assert "no more than its student" in told(30, teacher=23)
    assert "teacher" not in told(30, hard=30, teacher=36).lower().replace("distilled", "")


@pytest.mark.parametrize("classes, share, weak", [
    (3, 0.639, False),  # on three classes nearly twice what guessing gives
    (2, 1.0, False), (2, 0.5, True), (2, 0.55, True), (2, 0.8, False), (10, 0.12, True), (10, 0.3, False),
])  # fmt: skip
def test_chance_is_that_of_the_commonest_class_and_has_an_interval(classes, share, weak):
    from kdlab.metrics import accuracy_interval

    labels = torch.arange(180) % classes
    said = torch.where(torch.arange(180) < share * 180, labels, (labels + 1) % classes)
    reached = accuracy_interval(torch.nn.functional.one_hot(said, classes).float(), labels)
    assert bool(wording.no_better_than_chance(reached, labels)) is weak


def test_a_common_class_alone_is_no_skill():
    labels = torch.tensor([0] * 90 + [1] * 10)
    assert "right in 90.0 %" in wording.no_better_than_chance((90.0, 82.6, 94.5), labels)


def test_costs_are_compared_in_words():
    columns = [*wording.COLUMNS]
    cost = pd.DataFrame([[7.0, 100, 56, 3.0], [1.0, 200, 1, 3.0]], ["teacher", "student"], columns)
    assert wording.ratios(cost) == (
        "Beside the teacher, the student answers one photo 7.0 times faster, has 2.0 times more weights, "
        "takes 56 times fewer bytes."
    )
    assert wording.ratios(cost.drop("teacher")) == ""
    tiny = cost.assign(**{"million MACs": [1e-9, 1e-12]})
    assert "needs 1000 times fewer multiply-adds" in wording.ratios(tiny)


def test_what_got_better_and_worse_the_clearest_first():
    labels = torch.tensor([0, 0, 1, 1])
    before = torch.tensor([[0.0, 1], [0, 3], [0, 2], [2, 0]])
    after = torch.tensor([[1.0, 0], [3, 0], [5, 0], [1, 0]])
    assert pictures.changed(before, after, labels) == ([1, 0], [2])
    assert pictures.changed(None, after, labels) == ([], [2, 3])


def test_photos_are_drawn_in_grey_and_colour(data, tmp_path):
    for channels in (1, 3):
        photos = load_photos(data, size=24, channels=channels, threads=1)
        groups = [("Right $x^$", [0, 1], {0: ["a" * 50, "$b$"], 1: ["c"]}), ("Wrong", [], {})]
        assert pictures.examples(groups, photos, tmp_path / f"{channels}.png")
    assert not pictures.examples([("Wrong", [], {})], photos, tmp_path / "none.png")


def test_earlier_measurements_count_for_the_same_networks_only(tmp_path):
    ours = types.SimpleNamespace(
        students={}, student=torch.nn.Linear(2, 2), teacher=None, recipe=types.SimpleNamespace(size=8)
    )
    for content in ("", "[]", "{}", '{"made for": 3}', '{"made for": {"networks": {}}}'):
        (tmp_path / "run.json").write_text(content, encoding="utf-8")
        assert report._before(tmp_path, ours) == {}
    made = {"made for": {"networks": report._networks(ours), "onnx": "x"}}
    (tmp_path / "run.json").write_text(json.dumps(made), encoding="utf-8")
    assert report._before(tmp_path, ours)["onnx"] == "x"
