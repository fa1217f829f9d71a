"""The text of lesson 10, its models and its measures, against plain counting; what 7B to 1B takes."""

import math

import pytest
import torch

from kdlab import budget
from kdlab.data import text as texts
from kdlab.data.text import ALPHABET, PROMPT, WRITTEN, corpus, cut, decode, encode, windows
from kdlab.distill import distill, hard_labels, soft_targets
from kdlab.generation import generate
from kdlab.metrics.text import bits_per_character, distinct, divergence, readings, real_words, vocabulary
from kdlab.models import create_student
from kdlab.teachers import open_teacher
from kdlab.teachers.teach import train_teacher


@pytest.fixture(scope="module")
def own():
    return windows(corpus().student, 2000)


@pytest.fixture(scope="module", params=["neural_ngram", "character_gru"])
def network(request):
    torch.manual_seed(0)
    return create_student(request.param).eval()


def test_the_corpus_is_in_the_alphabet_and_no_piece_is_in_two_parts():
    assert set("".join(corpus())) == set(ALPHABET)
    assert all(decode(encode(part[:500])) == part[:500] for part in corpus())
    pieces = [{part[i : i + 200] for i in range(0, len(part) - 200, 50)} for part in corpus()]
    assert not pieces[0] & pieces[1] and not pieces[0] & pieces[2] and not pieces[1] & pieces[2]


def test_a_damaged_corpus_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "TEXTS", tmp_path)
    texts.write_corpus(tmp_path / "python_docs.txt.xz")
    monkeypatch.setattr(texts, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="its text's sha256 begins [0-9a-f]{12}, not 000000000000"):
        corpus.__wrapped__()


def test_text_is_cleaned_and_dealt_by_topic():
    assert texts.cleaned("A  Class\n----\n\nis “3.14”…\n\n\nÄ|") == 'a class\nis "0.00".\n|'
    topics = {f"topic {i}": f"word{chr(97 + i)} " * 2000 for i in range(26)}
    parts = texts.dealt(topics)
    found = [{w for w in part.split()} for part in parts]
    assert len(parts.held_out) >= texts.HELD_OUT and len(parts.student) >= texts.STUDENT
    assert not found[0] & found[1] and not found[1] & found[2]


def test_labels_are_the_next_characters_and_the_prompt_does_not_count(own):
    text = encode(corpus().student[:2000])
    assert own.inputs.shape == own.labels.shape == ((2000 - PROMPT) // WRITTEN, PROMPT + WRITTEN - 1)
    assert torch.equal(own.inputs[1], text[WRITTEN : WRITTEN + PROMPT + WRITTEN - 1])
    counted = own.labels != -100
    assert (counted.sum(dim=1) == WRITTEN).all()
    assert torch.equal(own.labels[counted], text[PROMPT : PROMPT + WRITTEN * len(own.labels)])
    assert torch.equal(own.prompts, own.inputs[:, :PROMPT])
    again = cut(torch.cat([own.inputs, own.labels[:, -1:]], dim=1))
    assert torch.equal(again.inputs, own.inputs) and torch.equal(again.labels, own.labels)


def test_texts_that_do_not_fit():
    with pytest.raises(ValueError, match="'A' is not among the 50 characters: clean the text first"):
        encode("an A")
    with pytest.raises(ValueError, match="63 characters hold no window of 64"):
        windows("a" * 63)


def test_reading_on_is_reading_from_the_start(network, own):
    tokens = own.inputs[:3]
    with torch.no_grad():
        whole = network(tokens)
        logits, memory = network.continued(tokens[:, :5])
        torch.testing.assert_close(logits, whole[:, 4], rtol=1e-4, atol=1e-5)
        for place in (5, 6):
            logits, memory = network.continued(tokens[:, place : place + 1], memory)
            torch.testing.assert_close(logits, whole[:, place], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            network.continued(tokens[:, 7:30], memory)[0], whole[:, 29], rtol=1e-4, atol=1e-5
        )


def test_what_is_written_is_the_same_without_a_memory(network, own):
    options = {"temperature": 0}
    written = generate(network, own.prompts[:4], 12, **options)
    assert torch.equal(written, generate(lambda tokens: network(tokens), own.prompts[:4], 12, **options))


def test_an_ngram_sees_the_last_characters_alone():
    network, tokens = create_student("neural_ngram", context=4), torch.randint(50, (1, 12))
    other = tokens.clone()
    other[:, :8] = (other[:, :8] + 1) % 50
    same = (network(tokens) == network(other)).all(dim=-1)[0]
    assert same.tolist() == [False] * 11 + [True]


def uniform(tokens):
    return torch.zeros(*tokens.shape, 50)


def test_bits_are_the_definition(own):
    teacher = open_teacher("text")
    assert bits_per_character(uniform, *own) == pytest.approx(math.log2(50))
    p, total, n = teacher(own.inputs[:3]).softmax(dim=-1), 0.0, 0
    for row, labels in zip(p, own.labels[:3].tolist()):
        for place, label in enumerate(labels):
            if label != -100:
                total, n = total - math.log2(row[place, label]), n + 1
    assert bits_per_character(teacher, own.inputs[:3], own.labels[:3]) == pytest.approx(total / n, rel=1e-5)
    with pytest.raises(ValueError, match="must be .N, T. alike, and some label must count"):
        bits_per_character(teacher, own.inputs, own.labels[:, 1:])
    with pytest.raises(ValueError, match="some label must count"):
        bits_per_character(teacher, own.inputs, torch.full_like(own.labels, -100))


def test_distinct_counts_runs():
    tokens = torch.tensor([[1, 2, 1, 2, 1], [1, 2, 1, 3, 1]])
    runs = [tuple(row[i : i + 2]) for row in tokens.tolist() for i in range(4)]
    assert distinct(tokens, 2) == len(set(runs)) / len(runs)
    assert distinct(torch.ones(3, 9, dtype=torch.int64)) == pytest.approx(1 / 18)
    with pytest.raises(ValueError, match=r"tokens \(3, 2\) must be rows of at least 4"):
        distinct(torch.ones(3, 2))


def test_words_that_are_cut_do_not_count():
    known = vocabulary("the class is", "a string")
    assert known == {"the", "class", "is", "string"}
    text = "ing the clazz is stri"
    assert real_words(encode(text)[None], known) == pytest.approx(2 / 5)
    assert real_words(encode("........")[None], known) == 0


def test_divergences_of_two_models_in_bits(own):
    teacher = open_teacher("text")
    assert divergence(teacher, teacher, *own) == pytest.approx(0, abs=1e-5)
    p = teacher(own.inputs)[own.labels != -100].double().softmax(dim=-1)
    forward = math.log2(50) + (p * p.log2()).sum(dim=-1).mean().item()
    reverse = -math.log2(50) - p.log2().mean().item()
    assert divergence(teacher, uniform, *own) == pytest.approx(forward, rel=1e-4)
    assert divergence(teacher, uniform, *own, reverse=True) == pytest.approx(reverse, rel=1e-4)


def test_readings_are_each_of_them(own):
    teacher, student = open_teacher("text"), create_student("neural_ngram")
    written = generate(student, own.prompts[:5], WRITTEN, generator=torch.Generator().manual_seed(0))
    found = readings(student, teacher, own, written, {"the"})
    assert found["bits"] == bits_per_character(student, *own)
    assert found["bits of the judge"] == bits_per_character(teacher, *cut(written))
    assert found["distinct"] == 100 * distinct(written[:, PROMPT:])
    assert found["reverse KL"] == divergence(teacher, student, *cut(written), reverse=True)


def test_the_shipped_teacher_has_read_and_its_recipe_runs(tmp_path):
    teacher, held_out = open_teacher("text"), windows(corpus().held_out, 4000)
    assert bits_per_character(teacher, *held_out) < 0.5 * math.log2(50)
    brief = train_teacher("text", tmp_path, steps=1, progress=False)
    assert brief.card["command"] == "python -m kdlab teach text --steps 1"
    assert brief.card["parameters"] == sum(p.numel() for p in brief.network.parameters())


def test_a_student_learns_from_text_and_from_probabilities(own):
    for terms in (
        [hard_labels(own.labels)],
        [soft_targets(open_teacher("text")(own.inputs), temperature=1, rows=own.labels)],
    ):
        torch.manual_seed(0)
        curves = distill(create_student("neural_ngram"), own.inputs, terms, steps=30, batch_size=8)
        assert curves["total"][-1] < curves["total"][0]


def test_merges_join_the_commonest_pair_and_lose_nothing():
    pairs = texts.learn_merges("abababcab", 2)
    assert pairs[0] == ("a", "b")
    assert texts.split_by("abcab", pairs[:1]) == ["ab", "c", "ab"]
    sentence = corpus().held_out[:300]
    assert "".join(texts.split_by(sentence, texts.learn_merges(corpus().student[:3000], 30))) == sentence


# ---- what a large model takes


def test_memory_is_the_sum_of_stated_parts():
    parts = budget.memory(
        budget.Setting(teacher=7e9, student=1e9, sequences=2, length=1000, vocabulary=128_000)
    )
    assert parts["teacher's weights"] == pytest.approx(14)
    assert parts["gradients"] == pytest.approx(2) and parts["Adam's moments"] == pytest.approx(8)
    assert parts["logits of both, and the student's gradient"] == pytest.approx(3 * 4 * 2000 * 128_000 / 1e9)


def test_operations_are_two_and_six_a_weight_and_token():
    setting = budget.Setting(teacher=7.0, student=1.0, tokens=10)
    assert budget.operations(setting)["the student learns"] == 60
    assert budget.operations(setting)["the teacher answers"] == 140


def test_writing_is_bound_by_memory_until_there_are_enough_sequences():
    few, many = (budget.Setting(sequences=n) for n in (4, 100_000))
    for s in (few, many):
        reckoned = budget.operations(s)["the student writes"] / s.speed / 3600
        assert budget.hours(s, "on-policy")["the student writes"] >= reckoned
    assert budget.hours(few, "on-policy")["the student writes"] == pytest.approx(
        few.tokens / 4 * few.student * few.kept / few.bandwidth / 3600
    )
    assert budget.hours(many, "on-policy")["the student writes"] == pytest.approx(
        budget.operations(many)["the student writes"] / many.speed / 3600
    )


def test_stored_answers_and_settings_that_make_no_sense():
    kept = budget.stored(budget.Setting(vocabulary=1000, tokens=10**9, top=10))
    assert kept == {"all logits": pytest.approx(2000), "top 10": pytest.approx(62)}
    with pytest.raises(ValueError, match="tokens must be above 0, got 0"):
        budget.Setting(tokens=0)
