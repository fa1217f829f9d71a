"""Sums with their working, and what is read off written answers, against plain counting."""

import pytest
import torch
import torch.nn.functional as F

from kdlab.data.reasoning import (
    DIGITS,
    EQUALS,
    FILLER,
    MARK,
    TEXT,
    WORKING,
    answer_first,
    examples,
    only_answers,
    questions,
    text,
    to_work,
    two_tasks,
    with_anothers,
    with_filler,
    worked,
)
from kdlab.distill import hard_labels
from kdlab.metrics.reasoning import (
    answers_of,
    majority,
    percent,
    right_answers,
    right_steps,
    tokens_until_answer,
)
from kdlab.teachers import open_teacher
from kdlab.teachers.reasoning import taught, write, writer
from kdlab.teachers.teach import train_teacher


@pytest.fixture(scope="module")
def asked():
    return questions(50, seed=3)


def test_questions_follow_from_their_seed_alone(asked):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    again, other = questions(50, seed=3), questions(50, seed=4)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(asked[:3], again[:3]))
    assert not torch.equal(asked.inputs, other.inputs)


@pytest.mark.parametrize("digits", [2, 5, 7])
@pytest.mark.parametrize("values", [2, 5, 10])
def test_sums_and_answers_are_plain_arithmetic(digits, values):
    asked = questions(30, seed=1, digits=digits, values=values)
    for row, sums, answer in zip(*(t.tolist() for t in asked[:3])):
        assert row[-1] == EQUALS and len(row) == digits + 1
        assert sums == [sum(row[:k]) % 10 for k in range(2, digits + 1)]
        assert answer == sums[-1] // (10 // values)


@pytest.mark.parametrize("how", [{"count": 0}, {"count": 1, "digits": 1}, {"count": 1, "values": 3}])
def test_questions_that_cannot_be_made(how):
    with pytest.raises(ValueError, match=r"must be at least 1 and 2, values=\d+ one of \(2, 5, 10\)"):
        questions(seed=0, **how)


def test_what_follows_a_question(asked):
    assert len(TEXT) == 14 and text(torch.tensor([7, EQUALS, MARK, FILLER, WORKING])) == "7 = # . ~"
    sums, answers = asked.sums, asked.answers[:, None]
    mark = torch.full_like(answers, MARK)
    assert torch.equal(only_answers(asked), torch.cat([mark, answers], 1))
    assert torch.equal(worked(asked), torch.cat([sums, mark, answers], 1))
    assert torch.equal(answer_first(asked), torch.cat([mark, answers, sums], 1))
    assert torch.equal(with_anothers(asked)[1:, :4], sums[:-1])
    assert torch.equal(with_anothers(asked)[:, 4:], worked(asked)[:, 4:])
    assert (with_filler(asked)[:, :4] == FILLER).all()
    assert all(right_answers(make(asked), asked).all() for make in (worked, with_filler, only_answers))


def test_two_tasks_are_told_apart_by_one_token(asked):
    inputs, continuation = two_tasks(asked)
    assert torch.equal(inputs[:50], asked.inputs) and torch.equal(inputs[50:], to_work(asked.inputs))
    assert (inputs[50:, -1] == WORKING).all() and torch.equal(inputs[:50, :-1], inputs[50:, :-1])
    assert torch.equal(continuation[50:], worked(asked))
    assert torch.equal(continuation[:50, :2], only_answers(asked)) and (continuation[:50, 2:] == -100).all()


def test_examples_are_shifted_by_one_and_the_question_does_not_count(asked):
    tokens, labels = examples(asked.inputs, worked(asked))
    whole = torch.cat([asked.inputs, worked(asked)], dim=1)
    assert torch.equal(tokens, whole[:, :-1]) and tokens.shape == labels.shape
    assert (labels[:, :5] == -100).all() and torch.equal(labels[:, 5:], whole[:, 6:])
    tokens, labels = examples(*two_tasks(asked))
    assert tokens.min() >= 0 and (labels[:50] != -100).sum() == 100 and (labels[50:] != -100).sum() == 300
    with pytest.raises(ValueError, match=r"\(50, 6\) and what follows, \(49, 6\)"):
        examples(asked.inputs, worked(asked)[1:])


def test_answers_stand_behind_the_first_mark():
    rows = [[1, 2, MARK, 3], [MARK, 4, MARK, 5], [1, 2, 3, MARK], [1, 2, 3, 4], [MARK, MARK, 1, 1]]
    written = torch.tensor(rows)
    assert answers_of(written).tolist() == [3, 4, -1, -1, MARK]
    assert tokens_until_answer(written).tolist() == [4, 2, 4, 4, 2]
    assert answers_of(written[:, :1]).tolist() == [-1] * 5


def test_a_step_is_judged_by_what_was_written_before_it():
    asked = questions(1, seed=0)
    asked = asked._replace(inputs=torch.tensor([[7, 2, 5, 9, 4, EQUALS]]), sums=torch.tensor([[9, 4, 3, 7]]))
    for steps, right in {
        (9, 4, 3, 7): [1, 1, 1, 1],
        (9, 5, 4, 8): [1, 0, 1, 1],  # one error, carried on
        (9, 5, 3, 7): [1, 0, 0, 1],  # two that cancel
        (8, 4, 3, 7): [0, 0, 1, 1],
    }.items():
        assert right_steps(torch.tensor([[*steps, MARK, 7]]), asked).int().tolist() == [right]


def test_judges_name_both_sides(asked):
    with pytest.raises(ValueError, match=r"\(49, 6\) must be \(50, 1 or more\)"):
        right_answers(worked(asked)[1:], asked)
    with pytest.raises(ValueError, match=r"\(50, 2\) must be \(50, 4 or more\)"):
        right_steps(only_answers(asked), asked)


def test_the_commonest_answer():
    assert majority(torch.tensor([[1, 5, 2], [1, 4, 3], [2, 4, 9]])).tolist() == [1, 4, 2]
    assert percent(torch.tensor([True, False])) == 50.0


def test_a_loss_on_examples_is_the_cross_entropy_of_what_was_written(asked):
    tokens, labels = examples(asked.inputs, worked(asked))
    logits = torch.randn(*tokens.shape, len(TEXT), generator=torch.Generator().manual_seed(0))
    due = F.cross_entropy(logits[:, 5:].flatten(0, 1), worked(asked).flatten())
    torch.testing.assert_close(hard_labels(labels).value(logits, (labels, None, None)), due)


def test_the_shipped_teacher_writes_workings_and_errs():
    asked = questions(40, seed=5)
    teacher = open_teacher("reasoning")
    written = write(teacher.network, asked)
    assert written.shape == (40, DIGITS + 1) and torch.equal(written, write(teacher.network, asked.inputs))
    assert 0 < teacher.card["accuracy"] < 100 and teacher.card["num_classes"] == len(TEXT)


def test_what_is_drawn_follows_from_the_seed():
    network, asked = writer(), questions(40, seed=5)
    first, again, other = (write(network, asked, temperature=1, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_writer_begins_with_all_places_alike_and_a_recipe_leaves_the_draws_alone():
    assert not writer(width=8).place.weight.any()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    network = taught(10, steps=1)
    assert torch.equal(torch.rand(1), expected)
    again = taught(10, steps=1).state_dict()
    assert all(torch.equal(w, again[name]) for name, w in network.state_dict().items())


def test_the_command_trains_it_and_says_how(tmp_path):
    teacher = train_teacher("reasoning", tmp_path, steps=1, progress=False)
    assert teacher.card["command"] == "python -m kdlab teach reasoning --steps 1"
    assert teacher.card["parameters"] == sum(p.numel() for p in teacher.network.parameters())
