"""What kdlab promises about speed, measured side by side in one run: ``python tests/benchmark.py``

Prints ratios, since seconds differ between machines and hours.
"""

import os
import re
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "core"))


def seconds(code, repeats=5):
    """The fastest of several fresh interpreters running ``code``."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def imports():
    torch, kdlab = seconds("import torch"), seconds("import torch, kdlab, kdlab.losses, kdlab.distill")
    print(f"import kdlab: {kdlab / torch:.2f} times import torch (at most 1.3)")
    told = seconds("from kdlab.__main__ import main; main(['--help'])")
    print(f"kdlab --help: {told / torch:.2f} times import torch (at most 0.2)")
    first = seconds("import torch, kdlab.data; kdlab.data.digits()")
    print(f"import and the first digits: {first / torch:.2f} times import torch (at most 1.3)")


def study():
    from kdlab import data, models
    from kdlab.distill import hard_labels
    from kdlab.study import compare

    def labels(d):
        return d.labelled.images, [hard_labels(d.labelled.labels)]

    start = time.perf_counter()
    compare({"a": labels, "b": labels}, data=lambda seed: data.digits(50, seed=seed),
            student=lambda: models.TinyCNN(8), baseline="a", seeds=10, steps=300, progress=False)  # fmt: skip
    print(f"2 arms x 10 seeds x 300 steps: {time.perf_counter() - start:.0f} s (at most 30)")


def workers(rounds=4):
    """A lesson's study in one process and over two, in turn; and what a worker keeps for itself."""
    import torch
    from doors import processes

    from kdlab import data, models
    from kdlab.distill import hard_labels, soft_targets
    from kdlab.study import compare
    from kdlab.teachers import load_teacher
    from kdlab.workers import PRIVATE_BYTES

    torch.set_num_threads(1)
    teacher = load_teacher("digits-small")
    arms = {
        "hard labels": lambda d: (d.labelled.images, [hard_labels(d.labelled.labels)]),
        "soft targets": lambda d: (
            d.labelled.images, [soft_targets(teacher(d.labelled.images), temperature=4)],
        ),
    }  # fmt: skip

    def seconds(count):
        start = time.perf_counter()
        compare(arms, data=lambda seed: data.digits(50, seed=seed), student=lambda: models.TinyCNN(8),
                baseline="hard labels", seeds=10, steps=200, progress=False, workers=count)  # fmt: skip
        return time.perf_counter() - start

    private, over = [0], threading.Event()

    def watch():
        while not over.wait(0.05):
            for pid in processes(os.getpid()):
                with suppress(OSError):
                    rollup = Path("/proc", pid, "smaps_rollup").read_text(encoding="utf-8")
                    private.append(sum(int(n) for n in re.findall(r"Private_\w+: +(\d+)", rollup)) / 1024)

    seconds(1)
    pairs = [(seconds(1), seconds(2)) for _ in range(rounds)]
    threading.Thread(target=watch, daemon=True).start()
    seconds(2)
    over.set()
    ratio = statistics.median(one / two for one, two in pairs)
    best = max(one / two for one, two in pairs)
    print(
        f"a lesson's study over two processes: {ratio:.2f} times as fast as in one, {best:.2f} at best "
        f"(at least 1.7 on two free cores); {max(private):.0f} MB a worker's own "
        f"(at most {PRIVATE_BYTES / 1e6:.0f})"
    )


def steps(rounds=12, count=100):
    """A distilling step beside a plain supervised one, in turn, so that a busy machine is busy for both."""
    import torch
    import torch.nn.functional as F

    from kdlab import data, models
    from kdlab.distill import distill, hard_labels, soft_targets

    part = data.digits(650).labelled
    soft = torch.randn(len(part), 10, generator=torch.Generator().manual_seed(0))

    def student():
        torch.manual_seed(0)
        return models.TinyCNN(16)

    def plain():
        net = student().train().to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=count + 1)
        for _ in range(count):
            rows = torch.randperm(len(part))[:32]
            loss = F.cross_entropy(net(part.images[rows]), part.labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()

    def matched(*terms):
        return lambda: distill(student(), part.images, terms, steps=count)

    hard = hard_labels(part.labels)
    loops = {"hard labels": matched(hard), "hard labels and soft targets": matched(hard, soft_targets(soft))}
    times = {name: [] for name in ("plain", *loops)}
    for turn in range(rounds + 1):
        for name, loop in {"plain": plain, **loops}.items():
            start = time.perf_counter()
            loop()
            if turn:
                times[name].append(time.perf_counter() - start)
    for name in loops:
        ratio = statistics.median(t / p for t, p in zip(times[name], times["plain"]))
        print(f"a step of distill() with {name}: {ratio:.2f} times a plain supervised step (at most 1.05)")


def peak_memory(function):
    """Most bytes of tensors alive at once while ``function`` runs, and what it returns."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        function()
    alive = most = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]" and event.device_type() == torch.profiler.DeviceType.CPU:
            alive += event.nbytes()
            most = max(most, alive)
    return most


def angles():
    import torch
    from test_losses import direct_angle_loss

    from kdlab.losses import relational_angle_loss

    torch.manual_seed(0)
    student, teacher = torch.randn(128, 2048, requires_grad=True), torch.randn(128, 2048)
    runs = {}
    for loss in (relational_angle_loss, direct_angle_loss):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            loss(student, teacher).backward()
            times.append(time.perf_counter() - start)
        runs[loss] = min(times), peak_memory(lambda f=loss: f(student, teacher).backward())
    (ours, our_peak), (direct, direct_peak) = runs.values()
    print(
        f"angle loss, B = 128, D = 2048, forward and backward: {direct / ours:.1f} times as fast "
        f"as the direct form (at least 2), {our_peak / direct_peak:.2f} of its peak memory (at most 0.2)"
    )


def writing(lengths=(16, 64, 240), rounds=5):
    """Text from a transformer with its keys and values kept, beside the same without."""
    import torch

    from kdlab.generation import generate
    from kdlab.models.transformer import CausalTransformer

    torch.manual_seed(0)
    model = CausalTransformer(50, width=64, layers=2, length=256)
    prompts = torch.randint(0, 50, (16, 8))
    for length in lengths:
        times = {"kept": [], "not": []}
        for _ in range(rounds):
            for name, writer in (("kept", model), ("not", lambda tokens: model(tokens))):
                start = time.perf_counter()
                generate(writer, prompts, length)
                times[name].append(time.perf_counter() - start)
        ratio = statistics.median(plain / kept for kept, plain in zip(times["kept"], times["not"]))
        print(f"{length} tokens written with keys and values kept: {ratio:.1f} times as fast as without")


if __name__ == "__main__":
    angles()
    imports()
    steps()
    study()
    workers()
    writing()
