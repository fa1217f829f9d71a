"""Beam search against looking at every text; what a teacher writes as data."""

import itertools

import pytest
import torch

from kdlab.distill import distill, hard_labels
from kdlab.generation import beam_search, generate
from kdlab.models.transformer import CausalTransformer
from kdlab.sampling import next_tokens, written_by

CLASSES = 4


def table(seed=0, depth=5):
    """A model whose next token hangs on all tokens before: logits drawn for each beginning."""

    def model(tokens):
        logits = torch.empty(*tokens.shape, CLASSES)
        for row, beginning in enumerate(tokens.tolist()):
            for place in range(len(beginning)):
                key = sum((token + 1) * 7**i for i, token in enumerate(beginning[: place + 1]))
                random = torch.Generator().manual_seed(seed * 10**6 + key)
                logits[row, place] = 2 * torch.randn(CLASSES, generator=random)
        return logits

    return model


def likelihood(model, prompt, text, stop):
    """Log-probability of a text up to its stop; None where something else follows that."""
    total, row = 0.0, list(prompt)
    for token in text:
        if stop is not None and len(row) > len(prompt) and row[-1] == stop:
            if token != stop:
                return None
        else:
            total += model(torch.tensor([row]))[0, -1].double().log_softmax(0)[token].item()
        row.append(token)
    return total


@pytest.mark.parametrize("stop", [None, 1])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_holds_all_beginnings_finds_the_likeliest_text(seed, stop):
    model, prompts = table(seed), torch.tensor([[0], [2], [3]])
    tokens, scores = beam_search(model, prompts, 3, width=CLASSES**2, stop=stop)
    for prompt, found, score in zip(prompts.tolist(), tokens.tolist(), scores.tolist()):
        every = {
            text: value
            for text in itertools.product(range(CLASSES), repeat=3)
            if (value := likelihood(model, prompt, text, stop)) is not None
        }
        best = max(every, key=every.get)
        assert tuple(found[1:]) == best and score == pytest.approx(every[best])


@pytest.mark.parametrize("stop", [None, 1])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_score_is_the_likelihood_of_its_text_and_a_width_of_one_is_greedy(width, stop):
    model, prompts = table(5), torch.tensor([[0, 1], [2, 2], [3, 0]])
    tokens, scores = beam_search(model, prompts, 3, width=width, stop=stop)
    for prompt, found, score in zip(prompts.tolist(), tokens.tolist(), scores.tolist()):
        assert score == pytest.approx(likelihood(model, prompt, found[2:], stop))
    greedy = generate(model, prompts, 3, temperature=0, stop=stop)
    lowest = [likelihood(model, p, g[2:], stop) for p, g in zip(prompts.tolist(), greedy.tolist())]
    assert all(score >= low - 1e-9 for score, low in zip(scores.tolist(), lowest)) or width > 1
    if width == 1:
        assert torch.equal(tokens, greedy)


def test_greedy_misses_what_a_beam_of_two_finds():
    first, then = torch.tensor([0.5, 0.4, 0.1]), [[0.4, 0.35, 0.25], [0.9, 0.05, 0.05], [1.0, 0.0, 0.0]]

    def model(tokens):
        rows = [first if len(row) == 1 else torch.tensor(then[row[-1]]) for row in tokens.tolist()]
        return torch.stack(rows).log()[:, None].expand(-1, tokens.shape[1], -1)

    prompt = torch.tensor([[0]])
    assert beam_search(model, prompt, 2, width=1)[0].tolist() == [[0, 0, 0]]
    tokens, scores = beam_search(model, prompt, 2, width=2)
    assert tokens.tolist() == [[0, 1, 0]] and scores.exp().item() == pytest.approx(0.36)


def test_a_finished_text_waits_and_does_not_grow():
    def model(tokens):  # the stop is likely at once, and afterwards the model would say something else
        logits = torch.tensor([0.6, 0.4, 0.0]).log().expand(*tokens.shape, 3)
        return logits

    tokens, scores = beam_search(model, torch.tensor([[1]]), 4, width=2, stop=0)
    assert tokens.tolist() == [[1, 0, 0, 0, 0]] and scores.exp().item() == pytest.approx(0.6)
    longer, _ = beam_search(model, torch.tensor([[1]]), 2, width=3, stop=2)
    assert longer.tolist() == [[1, 0, 0]]


def test_with_a_memory_the_beam_is_the_same():
    torch.manual_seed(0)
    model = CausalTransformer(6, width=16, layers=2, heads=2, length=12)
    prompts = torch.randint(6, (5, 2))
    tokens, scores = beam_search(model, prompts, 8, width=3, stop=2)
    plain, same = beam_search(lambda t: model(t), prompts, 8, width=3, stop=2)
    assert torch.equal(tokens, plain)
    torch.testing.assert_close(scores, same, atol=1e-4, rtol=1e-4)
    assert beam_search(model, prompts, 0)[0] is not None and beam_search(model, prompts, 1, width=50)[
        0
    ].shape == (5, 3)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"prompts": torch.zeros(2, 1)}, r"must be whole numbers \(B, P\), got torch.float32 \(2, 1\)"),
        ({"prompts": torch.zeros(2, 0, dtype=torch.int64)}, "at least one token each"),
        ({"length": -1}, "must be at least 0, got -1"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"model": lambda tokens: torch.zeros(len(tokens), 4)}, r"the model gives \(2, 4\) for 1 tokens"),
    ],
)
def test_a_beam_that_cannot_be(how, said):
    with pytest.raises((TypeError, ValueError), match=said):
        beam_search(**{"model": table(), "prompts": torch.zeros(2, 1, dtype=torch.int64), "length": 1, **how})


def test_a_beam_of_no_prompts_is_empty():
    tokens, scores = beam_search(lambda t: torch.zeros(*t.shape, 4), torch.zeros(0, 2, dtype=torch.int64), 3)
    assert tokens.shape == (0, 5) and scores.shape == (0,)


# ---- texts as data


def test_a_text_is_read_and_said_one_place_later():
    text = torch.tensor([[5, 6, 2, 2], [7, 2, 9, 9]])
    read, said = next_tokens(text, begin=1, stop=2)
    assert read.tolist() == [[1, 5, 6, 2], [1, 7, 2, 9]]
    assert said.tolist() == [[5, 6, 2, -100], [7, 2, -100, -100]]
    read, said = next_tokens(text, stop=2, prompt=2)
    assert read.tolist() == [[5, 6, 2], [7, 2, 9]]
    assert said.tolist() == [[-100, 2, -100], [-100, 9, 9]]  # a stop of the prompt's ends nothing
    assert text.tolist() == [[5, 6, 2, 2], [7, 2, 9, 9]]
    for bad, how in ((text[0], {}), (text[:, :1], {}), (text, {"prompt": 4}), (text, {"prompt": -1})):
        with pytest.raises(ValueError, match=r"must be \(N, T\)"):
            next_tokens(bad, **how)


def test_a_teacher_writes_once_and_a_student_of_any_kind_learns_it():
    torch.manual_seed(0)
    teacher, student = (CausalTransformer(6, width=16, layers=1, heads=2, length=8) for _ in range(2))
    asked, prompts = [], torch.randint(6, (10, 2))

    def write(batch):
        asked.append(len(batch))
        return generate(teacher, batch, 6, temperature=0)

    text = written_by(write, prompts, batch_size=4)
    assert asked == [4, 4, 2] and torch.equal(text, generate(teacher, prompts, 6, temperature=0))
    read, said = next_tokens(text, prompt=2)
    history = distill(student, read, [hard_labels(said)], steps=60, batch_size=10)
    assert history["total"][-1] < history["total"][0]


def test_what_is_no_text_is_refused():
    prompts = torch.zeros(3, 2, dtype=torch.int64)
    for wrong in (torch.rand(3, 2), prompts[:, 0], prompts.bool()):
        with pytest.raises(TypeError, match=r"a text is whole numbers \(B, T\), and the teacher wrote"):
            written_by(lambda batch, text=wrong: text, prompts)
    lengths = iter((2, 3))
    with pytest.raises(ValueError, match="texts of 2 and of 3 tokens: fill them to one length"):
        written_by(lambda batch: torch.zeros(len(batch), next(lengths)).long(), prompts, batch_size=2)
    with pytest.raises(ValueError, match="there are no inputs"):
        written_by(lambda batch: batch, prompts[:0])
