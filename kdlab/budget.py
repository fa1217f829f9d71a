"""What distilling a language model takes: memory, time and tokens by stated formulas, nothing measured."""

from dataclasses import dataclass

GB = 1e9
GRADIENT, WEIGHTS_KEPT, MOMENTS = 2, 4, 8  # bytes a weight: in half precision; kept in float32; Adam's two
ACTIVATION = 34  # bytes a token, layer and unit of width: Korthikanti et al. 2022, eq. 1, without T x T
LOGIT = 4  # bytes; log-probabilities are computed in float32


@dataclass(frozen=True)
class Setting:
    """A teacher, a student, the text and the machine.

    Parameters
    ----------
    teacher, student : float
        Weights.
    tokens, length, sequences : int
        Tokens in all that are learned from, tokens a sequence, sequences at once.
    vocabulary : int
    layers, width : int
        The student's.
    kept : float
        Bytes a weight of the teacher, which only answers: 2 in half precision, 1 or 0.5 with fewer bits.
    speed, bandwidth : float
        Operations a second that are reached (not the peak), and bytes a second from memory.
    top : int
        Logits kept a token where the teacher's answers are stored.
    """

    teacher: float = 7e9
    student: float = 1e9
    tokens: int = 100_000_000
    length: int = 2048
    sequences: int = 4
    vocabulary: int = 128_000
    layers: int = 16
    width: int = 2048
    kept: float = 2
    speed: float = 150e12
    bandwidth: float = 2e12
    top: int = 32

    def __post_init__(self):
        wrong = {name: value for name, value in vars(self).items() if not value > 0}
        if wrong:
            name, value = next(iter(wrong.items()))
            raise ValueError(f"{name} must be above 0, got {value}")


def memory(s):
    """GB by part, for a :class:`Setting`; activations without the attention's own, which is not stored."""
    at_once = s.sequences * s.length
    return {
        "teacher's weights": s.teacher * s.kept / GB,
        "student's weights": s.student * (GRADIENT + WEIGHTS_KEPT) / GB,
        "gradients": s.student * GRADIENT / GB,
        "Adam's moments": s.student * MOMENTS / GB,
        "activations": ACTIVATION * at_once * s.width * s.layers / GB,
        "logits of both, and the student's gradient": 3 * LOGIT * at_once * s.vocabulary / GB,
    }


def operations(s):
    """Operations by part: 6 N a token to train N weights, 2 N to ask N weights (Kaplan et al. 2020)."""
    return {
        "the student learns": 6 * s.student * s.tokens,
        "the teacher answers": 2 * s.teacher * s.tokens,
        "the teacher writes": 2 * s.teacher * s.tokens,
        "the student writes": 2 * s.student * s.tokens,
    }


ROADS = {
    "its text": ("the teacher writes", "the student learns"),
    "its probabilities, on text that is there": ("the teacher answers", "the student learns"),
    "on-policy": ("the student writes", "the teacher answers", "the student learns"),
}


def hours(s, road):
    """Hours by part for a road of :data:`ROADS`.

    Writing goes token by token: each step reads all weights from memory once for all sequences, so that it
    takes the longer of reading and reckoning.
    """
    parts = {part: operations(s)[part] / s.speed / 3600 for part in ROADS[road]}
    steps = s.tokens / s.sequences / 3600
    for part, size in (("the teacher writes", s.teacher), ("the student writes", s.student)):
        if part in parts:
            parts[part] = max(parts[part], steps * size * s.kept / s.bandwidth)
    return parts


def stored(s):
    """GB of the teacher's answers on disk: all logits in half precision, or the top with their places."""
    return {
        "all logits": 2 * s.vocabulary * s.tokens / GB,
        f"top {s.top}": (2 + 4) * s.top * s.tokens / GB + 2 * s.tokens / GB,
    }
