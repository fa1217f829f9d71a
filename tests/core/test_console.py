"""What a console or a log gets: no letter and no full disk ends a run, and no log is flooded."""

import io
import os
import subprocess
import sys
import types

import pytest

from kdlab.names import file_name, literal, said
from kdlab.progress_bar import progress_bar

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
PATH = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def program(*words, **more):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": PATH, **more}
    return subprocess.run([sys.executable, "-m", "kdlab", *words], **options)


def test_a_console_that_has_not_the_letters_is_told_all_the_same(tmp_path):
    done = program(
        "train",
        "--student",
        "tiny_cnn",
        "--data",
        "Fotos-größe",
        "--out",
        "aus",
        env=PATH | ASCII,
        cwd=tmp_path,
    )
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    assert b"there is no folder Fotos-gr\\xf6\\xdfe" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_output_that_cannot_be_written_is_told():
    with open("/dev/full", "wb") as full:
        done = program("teachers", stdout=full)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    assert b"kdlab: what was said could not be written" in done.stderr


def test_a_reader_who_has_seen_enough_hears_nothing_more():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = program("teachers", stdout=gone)
    assert (done.returncode, done.stderr) == (0, b"")


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


@pytest.mark.parametrize("place", ["terminal", "notebook", "log"])
def test_a_log_is_not_flooded_by_the_bar(monkeypatch, place):
    from tqdm.std import tqdm

    monkeypatch.setattr("tqdm.auto.tqdm", tqdm)  # a notebook's own draws elsewhere
    monkeypatch.setattr(sys, "stderr", Screen(place == "terminal"))
    shell = types.SimpleNamespace(kernel=None) if place == "notebook" else None
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert [*progress_bar(range(3), what="looking", unit="row", shown=True)] == [0, 1, 2]
    assert ("looking" in sys.stderr.getvalue()) is (place != "log")


def test_a_log_gets_a_look_a_minute(monkeypatch):
    seconds = []

    def time():
        seconds.append(None)
        return float(len(seconds))

    monkeypatch.setattr(sys, "stderr", Screen(False))
    monkeypatch.setattr("tqdm.std.time", time)
    with progress_bar(total=300, what="looking", unit="row", shown=True) as bar:
        for _ in range(300):
            bar.update()
    looks = sys.stderr.getvalue().count("looking")
    assert 1 <= looks <= len(seconds) / 60 + 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_is_said_is_shown_in_any_letters(monkeypatch, encoding):
    screen = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", screen)
    said("Größe 日本 \udce9")
    screen.flush()
    shown = screen.buffer.getvalue().decode(encoding)
    assert shown.startswith("Gr") and shown.endswith("\\udce9\n")


def test_a_file_s_name_is_utf_8_whatever_the_machine_is_set_to():
    assert file_name(os.fsdecode("Größe".encode())) == "Größe" == file_name(file_name("Größe"))
    assert literal(os.fsdecode(b"caf\xe9")) == "caf\ufffd" and literal("\ud800") == "\ufffd"
    code = "import os, sys; from kdlab.names import file_name as f\n"
    code += "print(ascii([f(sys.argv[1]), f(f(sys.argv[1]))]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "Größe"], capture_output=True, env=PATH | ASCII, check=True
    )
    assert done.stdout.decode("ascii").strip() == ascii(["Größe", "Größe"])
