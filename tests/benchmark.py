"""What kdlab promises about speed, measured side by side in one run: ``python tests/benchmark.py``

Prints ratios, since seconds differ between machines and hours.
"""

import subprocess
import sys
import time


def seconds(code, repeats=5):
    """The fastest of several fresh interpreters running ``code``."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def imports():
    torch, kdlab = seconds("import torch"), seconds("import torch, kdlab, kdlab.losses, kdlab.distill")
    print(f"import kdlab: {kdlab / torch:.2f} times import torch (at most 1.3)")


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


if __name__ == "__main__":
    angles()
    imports()
    study()
