"""How the shipped teachers of digits are made: one recipe each."""

from dataclasses import dataclass, field

import torch

from kdlab import data, metrics, models
from kdlab.distill import distill, hard_labels

TEST_SPLITS = 5


@dataclass(frozen=True)
class DigitsTeacher:
    """Architecture, data and schedule of one teacher."""

    channels: tuple
    cluttered: bool
    steps: int
    views: int
    learning_rate: float = 0.01
    batch_size: int = 128
    smoothing: float = 0.0
    seed: int = 0
    architecture: str = "resnet10t"
    options: dict = field(default_factory=lambda: {"output_stride": 8})

    def train(self, *, steps=None, progress=True):
        """The trained network, and what its card says of it alone."""
        steps = self.steps if steps is None else steps
        options = {**self.options, "channels": self.channels}
        torch.manual_seed(self.seed)
        network = models.create_student(self.architecture, **options)
        part = data.teacher_digits(cluttered=self.cluttered, views=self.views)
        distill(
            network, part.images, [hard_labels(part.labels, smoothing=self.smoothing)],
            steps=steps, batch_size=self.batch_size, learning_rate=self.learning_rate,
            seed=self.seed, progress=progress,
        )  # fmt: skip
        return network, {
            "architecture": self.architecture,
            "options": options,
            "num_classes": data.NUM_CLASSES,
            "in_chans": 1,
            "input_size": data.SIZE,
            "data": f"{'cluttered' if self.cluttered else 'clean'} digits, {data.TEACHER_SOURCES} sources, "
            f"{self.views} views each; handwriting: scikit-learn's copy of the UCI optical digits",
            "steps": steps,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "smoothing": self.smoothing,
            "seed": self.seed,
        }

    def score(self, teacher):
        """Its accuracy on images of handwriting that it never saw, and what that is the accuracy of."""
        make = data.cluttered_digits if self.cluttered else data.digits
        tests = [make(seed=seed).test for seed in range(TEST_SPLITS)]
        mean = sum(metrics.accuracy(teacher(test.images), test.labels) for test in tests) / TEST_SPLITS
        return {"accuracy": round(mean, 2), "accuracy_of": f"test images of {TEST_SPLITS} splits, percent"}


TINY, SMALL, LARGE = (8, 16, 32, 64), (16, 32, 64, 128), (32, 64, 128, 256)
RECIPES = {
    "digits-small": DigitsTeacher(SMALL, cluttered=False, steps=400, views=10),
    "digits-large": DigitsTeacher(LARGE, cluttered=False, steps=400, views=10),
    "cluttered-tiny": DigitsTeacher(TINY, cluttered=True, steps=1500, views=40),
    "cluttered-small": DigitsTeacher(SMALL, cluttered=True, steps=1500, views=40),
    "cluttered-large": DigitsTeacher(LARGE, cluttered=True, steps=1500, views=40, learning_rate=0.005),
    "digits-smoothed": DigitsTeacher(SMALL, cluttered=False, steps=400, views=10, smoothing=0.1),
    "cluttered-smoothed": DigitsTeacher(SMALL, cluttered=True, steps=1500, views=40, smoothing=0.1),
}
