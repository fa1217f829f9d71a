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


if __name__ == "__main__":
    imports()
    study()
