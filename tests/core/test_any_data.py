"""Nothing in the loop knows images: tokens, tables, several heads, grids, batches that somebody writes."""

import copy

import pytest
import torch
import torch.nn.functional as F
from sklearn.ensemble import RandomForestClassifier
from torch import nn

from kdlab.distill import Term, distill, features, hard_labels, relations, soft_targets
from kdlab.losses import hint_loss, soft_target_loss
from kdlab.metrics import accuracy, predict
from kdlab.sampling import on_policy, teacher_written
from kdlab.study import compare

N, LENGTH, WORDS = 12, 5, 7


class Tagger(nn.Module):
    """A class for each token; its classifier can be looked into."""

    def __init__(self, width=6):
        super().__init__()
        self.embed, self.rows = nn.Embedding(WORDS, width), nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, WORDS)

    def get_classifier(self):
        return self.head

    def forward(self, tokens, mask=None):
        hidden, _ = self.rows(self.embed(tokens))
        return self.head(hidden if mask is None else hidden * mask[..., None])


class TwoHeads(nn.Module):
    def __init__(self, kind=dict):
        super().__init__()
        self.body, self.kind = nn.Linear(4, 8), kind
        self.species, self.size = nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, rows):
        hidden = self.body(rows).relu()
        heads = {"species": self.species(hidden), "size": self.size(hidden)}
        return heads if self.kind is dict else self.kind(heads.values())


def seeded(make, seed=0):
    torch.manual_seed(seed)
    return make()


@pytest.fixture
def tokens():
    return torch.randint(WORDS, (N, LENGTH), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels(tokens):
    """The next token; the last of each sequence, and all of one sequence, have none."""
    following = tokens.roll(-1, dims=1)
    following[:, -1] = following[3] = -100
    return following


@pytest.fixture
def table():
    return torch.randn(30, 4, generator=torch.Generator().manual_seed(1))


# ---- tokens


def test_a_masked_sequence_model_learns_soft_targets_of_the_rows_that_count(tokens, labels):
    student, teacher = seeded(Tagger), seeded(Tagger, 1)
    answers = predict(teacher, tokens)
    kept = labels != -100
    z = copy.deepcopy(student)(tokens)
    match = [hard_labels(labels, weight=0.1), soft_targets(answers, rows=labels, temperature=2)]
    history = distill(student, tokens, match, steps=1, batch_size=N)
    expected = soft_target_loss(z[kept], answers[kept], temperature=2)
    torch.testing.assert_close(history["soft targets"][0], expected)
    torch.testing.assert_close(history["hard labels"][0], F.cross_entropy(z[kept], labels[kept]))


def test_what_stands_in_rows_that_are_left_out_changes_nothing(tokens, labels):
    answers, weights = torch.randn(N, LENGTH, WORDS, generator=torch.Generator().manual_seed(2)), []
    for garbage in (0.0, 1e6):
        student, spoilt = seeded(Tagger), answers.clone()
        spoilt[labels == -100] = garbage
        distill(student, tokens, [soft_targets(spoilt, rows=labels)], steps=4, batch_size=4)
        weights.append(student.head.weight)
    assert torch.equal(*weights)


def test_a_batch_in_which_nothing_counts_has_loss_zero(tokens):
    nothing = torch.zeros(N, LENGTH, dtype=torch.bool)
    nothing[0, 0] = True
    match = [soft_targets(torch.zeros(N, LENGTH, WORDS), rows=nothing)]
    history = distill(seeded(Tagger), tokens, match, steps=12, batch_size=1)
    assert history["total"].isfinite().all() and (history["total"] == 0).sum() == 11


def test_dict_and_tuple_inputs_are_the_same_inputs(tokens, labels):
    mask, weights = (labels != -100).float(), []
    for inputs in ({"mask": mask, "tokens": tokens}, (tokens, mask)):
        student = seeded(Tagger)
        distill(student, inputs, [hard_labels(labels)], steps=3, batch_size=4)
        weights.append(student.head.weight)
        torch.testing.assert_close(predict(student, inputs, batch_size=5), student(tokens, mask))
    assert torch.equal(*weights)


def test_hidden_states_are_matched_token_by_token_through_a_projector(tokens, labels):
    student, teacher = seeded(Tagger), seeded(lambda: Tagger(9), 1)
    hidden = teacher.rows(teacher.embed(tokens))[0].detach()
    term = features(hidden, "embedding", rows=labels)
    first = copy.deepcopy(student)
    history = distill(student, tokens, [term], steps=1, batch_size=N)
    torch.manual_seed(0)
    projector = copy.deepcopy(term.projector)
    projector.weights = nn.Linear(6, 9)
    kept = labels != -100
    ours = projector(first.rows(first.embed(tokens))[0])
    torch.testing.assert_close(history["total"][0], hint_loss(ours[kept], hidden[kept]))


def test_a_study_of_tokens(tokens, labels):
    part = type("Part", (), {"inputs": tokens, "labels": labels})
    data = type("Data", (), {"train": part, "validation": part, "test": part})
    arms = {
        "labels": lambda d: (d.train.inputs, [hard_labels(d.train.labels)]),
        "teacher": {
            T: lambda d, T=T: (d.train.inputs, [soft_targets(seeded(Tagger, 1), rows=labels, temperature=T)])
            for T in (1, 4)
        },
    }
    result = compare(
        arms, data=lambda _: data, student=Tagger, baseline="labels", seeds=2, steps=2, progress=False
    )
    assert result.seeds == 2 and all(0 <= s <= 100 for scores in result.scores.values() for s in scores)


BAD_TOKENS = [
    (lambda t, y, z: (t, [soft_targets(z, rows=y[:, 1:])]), r"rows \(2, 4\) do not fit \(2, 5, 7\)"),
    (lambda t, y, z: (t, [soft_targets(z[..., :3], rows=y)]), r"\(\d, 3\) differ in classes"),
    (lambda t, y, z: (t, [hard_labels(y[:, 1:])]), r"labels \(12, 4\) do not fit the student's \(2, 5, 7\)"),
    (lambda t, y, z: (t, [hard_labels(y.clamp(min=-100) + 5)]), "the student has 7 classes"),
    (lambda t, y, z: (t[:9], [hard_labels(y)]), "hard labels has 12 targets for 9 inputs"),
    (lambda t, y, z: (t, [soft_targets(z, rows=y[:9])]), "soft targets has 9 rows for 12 inputs"),
    (lambda t, y, z: (t.float(), [hard_labels(y)]), r"Tagger does not take inputs float32 \(12, 5\)"),
    (lambda t, y, z: ({"tokens": t, "mask": y[:9]}, [hard_labels(y)]), r"got \(12, 5\) and \(9, 5\)"),
    (lambda t, y, z: ({"words": t}, [hard_labels(y)]), r"Tagger does not take inputs words: int64 \(12, 5\)"),
]  # fmt: skip


@pytest.mark.parametrize("make, message", BAD_TOKENS)
def test_bad_tokens_are_named_before_training(tokens, labels, make, message):
    student = seeded(Tagger)
    before = copy.deepcopy(student.state_dict())
    with pytest.raises(ValueError, match=message) as caught:
        distill(student, *make(tokens, labels, torch.zeros(N, LENGTH, WORDS)), steps=2)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[k], v) for k, v in student.state_dict().items())


def test_answers_for_many_rows_an_input_must_say_which_count():
    with pytest.raises(
        ValueError, match=r"teacher logits \(12, 5, 7\) hold several predictions an input: say by rows="
    ):
        soft_targets(torch.zeros(N, LENGTH, WORDS))


# ---- batches that somebody writes


def continued(student, prompts):
    """The likeliest next tokens, appended one after the other."""
    for _ in range(LENGTH - 2):
        prompts = torch.cat([prompts, student(prompts)[:, -1:].argmax(-1)], dim=1)
    return prompts


def test_on_policy_batches_are_what_the_student_writes_as_it_is_then(tokens):
    student, teacher, seen = seeded(Tagger), seeded(Tagger, 1).train(), []

    def generate(network, prompts):
        assert not torch.is_grad_enabled() and not network.training
        seen.append((copy.deepcopy(network), prompts))
        return continued(network, prompts)

    def asked(inputs):
        torch.testing.assert_close(inputs, continued(*seen[-1])[: len(inputs)])
        return predict(teacher, inputs)

    written = torch.ones(4, LENGTH, dtype=torch.bool)
    source = on_policy(generate, tokens[:, :2], batch_size=4, seed=3)
    match = [soft_targets(asked, rows=lambda inputs: written[: len(inputs)])]
    history = distill(student, source, match, steps=6)
    assert len(history["total"]) == 6 and len(seen) == 7  # one batch is made to look at before training
    assert not torch.equal(seen[-1][0].head.weight, seen[1][0].head.weight) and teacher.training
    assert not student.training


def test_the_teacher_writes_and_the_student_learns_its_words(tokens):
    teacher = seeded(Tagger, 1)
    source = teacher_written(lambda prompts: continued(teacher, prompts), tokens[:, :2], batch_size=4)
    following = lambda inputs: F.pad(inputs[:, 1:], (0, 1), value=-100)  # noqa: E731
    first = seeded(Tagger)
    batch = next(iter(source(first)))
    history = distill(copy.deepcopy(first), source, [hard_labels(following)], steps=3)
    z, y = first(batch)[:, :-1].flatten(0, 1), batch[:, 1:].flatten()
    torch.testing.assert_close(history["total"][0], F.cross_entropy(z, y))


def test_written_batches_follow_the_seed(tokens):
    teacher = seeded(Tagger, 1)
    runs = []
    for seed in (0, 0, 1):
        source = teacher_written(lambda p: continued(teacher, p), tokens[:, :2], batch_size=4, seed=seed)
        student = seeded(Tagger)
        distill(student, source, [soft_targets(teacher, rows=lambda i: i >= 0)], steps=2)
        runs.append(student.head.weight)
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_who_draws_at_random_leaves_the_callers_random_state_alone(tokens):
    def drawn(student, prompts):
        return torch.cat([prompts, torch.randint(WORDS, (len(prompts), 2))], dim=1)

    runs = []
    for _ in range(2):
        torch.manual_seed(5)
        expected, student = torch.rand(1), seeded(Tagger)
        torch.manual_seed(5)
        match = [soft_targets(seeded(Tagger, 1), rows=lambda inputs: inputs >= 0)]
        torch.manual_seed(5)
        distill(student, on_policy(drawn, tokens[:, :2], batch_size=4), match, steps=2)
        assert torch.equal(torch.rand(1), expected)
        runs.append(student.head.weight)
    assert torch.equal(*runs)


def test_bad_sources_of_batches_are_named(tokens, labels):
    source = on_policy(continued, tokens[:, :2], batch_size=4)
    with pytest.raises(
        ValueError, match="hard labels has targets that stand in rows, but the batches are made"
    ):
        distill(seeded(Tagger), source, [hard_labels(labels)])
    with pytest.raises(ValueError, match="0 prompts in batches of 4: both must be at least 1"):
        on_policy(continued, tokens[:0], batch_size=4)
    few = lambda student: iter([tokens[:4]] * 3)  # noqa: E731
    with pytest.raises(ValueError, match="the inputs gave 3 batches for 5 steps"):
        distill(seeded(Tagger), few, [soft_targets(seeded(Tagger, 1), rows=lambda i: i >= 0)], steps=5)
    lost = [soft_targets(lambda inputs: torch.zeros(1, WORDS))]
    with pytest.raises(ValueError, match=r"<lambda> gives float32 \(1, 7\) for 2 inputs"):
        distill(seeded(Tagger), source, lost)


# ---- tables


def test_a_tabular_student_of_a_tree_ensemble(table):
    classes = (table[:, 0] > 0).long() + (table[:, 1] > 0).long()
    forest = RandomForestClassifier(10, random_state=0).fit(table.numpy(), classes.numpy())
    answers = predict(forest, table)
    probabilities = torch.tensor(forest.predict_proba(table.numpy()), dtype=torch.float32)
    torch.testing.assert_close(answers.softmax(1), probabilities, atol=1e-4, rtol=0)
    weights = []
    for teacher in (answers, forest):  # asked before training, or about each batch
        student = seeded(lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
        history = distill(student, table, [soft_targets(teacher, temperature=1)], steps=5)
        weights.append(student[2].weight)
        assert history["total"].isfinite().all()
    torch.testing.assert_close(*weights)


def test_arrays_and_lists_are_taken_as_they_come(table):
    classes, soft = (table[:, 0] > 0).long(), torch.randn(30, 2, generator=torch.Generator().manual_seed(3))
    weights = []
    for inputs, labels, answers in (
        (table, classes, soft),
        (table.numpy(), classes.tolist(), soft.numpy()),
    ):
        student = seeded(lambda: nn.Linear(4, 2))
        distill(student, inputs, [hard_labels(labels), soft_targets(answers)], steps=3)
        weights.append(student.weight)
    assert torch.equal(*weights)


def test_a_program_is_a_teacher(table):
    def program(rows):
        return [[5.0, -5.0] if row[0] > 0 else [-5.0, 5.0] for row in rows.tolist()]

    student = seeded(lambda: nn.Linear(4, 2))
    z = copy.deepcopy(student)(table)
    history = distill(student, table, [soft_targets(program)], steps=1, batch_size=30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    expected = soft_target_loss(z[order], torch.tensor(program(table[order])))
    torch.testing.assert_close(history["total"][0], expected)


@pytest.mark.parametrize(
    "teacher, message",
    [
        (lambda rows: torch.zeros(len(rows), 5), r"\(1, 3\) and teacher logits \(1, 5\) differ in classes"),
        (lambda rows: torch.zeros(len(rows) + 1, 3), r"gives float32 \(3, 3\) for 2 inputs"),
    ],
)
def test_a_teacher_that_does_not_fit_is_named_before_training(table, teacher, message):
    with pytest.raises(ValueError, match=message):
        distill(nn.Linear(4, 3), table, [soft_targets(teacher)])


def test_what_cannot_be_asked(table):
    with pytest.raises(TypeError, match="dict is neither a network nor a fitted classifier nor callable"):
        predict({}, table)
    with pytest.raises(ValueError, match="there are no inputs to ask about"):
        predict(nn.Linear(4, 2), table[:0])
    with pytest.raises(TypeError, match="inputs must be tensors with a row an example, got str"):
        predict(nn.Linear(4, 2), {"rows": "abc"})


# ---- several heads


@pytest.mark.parametrize("kind, names", [(dict, ("species", "size")), (tuple, (0, 1))])
def test_a_model_with_two_heads_is_matched_at_each(table, kind, names):
    student, teacher = seeded(lambda: TwoHeads(kind)), seeded(TwoHeads, 1)
    answers, sizes = predict(teacher, table), torch.arange(30) % 2
    heads = copy.deepcopy(student)(table)
    match = [soft_targets(answers["species"], of=names[0]), hard_labels(sizes, of=names[1])]
    match.append(features(torch.rand(30, 5), "body"))
    history = distill(student, table, match, steps=1, batch_size=30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    expected = soft_target_loss(heads[names[0]][order], answers["species"][order])
    torch.testing.assert_close(history["soft targets"][0], expected)
    torch.testing.assert_close(
        history["hard labels"][0], F.cross_entropy(heads[names[1]][order], sizes[order])
    )
    assert set(predict(student, table)) == {"species", "size"} if kind is dict else True


@pytest.mark.parametrize(
    "term, message",
    [
        (lambda: hard_labels(torch.zeros(30, dtype=torch.int64)), "nothing called 'logits'; there are spec"),
        (lambda: hard_labels(torch.full((30,), 2), of="size"), "from 2 to 2, the student has 2 classes"),
        (lambda: soft_targets(torch.zeros(30, 2), of="species"), r"\(2, 2\) differ in classes"),
        (lambda: soft_targets(torch.zeros(30, 2), of="colour"), "TwoHeads has no layer 'colour'"),
        (lambda: relations(torch.zeros(30, 2)), "nothing called 'embedding'"),
    ],
)  # fmt: skip
def test_heads_that_do_not_fit_are_named(table, term, message):
    with pytest.raises(ValueError, match=message):
        distill(TwoHeads(), table, [term()])


# ---- grids


def test_a_label_for_each_cell_of_a_grid():
    student, images = seeded(lambda: nn.Conv2d(1, 3, 3, padding=1)), torch.rand(6, 1, 4, 4)
    cells = torch.arange(6 * 16).view(6, 4, 4) % 3
    cells[0] = -100
    answers = torch.randn(6, 3, 4, 4)
    z = copy.deepcopy(student)(images)
    kept = cells != -100
    match = [hard_labels(cells), soft_targets(answers, rows=cells)]
    history = distill(student, images, match, steps=1, batch_size=6)
    rows, targets = (t.movedim(1, -1)[kept] for t in (z, answers))
    torch.testing.assert_close(history["hard labels"][0], F.cross_entropy(rows, cells[kept]))
    torch.testing.assert_close(history["soft targets"][0], soft_target_loss(rows, targets))
    assert accuracy(z.movedim(1, -1), cells) == accuracy(rows, cells[kept])


def test_a_term_of_several_targets(table):
    def within(student, low, high):
        return (student.clamp(low, high) - student).square().mean()

    match = [Term("within", (torch.zeros(30, 2), torch.ones(30, 2)), within)]
    assert distill(nn.Linear(4, 2), table, match, steps=2)["within"].isfinite().all()
    with pytest.raises(ValueError, match="within has 29 targets for 30 inputs"):
        distill(nn.Linear(4, 2), table, [Term("within", (torch.zeros(30, 2), torch.ones(29, 2)), within)])
