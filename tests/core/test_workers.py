"""Seeds over processes: the numbers, words and errors of one, and nothing left behind."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kdlab import machine, workers
from kdlab.distill import features, hard_labels
from kdlab.study import compare

here_and_apart = pytest.mark.parametrize("count", [1, 2])
forks = pytest.mark.skipif(sys.platform != "linux", reason="a process is copied on Linux only")


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    yield
    assert multiprocessing.active_children() == []


def points(seed):
    """Twenty points a part, from PyTorch's own random numbers."""
    parts = [
        SimpleNamespace(inputs=torch.randn(20, 4), labels=torch.arange(20) % 2, seed=seed) for _ in range(3)
    ]
    return SimpleNamespace(labelled=parts[0], validation=parts[1], test=parts[2], seed=seed)


def labels(d):
    return d.labelled.inputs, [hard_labels(d.labelled.labels)]


def network():
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))


def run(arms, **options):
    options = {"data": points, "student": network, "seeds": 4, "steps": 3, "progress": False, **options}
    return compare(arms, baseline=next(iter(arms)), **options)


def weights(result):
    return {name: student.state_dict() for name, student in result.students.items()}


def assert_same(one, two):
    assert (one.scores, one.chosen, one.seed_list) == (two.scores, two.chosen, two.seed_list)
    torch.testing.assert_close(weights(one), weights(two), rtol=0, atol=0)
    for name, student in one.students.items():
        assert repr(student) == repr(two.students[name])
        assert not any(module.training for module in two.students[name].modules())


def a_study():
    """Arms, data, student and score as in a notebook: lambdas, closures and a class that has no address."""
    share, shared = 0.25, features(torch.arange(40.0).view(20, 2), "embedding", weight=0.1)

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head, self.bend = torch.nn.Linear(4, 3), torch.nn.Linear(3, 2), lambda x: x.relu()

        def get_classifier(self):
            return self.head

        def forward(self, x):
            return self.head(self.bend(self.body(x)))

    def drawn(d):
        flip = torch.rand(20) + torch.from_numpy(np.random.rand(20)) + random.random() / 100 < share * 2
        return d.labelled.inputs, [hard_labels(torch.where(flip, 1 - d.labelled.labels, d.labelled.labels))]

    arms = {
        "labels": lambda d: labels(d),
        "projected": lambda d: (d.labelled.inputs, [hard_labels(d.labelled.labels), shared]),
        "drawn": drawn,
        "chosen": {"drawn": drawn, "labels": lambda d: labels(d)},
    }

    def score(student, d):
        return student(d.test.inputs).sum().item() + share + float(torch.rand(())) + random.random()

    return arms, {"student": lambda: Network(), "score": score}


@forks
def test_two_processes_find_what_one_finds():
    arms, options = a_study()
    one, two = run(arms, **options, workers=1), run(arms, **options, workers=2)
    assert_same(one, two)
    assert one.seed_list == [0, 1, 2, 3]
    assert type(one.students["labels"]) is type(two.students["labels"])


def test_processes_that_are_started_anew_find_it_too(monkeypatch):
    monkeypatch.setattr(workers, "_can_fork", lambda: False)
    arms, options = a_study()
    assert_same(run(arms, **options, workers=1), run(arms, **options, workers=2))


def test_a_seed_by_itself_finds_what_it_finds_among_others():
    arms, options = a_study()
    alone, among = run(arms, **options, seeds=[2], workers=1), run(arms, **options, seeds=3, workers=1)
    assert {name: [scores[2]] for name, scores in among.scores.items()} == alone.scores
    assert alone.seed_list == [2]


def test_the_callers_random_numbers_are_left_alone():
    def state():
        return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()

    arms, options = a_study()
    before = state()
    run(arms, **options, seeds=1, workers=1)
    assert state() == before


@here_and_apart
def test_what_is_printed_is_printed_here(capsys, count):
    def talks(d):
        print("seed", d.seed)
        print("warned", d.seed, file=sys.stderr)
        return labels(d)

    run({"talks": talks}, seeds=3, workers=count)
    said = capsys.readouterr()
    assert sorted(said.out.splitlines()) == ["seed 0", "seed 1", "seed 2"]
    assert sorted(said.err.splitlines()) == ["warned 0", "warned 1", "warned 2"]


class Unsendable(Exception):
    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


@here_and_apart
@pytest.mark.parametrize(
    "make", [lambda: KeyError("gone"), lambda: Unsendable("is", "gone")], ids=["any", "odd"]
)
def test_an_error_names_its_seed_and_keeps_the_finished(count, make):
    def fails(d):
        if d.seed == 2:
            raise make()
        return labels(d)

    with pytest.raises((KeyError, Unsendable, RuntimeError), match="gone") as caught:
        run({"fails": fails}, workers=count)
    assert caught.value.__notes__ == ["at seed 2"]
    finished = caught.value.finished
    assert finished.seed_list[:2] == [0, 1] and len(finished.scores["fails"]) == finished.seeds
    assert set(finished.students) == {"fails"}
    assert count == 1 or "in fails" in str(caught.value.__cause__)


@here_and_apart
def test_of_several_errors_the_first_seeds_is_raised(count):
    def fails(d):
        time.sleep(0.5 if d.seed == 0 else 0)
        raise ValueError(f"not this one: {d.seed}")

    with pytest.raises(ValueError, match="not this one: 0") as caught:
        run({"fails": fails}, workers=count)
    assert caught.value.finished.seeds == 0


@forks
def test_a_killed_process_is_an_error_that_names_its_seed():
    def killed(d):
        if d.seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return labels(d)

    with pytest.raises(RuntimeError, match=r"the process at seed 1 ended \(SIGKILL\)") as caught:
        run({"killed": killed}, workers=2)
    assert caught.value.finished.seed_list[0] == 0


INTERRUPTED = """
import pathlib, signal, sys, time
import torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is started without
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
import test_workers
from test_workers import labels, points

def data(seed):
    if seed >= 2:  # both processes have each finished one
        (pathlib.Path({folder!r}) / str(seed)).touch()
        time.sleep(600)
    print("at seed", seed)
    return points(seed)

result = test_workers.run({{"labels": labels}}, data=data, workers=2)
"""


def interruptible(folder):
    return INTERRUPTED.format(tests=str(Path(__file__).parent), folder=str(folder))


def wait_until(condition, seconds=120):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "it did not come about"
        time.sleep(0.05)


def both_wait(folder):
    wait_until(lambda: {path.name for path in folder.iterdir()} == {"2", "3"})


@forks
def test_ctrl_c_keeps_the_finished_seeds(tmp_path):
    code = interruptible(tmp_path) + "print(result.seed_list, len(result.students))"
    script = tmp_path.with_suffix(".py")
    script.write_text(code, encoding="utf-8")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, script], text=True, start_new_session=True, **pipes)
    try:
        both_wait(tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        said, errors = process.communicate(timeout=120)
        assert said.splitlines()[-2:] == ["interrupted: 2 of 4 seeds are finished and kept", "[0, 1] 1"]
        assert (process.returncode, errors) == (0, "")
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@forks
def test_a_study_that_is_killed_takes_its_processes_along(tmp_path):
    def data(seed):
        (tmp_path / str(seed)).touch()
        time.sleep(2 if seed >= 2 else 0)
        return points(seed)

    killed = os.fork()
    if not killed:
        os.setsid()
        run({"labels": labels}, data=data, workers=2)
        os._exit(0)
    wait_until(lambda: (tmp_path / "2").exists() and (tmp_path / "3").exists())
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)

    def gone():
        try:
            os.killpg(killed, 0)
        except ProcessLookupError:
            return True

    wait_until(gone)


@forks
def test_a_notebooks_interrupt_keeps_the_finished_seeds(tmp_path):
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        said = {"stdout": "", "stderr": ""}

        def hear(message):
            if message["msg_type"] == "stream":
                said[message["content"]["name"]] += message["content"]["text"]

        waiting = client.execute(interruptible(tmp_path))
        both_wait(tmp_path)
        manager.interrupt_kernel()
        while client.get_shell_msg(timeout=120)["parent_header"]["msg_id"] != waiting:
            pass  # an answer to a question that was asked while the kernel started
        after = "import os, pathlib\nprint(result, result.seed_list)\n" + textwrap.dedent(
            """
            tasks = pathlib.Path("/proc/self/task").glob("*/children")
            children = [child for task in tasks for child in task.read_text().split()]
            named = {child: pathlib.Path("/proc", child, "cmdline").read_text() for child in children}
            print("left:", [child for child, name in named.items() if "ipykernel" in name])
            """
        )
        reply = client.execute_interactive(after, timeout=120, output_hook=hear)
        assert reply["content"]["status"] == "ok", reply
        assert "interrupted: 2 of 4 seeds are finished and kept" in said["stdout"]
        assert "[0, 1]" in said["stdout"] and "left: []" in said["stdout"]
        again = "test_workers.run({'labels': labels}, data=points, workers=2).seeds"
        client.execute_interactive(f"print({again}, 'after')", timeout=120, output_hook=hear)
        assert "4 after" in said["stdout"] and said["stderr"] == ""
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def pids(item, tell):
    return os.getpid()


def pids_within(item, tell):
    return [pid for _, pid in workers.each(pids, [0, 1, 2], workers=2, heard=tell)], os.getpid()


@forks
def test_processes_within_a_process_are_none():
    for _, (within, own) in workers.each(pids_within, [0, 1], workers=2, heard=lambda: None):
        assert set(within) == {own} != {os.getpid()}


def test_where_no_process_starts_all_is_called_here(monkeypatch):
    def fail(self):
        raise OSError("no more processes")

    monkeypatch.setattr(workers._Worker, "start", fail)
    gave = workers.each(pids, [5, 6], workers=2, heard=lambda: None)
    assert [*gave] == [(0, os.getpid()), (1, os.getpid())]


def test_each_student_is_told_of():
    told = []
    gave = workers.each(
        lambda item, tell: tell() or tell(), [0, 1, 2], workers=2, heard=lambda: told.append(1)
    )
    assert sorted(gave) == [(0, None), (1, None), (2, None)] and len(told) == 6


@forks
def test_the_default_is_what_the_machine_has(monkeypatch):
    if torch.accelerator.is_available():
        pytest.skip("beside an accelerator no process is copied")
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    monkeypatch.setattr(workers, "free_memory", lambda: 1e12)
    assert (workers.how_many(10), workers.how_many(3), workers.how_many(1)) == (4, 3, 1)
    monkeypatch.setattr(workers, "free_memory", lambda: 2.5 * workers.PRIVATE_BYTES)
    assert workers.how_many(10) == 2
    monkeypatch.setattr(workers, "free_memory", lambda: 0)
    assert workers.how_many(10) == 1


def test_one_core_and_several_threads_make_one_process(monkeypatch):
    with monkeypatch.context() as one_core:
        one_core.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
        assert workers.how_many(10) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert workers.how_many(10) == 1


@pytest.mark.parametrize("names", [("max", "current", ""), ("limit_in_bytes", "usage_in_bytes", "total_")])
def test_free_memory_is_within_the_limit_of_the_container(tmp_path, monkeypatch, names):
    limit, used, prefix = names
    (tmp_path / f"memory.{limit}").write_text("5000\n", encoding="utf-8")
    (tmp_path / f"memory.{used}").write_text("4000\n", encoding="utf-8")
    (tmp_path / "memory.stat").write_text(f"anon 3000\n{prefix}inactive_file 500\n", encoding="utf-8")
    monkeypatch.setattr(machine, "_memory_groups", lambda: [tmp_path / "none", tmp_path])
    assert machine.free_memory() == 1500


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="at least 1 worker is needed, got 0"):
        run({"labels": labels}, workers=0)
