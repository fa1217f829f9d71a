import pytest
import torch
from torch import nn

from kdlab.generation import choose, generate
from kdlab.models import create_student
from kdlab.models.transformer import Attention, Block, CausalTransformer


def model(seed=0, **options):
    torch.manual_seed(seed)
    return CausalTransformer(7, **{"width": 8, "layers": 2, "heads": 2, "length": 16, **options}).eval()


class WithoutMemory(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        return self.model(tokens)


def prompts(rows=3, length=4, seed=0):
    return torch.randint(0, 7, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("distances", [False, True])
def test_no_place_sees_what_comes_after_it(distances):
    network, tokens = model(distances=distances), prompts(length=9)
    changed = tokens.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 7
    torch.testing.assert_close(network(tokens)[:, :5], network(changed)[:, :5])
    assert not torch.allclose(network(tokens)[:, 5:], network(changed)[:, 5:])


@pytest.mark.parametrize("distances", [False, True])
@pytest.mark.parametrize("cuts", [(1, 8), (4, 5), (3, 1, 5), (9,)])
def test_a_cache_of_keys_and_values_changes_nothing(distances, cuts):
    network, tokens, memory = model(distances=distances), prompts(length=9), None
    if distances:
        for block in network.blocks:
            nn.init.normal_(block.own.back)
    done = 0
    for new in tokens.split(cuts, dim=1):
        done += new.shape[1]
        logits, memory = network.continued(new, memory)
        torch.testing.assert_close(logits, network(tokens[:, :done])[:, -1])


def test_a_memory_that_was_handed_over_stays_as_it_is():
    network, tokens = model(), prompts(length=6)
    _, memory = network.continued(tokens[:, :3])
    first, _ = network.continued(tokens[:, 3:], memory)
    again, _ = network.continued(tokens[:, 3:], memory)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert memory[0]["own"]["keys"].shape[2] == 3


def test_cross_attention_looks_at_the_memory_and_not_beyond_its_mask():
    torch.manual_seed(0)
    block = Block(8, 2, causal=True, cross=True)
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    mask = torch.tensor([[True, True, False, False], [True] * 4])
    other = memory.clone()
    other[0, 2:] = 9.0
    seen = block(x, memory, memory_mask=mask)
    torch.testing.assert_close(seen, block(x, other, memory_mask=mask))
    assert not torch.allclose(seen, block(x, memory))
    cache, parts = {}, []
    for place in range(5):
        parts.append(block(x[:, place : place + 1], memory, memory_mask=mask, cache=cache))
    torch.testing.assert_close(torch.cat(parts, dim=1), seen)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_pytorch(causal):
    torch.manual_seed(0)
    ours, theirs = Attention(8, 2, causal=causal), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    x = torch.randn(3, 5, 8)
    after = torch.ones(5, 5, dtype=torch.bool).triu(1) if causal else None
    torch.testing.assert_close(ours(x), theirs(x, x, x, attn_mask=after, need_weights=False)[0])


def test_what_a_transformer_cannot_be_is_said():
    with pytest.raises(ValueError, match="a width of 9 cannot be shared out among 2 heads"):
        Attention(9, 2)
    with pytest.raises(ValueError, match="17 tokens are more than the 16"):
        model()(prompts(length=17))
    assert isinstance(create_student("causal_transformer", num_classes=7, width=8), CausalTransformer)


@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
def test_a_memory_changes_nothing_of_what_is_written(temperature):
    network = model()
    written = [
        generate(one, prompts(), 12, temperature=temperature, generator=torch.Generator().manual_seed(1))
        for one in (network, WithoutMemory(network), lambda tokens: network(tokens))
    ]
    assert torch.equal(written[0], written[1]) and torch.equal(written[0], written[2])
    assert written[0].shape == (3, 16) and torch.equal(written[0][:, :4], prompts())


def test_greedy_takes_the_likeliest_and_draws_follow_the_probabilities():
    logits = torch.tensor([[0.0, 3.0, 1.0]]).log_softmax(1)
    assert choose(logits, temperature=0).tolist() == [1]
    for temperature in (0.5, 1.0, 2.0):
        drawn = choose(
            logits.expand(20_000, 3), temperature=temperature, generator=torch.Generator().manual_seed(0)
        )
        shares = torch.bincount(drawn, minlength=3) / 20_000
        torch.testing.assert_close(shares, (logits[0] / temperature).softmax(0), atol=0.02, rtol=0)


def counts(tokens):
    """Writes the number after the last one; 6 is followed by 0."""
    counts.asked.append(tokens.shape[1])
    return nn.functional.one_hot((tokens + 1) % 7, 7).float()


def test_after_the_stop_token_a_row_holds_nothing_else_and_nobody_is_asked_in_vain():
    counts.asked = []
    written = generate(counts, torch.tensor([[1], [4]]), 9, temperature=0, stop=6)
    assert written.tolist() == [[1, 2, 3, 4, 5, 6, 6, 6, 6, 6], [4, 5, 6, 6, 6, 6, 6, 6, 6, 6]]
    assert counts.asked == [1, 2, 3, 4, 5]


def test_a_module_is_asked_in_eval_mode_and_left_as_it_was():
    network = nn.Sequential(nn.Embedding(7, 7), nn.Dropout(0.5)).train()
    one, other = (generate(network, prompts(rows=40), 5, temperature=0) for _ in range(2))
    assert torch.equal(one, other) and network.training and network[1].training
    assert torch.equal(generate(network, prompts(), 0), prompts())


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((model(), [[1]], 3), TypeError, r"prompts must be whole numbers \(B, P\), got list"),
        ((model(), torch.rand(2, 3), 3), TypeError, r"got torch.float32 \(2, 3\)"),
        ((model(), torch.ones(3, dtype=torch.int64), 3), TypeError, r"got torch.int64 \(3,\)"),
        ((model(), torch.ones(3, 0, dtype=torch.int64), 3), ValueError, "at least one token each, got none"),
        ((model(), prompts(), -1), ValueError, "length and temperature must be at least 0, got -1 and 1.0"),
        ((lambda tokens: torch.rand(3, 7), prompts(), 2), ValueError, r"gives \(3, 7\) for 4 tokens"),
    ],
)
def test_what_cannot_be_continued_is_said(arguments, error, message):
    with pytest.raises(error, match=message):
        generate(*arguments)


@pytest.mark.parametrize("temperature", [-1, float("nan")])
def test_a_temperature_is_checked(temperature):
    with pytest.raises(ValueError, match="temperature must be at least 0"):
        generate(model(), prompts(), 2, temperature=temperature)
