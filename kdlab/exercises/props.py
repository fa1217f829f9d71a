"""What the exercises' cases are made of: small logits, networks whose every mode shows, and a school."""

from dataclasses import dataclass

import torch
from torch import nn

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
