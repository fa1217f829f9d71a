"""From the shape of a student's features to the shape of a teacher's."""

import math

import torch.nn.functional as F
from torch import nn


class Projector(nn.Module):
    """Brings a student's features to the teacher's shape; the way is inferred from both shapes.

    Equal shapes pass unchanged. Maps (B, c, H, W) go through a resizing and a 1 x 1 convolution,
    embeddings (B, D) through a linear layer; a map becomes an embedding as its mean over places.
    Token sequences (B, N, c) count as square maps, see :func:`tokens_to_map`; the result is a map
    then. It has no weights before :meth:`build` or the first call, like PyTorch's lazy modules,
    and trains with the student without being part of it.

    Parameters
    ----------
    teacher_shape : sequence of int
        Without the batch.
    tokens : bool
        Features are (B, tokens, c), and each token is brought to the teacher's (c,) by itself.

    Raises
    ------
    ValueError
        On building, if the shapes cannot be paired.
    """

    def __init__(self, teacher_shape, *, tokens=False):
        super().__init__()
        self.teacher_shape, self.tokens = tuple(teacher_shape), tokens
        self.weights = None

    def build(self, student_shape):
        """Make the weights for student features of this shape, batch left out."""
        if self.tokens:
            student_shape = student_shape[-1:]
        ours, theirs = _as_map(student_shape), _as_map(self.teacher_shape)
        if ours == theirs:
            self.weights = nn.Identity()
        elif len(theirs) == 1:
            self.weights = nn.Linear(ours[0], theirs[0])
        elif len(ours) == 1:
            raise ValueError(
                f"student features {tuple(student_shape)} have no places to match the teacher's "
                f"{self.teacher_shape} at: choose a map of the student's, or the teacher's embedding"
            )
        else:
            self.weights = nn.Conv2d(ours[0], theirs[0], 1, bias=False)
        self.way = self._in_words(tuple(student_shape))
        return self

    def forward(self, features):
        if self.weights is None:
            self.build(features.shape[1:])
            self.weights.to(features.device)
        features = features if self.tokens else tokens_to_map(features)
        if isinstance(self.weights, nn.Identity):
            return features
        if isinstance(self.weights, nn.Linear):
            return self.weights(features.mean(dim=(2, 3)) if features.ndim == 4 else features)
        return self.weights(_resize(features, _as_map(self.teacher_shape)[1:]))

    def _in_words(self, shape):
        if isinstance(self.weights, nn.Identity):
            return "unchanged"
        if isinstance(self.weights, nn.Linear):
            return "linear" if len(shape) == 1 else "mean over places, linear"
        resized = "" if _as_map(shape)[1:] == _as_map(self.teacher_shape)[1:] else "resized, "
        return f"{resized}1 x 1 convolution"


def _as_map(shape):
    """(c, H, W) for a map or a token sequence (N, c), (D,) for an embedding."""
    shape = tuple(shape)
    if len(shape) not in (1, 2, 3):
        raise ValueError(f"features {shape} are neither a map, nor a token sequence, nor an embedding")
    return (shape[1], *_grid(shape[0])) if len(shape) == 2 else shape


def _grid(tokens):
    side = math.isqrt(tokens)
    if side**2 == tokens:
        return side, side
    side = math.isqrt(tokens - 1)
    if side**2 == tokens - 1:
        return side, side
    raise ValueError(f"{tokens} tokens are not a square, nor a square and a class token")


def tokens_to_map(features):
    """Tokens (B, N, c) as a square map (B, c, H, W), a class token in front left out; maps unchanged."""
    if features.ndim != 3:
        return features
    height, width = _grid(features.shape[1])
    return features[:, -height * width :].mT.unflatten(2, (height, width))


def _resize(features, size):
    if tuple(features.shape[2:]) == tuple(size):
        return features
    if all(a >= b for a, b in zip(features.shape[2:], size)):
        return F.adaptive_avg_pool2d(features, size)
    return F.interpolate(features, size=size, mode="bilinear")
