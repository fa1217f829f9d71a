import pytest
import torch
from torch import nn

from kdlab.projectors import Projector, tokens_to_map


@pytest.mark.parametrize(
    "ours, theirs, result, way",
    [
        ((8, 4, 4), (8, 4, 4), (8, 4, 4), "unchanged"),
        ((8, 4, 4), (12, 4, 4), (12, 4, 4), "1 x 1 convolution"),
        ((8, 8, 8), (12, 4, 2), (12, 4, 2), "resized, 1 x 1 convolution"),
        ((8, 2, 2), (12, 4, 4), (12, 4, 4), "resized, 1 x 1 convolution"),
        ((16,), (24,), (24,), "linear"),
        ((8, 4, 4), (24,), (24,), "mean over places, linear"),
        ((17, 8), (12, 4, 4), (12, 4, 4), "1 x 1 convolution"),
        ((16, 8), (12, 2, 2), (12, 2, 2), "resized, 1 x 1 convolution"),
        ((8, 2, 2), (17, 12), (12, 4, 4), "resized, 1 x 1 convolution"),
    ],
)
def test_the_way_follows_from_the_shapes(ours, theirs, result, way):
    projector = Projector(theirs)
    out = projector(torch.rand(2, *ours))
    assert out.shape == (2, *result) and projector.way == way


def test_equal_shapes_have_no_weights_and_others_do():
    assert not list(Projector((8, 4, 4)).build((8, 4, 4)).parameters())
    assert isinstance(Projector((9, 4, 4)).build((8, 4, 4)).weights, nn.Conv2d)


def test_tokens_are_places_row_by_row_and_the_class_token_goes():
    tokens = torch.arange(5.0).view(1, 5, 1)
    assert tokens_to_map(tokens).tolist() == [[[[1, 2], [3, 4]]]]


@pytest.mark.parametrize(
    "ours, theirs, message",
    [
        ((16,), (8, 4, 4), "have no places to match"),
        ((7, 16), (8, 4, 4), "7 tokens are not a square"),
        ((1, 2, 3, 4), (8, 4, 4), "neither a map, nor a token sequence, nor an embedding"),
    ],
)
def test_shapes_that_cannot_be_paired(ours, theirs, message):
    with pytest.raises(ValueError, match=message):
        Projector(theirs).build(ours)
