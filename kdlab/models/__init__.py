"""Students by name, and one forward pass for logits, features and embedding."""

from kdlab.models.create import create_student, own_students
from kdlab.models.digits import MLP, TinyCNN
from kdlab.models.outputs import Outputs, evaluated, forward

__all__ = ["MLP", "Outputs", "TinyCNN", "create_student", "evaluated", "forward", "own_students"]
