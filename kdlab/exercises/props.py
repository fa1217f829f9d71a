"""What the exercises' cases are made of: small logits, networks whose every mode shows, and a school."""

from dataclasses import dataclass

import torch
from torch import nn

from kdlab.exercises.core import returned

STUDENT_ROWS = [[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]]
TEACHER_ROWS = [[4.0, 1.0, -2.0], [-1.0, 3.0, 2.0]]


def two_rows():
    """Student and teacher logits, two rows of three classes."""
    return torch.tensor(STUDENT_ROWS), torch.tensor(TEACHER_ROWS)


def ten_classes():
    """Student and teacher logits, four rows of ten classes."""
    random = torch.Generator().manual_seed(3)
    return tuple(scale * torch.randn(4, 10, generator=random) for scale in (2.0, 4.0))


def embeddings(n):
    """Student embeddings (n, 4) and teacher embeddings (n, 7), away from the origin."""
    random = torch.Generator().manual_seed(n)
    student, teacher = torch.randn(n, 4, generator=random), 3 * torch.randn(n, 7, generator=random)
    return student + 1, teacher - 2


def maps():
    """Student maps (2, 3, 4, 4) and teacher maps (2, 5, 4, 4), never negative, as after a ReLU."""
    random = torch.Generator().manual_seed(9)
    return torch.rand(2, 3, 4, 4, generator=random) ** 2, 2 * torch.rand(2, 5, 4, 4, generator=random)


def network(seed, *, dropout=0.0):
    """A linear classifier of 6 numbers into 3 classes, with batch normalisation before it."""
    random = torch.random.get_rng_state()
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(6), nn.Linear(6, 6), nn.Dropout(dropout), nn.Linear(6, 3)
    )
    torch.random.set_rng_state(random)
    return net


def images(n=8):
    """Inputs (n, 1, 2, 3) away from mean 0 and variance 1, so that running statistics move."""
    random = torch.Generator().manual_seed(5)
    return 3 + 2 * torch.randn(n, 1, 2, 3, generator=random)


def weights(net):
    """All parameters in one vector."""
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def statistics_moved(net):
    """Whether batch normalisation has seen a batch in train mode."""
    return torch.tensor(bool((net[1].num_batches_tracked > 0).item()))


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


def who_taught_whom(function, arguments):
    """What a school noted of a function that runs it for some generations."""
    school, generations = arguments
    last = returned(function, (school.make_student, school.train, generations), Network, "a student")
    students, teachers, before, knew = torch.tensor(school.taught or [(-2,) * 4]).T
    return {
        "the number of trainings is": torch.tensor(len(school.taught)),
        "every student starts untrained:": (before == 0).all(),
        "every teacher was trained before:": (knew > 0).all(),
        "the students, by number, are": students,
        "their teachers (-1 for labels) are": teachers,
        "the network returned is number": torch.tensor(last.number),
    }


def in_turn(
    make_student, train, generations, *, first=True, next_teacher=lambda teacher, student: student, result=None,
    count=0, new=lambda make, teacher, student: make(), who=lambda student, teacher: teacher, swapped=False,
    again="",
):  # fmt: skip
    """Generations, each taught by the one before. Right by default; each option is one mistake."""
    teacher, student = make_student(), None
    line = [teacher]
    if first:
        train(teacher, None)
    for _ in range(generations + count):
        if again == "teacher":
            train(teacher, None)
        student = new(make_student, teacher, student)
        if again == "labels":
            train(student, None)
        pair = student, who(student, teacher)
        train(*(pair[::-1] if swapped else pair))
        if again == "the same":
            train(*pair)
        teacher = next_teacher(teacher, student)
        line.append(student)
    return result(line, make_student) if result else line[-1]
