"""The demo page's models: ``python docs/demo_models.py`` trains, exports and describes them."""

import json
from pathlib import Path

import torch

from kdlab import data, metrics, models
from kdlab.compress import quantise_int8
from kdlab.compress.export import export_onnx
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.teachers import load_teacher

HERE = Path(__file__).resolve().parent / "demo"
STEPS, WIDTH, SEED, AGREE = 1000, 8, 0, 99.0


def train(images, match):
    torch.manual_seed(SEED)
    student = models.TinyCNN(WIDTH)
    distill(student, images, match, steps=STEPS, seed=SEED, progress=True)
    return student


def main():
    teacher, splits = load_teacher("digits-small"), data.digits(50, seed=SEED)
    few, test = splits.labelled, splits.test
    everything = torch.cat([few.images, splits.pool.images])
    networks = {
        "Teacher": teacher.network,
        "Student, 50 hard labels": train(few.images, [hard_labels(few.labels)]),
        "Student, soft labels": train(everything, [soft_targets(teacher(everything), temperature=4)]),
    }
    entries = []

    def add(name, model, path):
        accuracy = metrics.accuracy(metrics.predict(model, test.images), test.labels)
        entries.append({"name": name, "file": path.name, "accuracy, %": round(accuracy, 1)})
        print(
            f"{name}: {path.stat().st_size / 1000:.0f} kB, {accuracy:.1f} % on {len(test.labels)} test images"
        )

    for name, network in networks.items():
        path = HERE / f"{'-'.join(name.lower().replace(',', '').split())}.onnx"
        add(name, export_onnx(network, test.images, path), path)
    small = path.with_name("student-int8.onnx")
    quantised = quantise_int8(path, splits.validation.images, small)
    agreement = metrics.agreement(quantised(test.images), metrics.predict(network, test.images))
    if agreement < AGREE:
        raise SystemExit(f"int8 does not hold: it agrees on {agreement:.1f} % of the test images")
    add("Student, soft labels, int8", quantised, small)
    examples = [(255 * test.images[test.labels == c][0]).round().int().flatten().tolist() for c in range(10)]
    card = {"command": "python docs/demo_models.py", "steps": STEPS, "seed": SEED, "models": entries}
    (HERE / "card.json").write_text(json.dumps({**card, "examples": examples}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
