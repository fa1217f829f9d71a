"""Frozen teachers: shipped, from a file, or timm's."""

from kdlab.cards import TEACHERS
from kdlab.teachers.sources import load_teacher, open_teacher, save_teacher, shipped_teachers
from kdlab.teachers.teacher import Teacher, size_ratio

__all__ = [
    "TEACHERS", "Teacher", "load_teacher", "open_teacher", "save_teacher", "shipped_teachers", "size_ratio",
]  # fmt: skip
