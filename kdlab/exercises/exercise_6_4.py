"""Exercise 6.4: a network taught by its own kind, generation after generation."""

import copy
from dataclasses import dataclass

import torch

from kdlab.exercises.core import Exercise, Mistake, NotANumber, NothingReturned


@dataclass
class Network:
    """Stands for a student: which one it is, and how often it was trained."""

    number: int
    lessons: int = 0


class School:
    """Makes networks, and notes who was taught by whom."""

    def __init__(self):
        self.made, self.taught = 0, []

    def make_student(self):
        self.made += 1
        return Network(self.made - 1)

    def train(self, student, teacher):
        by = -1 if teacher is None else teacher.number
        self.taught.append((student.number, by, student.lessons, 1 if teacher is None else teacher.lessons))
        student.lessons += 1


def _case(generations):
    return lambda: (School(), generations)


def _observe(function, arguments):
    school, generations = arguments
    last = function(school.make_student, school.train, generations)
    if last is None or last is ...:
        raise NothingReturned
    if not isinstance(last, Network):
        raise NotANumber(f"it returns {type(last).__name__}, not a student.")
    students, teachers, before, knew = torch.tensor(school.taught or [(-2,) * 4]).T
    return {
        "the number of trainings is": torch.tensor(len(school.taught)),
        "every student starts untrained:": (before == 0).all(),
        "every teacher was trained before:": (knew > 0).all(),
        "the students, by number, are": students,
        "their teachers (-1 for labels) are": teachers,
        "the network returned is number": torch.tensor(last.number),
    }


def _loop(make_student, train, generations, *, first=True, next_teacher=lambda t, s: s, result=None, count=0,
          new=lambda make, teacher: make(), who=lambda student, teacher: teacher):  # fmt: skip
    """Right by default; each option is one mistake."""
    teacher = before = student = make_student()
    if first:
        train(teacher, None)
    for _ in range(generations + count):
        student = new(make_student, teacher)
        train(student, who(student, teacher))
        before, teacher = teacher, next_teacher(teacher, student)
    return result(before, student) if result else student


def _variant(**options):
    return lambda *arguments: _loop(*arguments, **options)


def _one_network(make_student, train, generations):
    student = make_student()
    train(student, None)
    for _ in range(generations):
        train(student, copy.deepcopy(student))
    return student


def _pupil_of_itself(make_student, train, generations):
    student = make_student()
    train(student, None)
    for _ in range(generations):
        train(student, student)
    return student


EXERCISE = Exercise(
    id="6.4",
    title="Born again",
    reference=_loop,
    observe=_observe,
    cases={"two generations": _case(2), "four generations": _case(4)},
    mistakes=[
        Mistake(
            "weights reused",
            (_variant(new=lambda make, teacher: copy.deepcopy(teacher)), _one_network, _pupil_of_itself),
            "A student that starts with its teacher's weights gives its answers from the first step on: there is nothing to "
            "learn. Each generation starts from new weights.",
        ),
        Mistake(
            "its own untrained copy for a teacher",
            (
                _variant(who=lambda student, teacher: copy.deepcopy(student)),
                _variant(who=lambda student, teacher: student),
            ),
            "The student was asked to match its own answers. The loss is 0 before training, and nobody knew the digits.",
        ),
        Mistake(
            "nobody learned from labels",
            (_variant(first=False),),
            "The first teacher was never trained, so that chance is handed down. Begin with train(first, None).",
        ),
        Mistake(
            "always the first teacher",
            (_variant(next_teacher=lambda teacher, student: teacher),),
            "Every generation was taught by generation 0: these are siblings. After each turn the student becomes the teacher.",
        ),
        Mistake(
            "no teacher in any generation",
            (_variant(who=lambda student, teacher: None),),
            "train(student, None) means labels. Then each generation is a new run of the baseline.",
        ),
        Mistake(
            "one generation too few",
            (_variant(count=-1),),
            "Generation 0, taught by labels, does not count: as many again come after it.",
        ),
        Mistake(
            "one generation too many", (_variant(count=1),), "The last turn is one more than was asked for."
        ),
        Mistake(
            "the last teacher returned",
            (_variant(result=lambda before, student: before),),
            "You return the network that taught the last generation, not the last generation.",
        ),
    ],
    right="New weights each time, and the last student is the next teacher: only answers are handed down.",
    see="Taught by its own kind",
)
