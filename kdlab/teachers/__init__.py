"""Frozen teachers: shipped, from a file, or timm's."""

from kdlab.cards import TEACHERS
from kdlab.teachers.sources import load_teacher, open_teacher, save_teacher, shipped_teachers
from kdlab.teachers.teacher import Teacher, size_ratio
from kdlab.teachers.untrained import set_statistics, untrained_teacher

__all__ = [
    "TEACHERS", "Teacher", "load_teacher", "open_teacher", "save_teacher", "set_statistics",
    "shipped_teachers", "size_ratio", "untrained_teacher",
]  # fmt: skip
