"""Shipped results: written whole, read back the same, and marked as shipped."""

import pytest

from kdlab.results import RESULTS, load_results, page, run_studies
from kdlab.study import Result

SCORES = {"hard labels": [60.0, 62.0, 61.0], "soft targets": [63.0, 64.0, 66.0]}


def study(seeds):
    scores = {name: values[:seeds] for name, values in SCORES.items()}
    return Result("hard labels", scores, planned=seeds, training={"steps": 200})


def test_what_is_saved_is_what_is_loaded(tmp_path):
    run_studies("tiny", {"a study": study}, seeds=3, arguments=["--out", str(tmp_path)])
    shipped = load_results("tiny", tmp_path)
    assert str(shipped.results["a study"]) == str(study(3))
    assert shipped.results["a study"].training == {"steps": 200}
    written = (tmp_path / "tiny.md").read_text(encoding="utf-8")
    assert (
        "| hard labels | 61.0 |  |  | baseline |" in written and "| soft targets | 64.3 | +3.3 |" in written
    )
    assert "python studies/tiny.py" in written and "steps 200" in written
    assert "Shipped, not run here: python studies/tiny.py, " in str(shipped)
    assert shipped.cards["a study"]["threads"] >= 1 and shipped.cards["a study"]["versions"]["torch"]


def test_one_study_again_keeps_the_others(tmp_path):
    both = {"first": study, "second": study}
    run_studies("tiny", both, seeds=3, arguments=["--out", str(tmp_path)])
    run_studies("tiny", both, seeds=3, arguments=["second", "--seeds", "2", "--out", str(tmp_path)])
    shipped = load_results("tiny", tmp_path)
    assert [r.seeds for r in shipped.results.values()] == [3, 2]
    assert shipped.cards["second"]["command"] == "python studies/tiny.py --seeds 2"


def test_what_was_finished_survives_a_study_that_fails(tmp_path):
    def fails(seeds):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        run_studies("tiny", {"first": study, "second": fails}, seeds=3, arguments=["--out", str(tmp_path)])
    assert list(load_results("tiny", tmp_path).results) == ["first"]


def test_unknown_names_are_told_with_the_known_ones(tmp_path, capsys):
    run_studies("tiny", {"a study": study}, seeds=2, arguments=["--out", str(tmp_path)])
    with pytest.raises(FileNotFoundError, match="no results are called 'tony'; did you mean 'tiny'"):
        load_results("tony", tmp_path)
    with pytest.raises(SystemExit):
        run_studies("tiny", {"a study": study}, seeds=2, arguments=["astudy", "--out", str(tmp_path)])
    assert "no study is called 'astudy'; did you mean 'a study'" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda p: p.stem)
def test_shipped_results_are_whole_and_say_how_they_were_made(path):
    shipped = load_results(path.stem)
    for key, result in shipped.results.items():
        assert len({len(scores) for scores in result.scores.values()}) == 1 and result.seeds >= 3, key
        assert shipped.cards[key]["command"].startswith("python studies/")
    assert path.with_suffix(".md").read_text(encoding="utf-8") == page(path.stem, shipped)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff", b'{"a": 1}', b'{"a": {"result": {}}}',
                                     b'{"a": {"result": {"odd": 1}, "card": {}}}'])  # fmt: skip
def test_a_file_of_another_shape_is_named(tmp_path, content):
    (tmp_path / "odd.json").write_bytes(content)
    with pytest.raises(ValueError, match="odd.json holds no results of studies: ") as caught:
        load_results("odd", tmp_path)
    assert "\n" not in str(caught.value)
