"""The data of the lessons, made from a seed; a file a task, and the digits' names here."""

from kdlab.data.digits import (
    NUM_CLASSES,
    SIZE,
    TEACHER_SOURCES,
    Part,
    Splits,
    clutter,
    cluttered_digits,
    digits,
    noisy_labels,
    teacher_digits,
)

__all__ = [
    "NUM_CLASSES", "SIZE", "TEACHER_SOURCES", "Part", "Splits", "clutter", "cluttered_digits", "digits",
    "noisy_labels", "teacher_digits",
]  # fmt: skip
