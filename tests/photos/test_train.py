import csv
import errno
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from killing import at, killed
from photo_folders import make_photos

from kdlab.distill import Term, features, hard_labels, relations, soft_targets
from kdlab.losses import attention_transfer_loss, correlation_loss, similarity_preserving_loss
from kdlab.metrics import accuracy
from kdlab.models import MLP, TinyCNN
from kdlab.photos import checkpoints, load_photos
from kdlab.photos.cache import open_cache
from kdlab.photos.evaluation import evaluate
from kdlab.photos.parallel import Process
from kdlab.photos.settings import Recipe
from kdlab.photos.training import fit
from kdlab.teachers import Teacher

AdamW = torch.optim.AdamW
HERE = os.path.dirname(__file__)
PATH = os.pathsep.join(p for p in sys.path if p)
RECIPE = Recipe(size=32, epochs=3, batch_size=8, views=2)


def student(seed=0, kind=TinyCNN, width=4):
    torch.manual_seed(seed)
    return kind(width, num_classes=3, in_chans=3)


def teacher():
    return Teacher(student(9, width=6), name="t", num_classes=3, in_chans=3, input_size=32)


def cached(folder, photos, recipe=RECIPE):
    cache = open_cache(
        folder, teacher(), photos.train, recipe.make, transform=recipe.transform(),
        classes=photos.classes, views=recipe.views, outputs=("embedding", 2),
    )  # fmt: skip
    cache.write(teacher(), photos.train, recipe.make)
    return cache


def all_terms(photos, cache):
    return [
        hard_labels(photos.train.labels, weight=0.1, smoothing=0.1),
        soft_targets(cache.column("logits"), weight=0.9),
        Term("correlation", cache.column("logits"), partial(correlation_loss, temperature=2.0)),
        features(cache.column(2), 2),
        features(cache.column(2), 1, loss=attention_transfer_loss, project=False, weight=100),
        relations(cache.column("embedding"), loss=similarity_preserving_loss, weight=10),
        relations(cache.column("embedding")),
    ]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return load_photos(make_photos(tmp_path_factory.mktemp("photos")), size=32)


@pytest.fixture(scope="module")
def cache(tmp_path_factory, photos):
    return cached(tmp_path_factory.mktemp("cache"), photos)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))


def test_all_terms_train_and_are_logged(tmp_path, photos, cache):
    net, names = student(), set(student().state_dict())
    rows = fit(net, photos, all_terms(photos, cache), tmp_path, RECIPE)
    assert [row["step"] for row in rows] == [3, 6, 9] and not net.training
    assert set(net.state_dict()) == names
    for row in rows:
        weighted = sum(term.weight * row[term.name] for term in all_terms(photos, cache))
        assert row["total"] == pytest.approx(weighted, rel=1e-4)
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        log = [*csv.DictReader(file)]
    assert [float(row["hint at 2"]) for row in log] == [row["hint at 2"] for row in rows]
    assert {"relational distance", "accuracy, %", "images/s", "learning rate"} <= set(log[0])


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_it_learns(tmp_path, photos, optimiser):
    # One small step down the gradient of a loss lowers it on the same views of all photos.
    recipe = Recipe(size=32, epochs=2, batch_size=24, views=1, optimiser=optimiser)
    net, match = student(kind=MLP), [hard_labels(photos.train.labels)]
    rows = fit(net, photos, match, tmp_path, recipe)
    assert rows[1]["hard labels"] < rows[0]["hard labels"]
    answers = evaluate(net, photos.validation, 32)
    assert rows[1]["accuracy, %"] == accuracy(answers, photos.validation.labels)


def test_threads_change_nothing(tmp_path, photos, cache):
    runs = [student() for _ in range(3)]
    for net, threads in zip(runs, (0, 1, 3)):
        fit(net, photos, all_terms(photos, cache), tmp_path / str(threads), RECIPE, threads=threads)
    assert same(runs[0], runs[1]) and same(runs[0], runs[2])


@pytest.mark.parametrize("changes", [
    {"optimiser": "sgd", "schedule": "cosine"}, {"precision": "bfloat16"}, {"weight_decay": 0.0},
])  # fmt: skip
def test_recipes(tmp_path, photos, cache, changes):
    recipe = Recipe(**{**vars(RECIPE), **changes})
    assert fit(student(), photos, all_terms(photos, cache), tmp_path, recipe)[-1]["total"] > 0


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"optimiser": "adam"}, "optimiser is 'adam'; there are adamw, sgd"),
        ({"views": 0}, "views must be at least 1"),
    ],
)
def test_recipes_that_do_not_exist(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(size=32, **changes)


def test_terms_that_do_not_fit_are_named_before_training(tmp_path, photos, cache):
    with pytest.raises(ValueError, match="differ in classes"):
        fit(
            TinyCNN(4, num_classes=5, in_chans=3),
            photos,
            [soft_targets(cache.column("logits"))],
            tmp_path,
            RECIPE,
        )
    compiled = Recipe(size=32, batch_size=8, compile=True)
    with pytest.raises(ValueError, match="compile works where only logits are matched, not with hint at 2"):
        fit(student(), photos, [features(cache.column(2), 2)], tmp_path, compiled)
    assert not (tmp_path / "checkpoint.pt").exists()


# ---- nothing lost


class Dropping(TinyCNN):
    def forward_head(self, features, pre_logits=False):
        return super().forward_head(torch.nn.functional.dropout(features, 0.3, self.training), pre_logits)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, photos, cache):
    """The uninterrupted run, and its log."""
    net = student(kind=Dropping)
    return net, fit(net, photos, all_terms(photos, cache), tmp_path_factory.mktemp("straight"), RECIPE)


def half_a_file(die, number):
    count = iter(range(10**9))

    def save(state, file, real=torch.save):
        if next(count) == number:
            file.write(b"half of a checkpoint")
            file.flush()
            die()
        real(state, file)

    return save


# A checkpoint is written after each of the nine steps; from the third on with the log behind it.
PLACES = {
    "first step": (0, lambda die: setattr(AdamW, "step", at(0, die, AdamW.step))),
    "fifth step": (4, lambda die: setattr(AdamW, "step", at(4, die, AdamW.step))),
    "within the file": (3, lambda die: setattr(torch, "save", half_a_file(die, 3))),
    "before it is on disk": (4, lambda die: setattr(os, "fsync", at(10, die, os.fsync))),
    "before the rename": (3, lambda die: setattr(os, "replace", at(4, die, os.replace))),
    "after the rename": (6, lambda die: setattr(os, "replace", at(8, die, os.replace, after=True))),
    "between checkpoint and log": (6, lambda die: setattr(os, "replace", at(9, die, os.replace))),
}


@pytest.mark.parametrize("place", PLACES)
def test_killed_it_resumes_to_the_same_weights_bit_for_bit(tmp_path, photos, cache, straight, place):
    step, break_in = PLACES[place]

    def work(die):
        break_in(die)
        fit(student(kind=Dropping), photos, all_terms(photos, cache), tmp_path, RECIPE, every=0.0)

    assert killed(work)
    path = tmp_path / "checkpoint.pt"
    assert (torch.load(path)["step"] if path.exists() else 0) == step
    net = student(seed=5 if step else 0, kind=Dropping)
    rows = fit(net, photos, all_terms(photos, cache), tmp_path, RECIPE, resume=True)
    expected, log = straight
    assert same(net, expected)
    measured = ("images/s", "seconds")
    assert [{k: v for k, v in row.items() if k not in measured} for row in rows] == [
        {k: v for k, v in row.items() if k not in measured} for row in log
    ]
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        assert [row["total"] for row in csv.DictReader(file)] == [str(row["total"]) for row in log]


def test_a_finished_run_is_only_read(tmp_path, photos, monkeypatch):
    match, net, again = [hard_labels(photos.train.labels)], student(), student(seed=3)
    fit(net, photos, match, tmp_path, RECIPE)
    monkeypatch.setattr(AdamW, "step", None)
    assert len(fit(again, photos, match, tmp_path, RECIPE, resume=True)) == 3 and same(net, again)


def test_a_checkpoint_of_another_run_is_refused_naming_both(tmp_path, photos):
    match = [hard_labels(photos.train.labels)]
    fit(student(), photos, match, tmp_path, RECIPE)
    other = Recipe(size=32, epochs=4, batch_size=8, views=2)
    with pytest.raises(ValueError, match="is of another run; epochs: there 3, now 4"):
        fit(student(), photos, match, tmp_path, other, resume=True)
    with pytest.raises(ValueError, match="terms: there {'hard labels': 1.0}, now {'hard labels': 0.5}"):
        fit(student(), photos, [hard_labels(photos.train.labels, weight=0.5)], tmp_path, RECIPE, resume=True)


def test_a_damaged_checkpoint_is_named(tmp_path, photos):
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="checkpoint.pt is damaged"):
        fit(student(), photos, [hard_labels(photos.train.labels)], tmp_path, RECIPE, resume=True)


def test_on_a_full_disk_the_last_checkpoint_stays_and_training_goes_on(tmp_path, photos, monkeypatch, capsys):
    save, count = torch.save, iter(range(100))

    def full(state, file):
        if next(count) > 0:
            file.write(b"some of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(state, file)

    monkeypatch.setattr(checkpoints.torch, "save", full)
    net = student()
    fit(net, photos, [hard_labels(photos.train.labels)], tmp_path, RECIPE)
    monkeypatch.undo()
    reason = f"{tmp_path / 'checkpoint.pt'} cannot be written: {os.strerror(errno.ENOSPC)}"
    assert f"no checkpoint at step 6: {reason}; the last one in" in capsys.readouterr().err
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == 3 and not [*tmp_path.glob("*.part")]
    again = student(seed=1)
    fit(again, photos, [hard_labels(photos.train.labels)], tmp_path, RECIPE, resume=True)
    assert same(net, again)


@pytest.mark.parametrize("every, kept", [(600.0, 3), (0.0, 4)])
def test_a_loss_that_is_not_finite_keeps_the_checkpoint_before_it(tmp_path, photos, every, kept):
    steps = iter(range(100))
    broken = Term(
        "broken", torch.zeros(24, 3), lambda z, t: z.sum() * (float("nan") if next(steps) > 4 else 0)
    )
    with pytest.raises(FloatingPointError, match="not finite (in epoch 2|after step)"):
        fit(student(), photos, [broken], tmp_path, RECIPE, every=every)
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == kept


# ---- several processes

# Adam divides by the gradient's size, which makes of a rounding error near zero a whole step.
BY_GRADIENT = replace(RECIPE, optimiser="sgd")
TOGETHER = """
import sys
from test_train import *
from kdlab.photos.parallel import processes
with processes("cpu") as process:
    photos = load_photos(sys.argv[1], size=32)
    net = student(kind=MLP)
    match = global_terms(photos, cached_by(process, sys.argv[2], photos))
    rows = fit(net, photos, match, sys.argv[3], BY_GRADIENT, process=process)
    torch.save((net.state_dict(), rows), f"{sys.argv[3]}/end{process.rank}.pt")
"""


def cached_by(process, folder, photos):
    if process.first:
        cached(folder, photos)
    process.wait()
    return cached(folder, photos)


def global_terms(photos, cache):
    """All but maps, and two that no list of losses knows: a user's own of the batch, and few labels."""
    few = photos.train.labels.clone()
    few[::3] = -100
    spread = Term(
        "spread", cache.column("logits"), weight=0.1, labels=photos.train.labels,
        loss=lambda s, t, y: (s.std(0) - t.std(0)).square().mean() * y.float().std(),
    )  # fmt: skip
    known = [term for term in all_terms(photos, cache) if term.of not in (1, 2)]
    return [*known, spread, replace(hard_labels(few), name="few labels")]


def torchrun(code, *arguments, count=2):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    with open(os.path.join(arguments[-1], "code.py"), "w", encoding="utf-8") as file:
        file.write(code)
    run = subprocess.run(
        [*command, file.name, *map(str, arguments)], cwd=HERE, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": PATH, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_one_and_two_processes_agree_on_a_student_without_batch_normalisation(tmp_path, photos):
    folder = make_photos(tmp_path / "photos")
    torchrun(TOGETHER, folder, tmp_path / "cache", tmp_path)
    found = load_photos(folder, size=32)
    net = student(kind=MLP)
    cache = cached(tmp_path / "cache", found)
    rows = fit(net, found, global_terms(found, cache), tmp_path / "1", BY_GRADIENT)
    ends = [torch.load(tmp_path / f"end{rank}.pt") for rank in (0, 1)]
    for state, log in ends:
        for name, value in net.state_dict().items():
            torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(rows, log):
            for name in ("total", *(term.name for term in global_terms(found, cache))):
                assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name
    assert all(torch.equal(a, b) for a, b in zip(ends[0][0].values(), ends[1][0].values()))


def test_more_processes_than_photos_a_batch(photos, tmp_path):
    with pytest.raises(ValueError, match="16 processes cannot share a batch of 8 photos"):
        fit(student(), photos, [hard_labels(photos.train.labels)], tmp_path, RECIPE, process=Process(0, 16))
