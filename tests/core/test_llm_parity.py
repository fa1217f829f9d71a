"""Our divergences beside TRL's and torchtune's, where these are installed: ``pip install kdlab[llm]``."""

import importlib.util
import os
from pathlib import Path

import nbformat
import pytest
import torch
from test_divergences import LABELS, gradient, in_term
from test_losses import COUNTED, STUDENT_WORDS, TEACHER_WORDS

from kdlab.data.text import ALPHABET, corpus
from kdlab.losses import (
    generalized_jsd_loss,
    keep_top,
    reverse_kl_loss,
    soft_target_loss,
    top_logits_loss,
)
from kdlab.terms import Term

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")


def same(ours, theirs):
    """Value and gradient, each a function of the student's logits (3, 6, 8), in float64."""
    ours, theirs = (gradient(f, STUDENT_WORDS) for f in (ours, theirs))
    # torchtune computes in float32 whatever it is given
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7, check_dtype=False)
    assert ours[0] > 0.01


# ---- TRL


@pytest.fixture(scope="module")
def trl_jsd():
    return pytest.importorskip("trl.experimental.gkd").GKDTrainer.generalized_jsd_loss


@pytest.mark.parametrize("beta", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("temperature", [1, 2])
def test_trl_generalised_jsd_per_token(trl_jsd, beta, temperature):
    """TRL has no T squared."""

    def ours(student, teacher):
        loss = generalized_jsd_loss(student, teacher, beta=beta, temperature=temperature)
        return loss / temperature**2

    options = {"beta": beta, "temperature": temperature, "labels": LABELS}
    same(in_term(ours), lambda s: trl_jsd(s, TEACHER_WORDS, **options))


@pytest.mark.parametrize("beta, loss", [(0, soft_target_loss), (1, reverse_kl_loss)])
def test_trl_ends_are_the_two_kls(trl_jsd, beta, loss):
    ours = in_term(lambda s, t: loss(s, t, temperature=1))
    same(ours, lambda s: trl_jsd(s, TEACHER_WORDS, labels=LABELS, beta=beta))


def test_trl_without_labels_is_a_sum_over_words_and_a_mean_over_sentences(trl_jsd):
    """Its batchmean then divides (B, L, V) by B: as many times more as a sentence has words."""
    every = torch.ones_like(COUNTED)
    same(lambda s: 6 * in_term(generalized_jsd_loss, every)(s), lambda s: trl_jsd(s, TEACHER_WORDS))


def test_trl_tail_bucket():
    """Of its teacher behind a server: k log-probabilities and one for all others."""
    trl = pytest.importorskip("trl.experimental.server_distillation.server_distillation_trainer")
    if not hasattr(trl, "_add_tail_bucket") or not hasattr(trl, "_jsd_divergence"):
        pytest.skip("this TRL has no tail bucket by that name")
    classes = keep_top(TEACHER_WORDS, 3)[1]

    def bucket(logits):
        kept = logits.log_softmax(-1).gather(-1, classes)
        return trl._add_tail_bucket(kept, torch.ones_like(kept, dtype=torch.bool))

    def theirs(student):
        (s, mask), (t, _) = bucket(student), bucket(TEACHER_WORDS)
        return trl._jsd_divergence(s, t, 0, mask).sum(-1)[COUNTED].mean()

    term = Term("top", keep_top(TEACHER_WORDS, 3), top_logits_loss, rows=LABELS)
    same(lambda s: term.value(s, term.parts), theirs)


LESSON = Path(__file__).parents[2] / "notebooks" / "10_text.ipynb"


@pytest.fixture
def at_work():
    """What lesson 10 defines and runs with TRL."""
    pytest.importorskip("trl.experimental.gkd")
    names = {"Path": Path, "importlib": importlib, "ALPHABET": ALPHABET, "corpus": corpus}
    cells = {cell.id: cell.source for cell in nbformat.read(LESSON, as_version=4).cells}
    for id in ("trl-models", "trl-train"):
        exec(compile(cells[id], id, "exec"), names)
    return names


def test_lesson_10_trains_tiny_models_with_trl(at_work, capsys):
    tokenizer = at_work["tiny_models"](ALPHABET)
    assert tokenizer.decode(tokenizer("a string.")["input_ids"]) == "a string."
    assert at_work["trl_steps"](tokenizer, corpus().student).global_step == 3


def test_trl_refuses_a_teacher_of_another_size_of_vocabulary(at_work):
    import shutil

    at_work["tiny_models"](ALPHABET + "%")
    shutil.move(at_work["FOLDER"] / "teacher", at_work["FOLDER"] / "kept")
    tokenizer = at_work["tiny_models"](ALPHABET)
    shutil.rmtree(at_work["FOLDER"] / "teacher")
    shutil.move(at_work["FOLDER"] / "kept", at_work["FOLDER"] / "teacher")
    with pytest.raises(ValueError, match="vocab"):
        at_work["trl_steps"](tokenizer, corpus().student)


# ---- torchtune


@pytest.fixture(scope="module")
def torchtune_losses():
    return pytest.importorskip("torchtune.modules.loss", exc_type=ImportError)


def by_torchtune(loss):
    return lambda s: loss(s.flatten(0, 1), TEACHER_WORDS.flatten(0, 1), LABELS.flatten())


def with_entropy(ours):
    """torchtune's forward KL is a cross-entropy: the teacher's entropy is in the value."""
    p = TEACHER_WORDS[COUNTED].softmax(-1)
    return lambda s, t: ours(s, t) - (p * p.log()).sum(-1).mean()


def kl(student, teacher):
    return soft_target_loss(student, teacher, temperature=1)


def test_torchtune_forward_kl_has_the_teachers_entropy_in_it(torchtune_losses):
    same(in_term(with_entropy(kl)), by_torchtune(torchtune_losses.ForwardKLLoss()))


def test_torchtune_reverse_kl(torchtune_losses):
    same(in_term(reverse_kl_loss), by_torchtune(torchtune_losses.ReverseKLLoss()))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 1.0])
def test_torchtune_symmetric_kl_is_a_mix_of_two_and_no_jsd(torchtune_losses, ratio):
    theirs = by_torchtune(torchtune_losses.SymmetricKLLoss(sym_kd_ratio=ratio))
    forward = with_entropy(kl)
    same(in_term(lambda s, t: ratio * forward(s, t) + (1 - ratio) * reverse_kl_loss(s, t)), theirs)
    apart = in_term(lambda s, t: generalized_jsd_loss(s, t, beta=0.5))(STUDENT_WORDS)
    assert abs(apart - theirs(STUDENT_WORDS)) > 0.1
