"""Each known mistake is told by its own name, and no correct solution is told any."""

import dataclasses
import itertools
import math
import sys
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

import kdlab
from kdlab import exercises, models
from kdlab.exercises.core import NOT_YET, RIGHT, UNKNOWN, WRONG, Exercise, Experiment, known, same
from kdlab.exercises.questions import QUESTIONS
from kdlab.study import Result

ALL = exercises.all_exercises()
WRITTEN = [e for e in ALL.values() if isinstance(e, Exercise)]
each_exercise = pytest.mark.parametrize("exercise", WRITTEN, ids=lambda e: e.id)


def known_codes(exercise):
    """The reference and the code of every mistake, by a name for the failure message."""
    yield f"{exercise.id}, the reference", exercise.reference
    for mistake in exercise.mistakes:
        for i, code in enumerate(mistake.codes):
            yield f"{exercise.id}, {mistake.name}, code {i}", code


@pytest.fixture(autouse=True)
def clean_record():
    exercises._record.clear()


@each_exercise
def test_every_mistake_is_recognised_by_its_own_name(exercise):
    for mistake in exercise.mistakes:
        assert mistake.codes, (exercise.id, mistake.name)
        for i, code in enumerate(mistake.codes):
            outcome = exercise.diagnose(code)
            which = f"{exercise.id}, {mistake.name}, code {i}: {outcome.text}"
            assert outcome.name == mistake.name, which
            assert outcome.status == (RIGHT if mistake.accept else WRONG), which
            assert mistake.says in outcome.text, which
            if not mistake.accept:
                assert "the definition gives" in outcome.text, which
                assert f"See: {exercise.see!r}" in outcome.text, which


@each_exercise
def test_mistakes_differ_from_each_other_and_from_the_reference(exercise):
    seen = {m.name: [known(exercise, code) for code in m.codes] for m in exercise.mistakes}
    assert len(seen) == len(exercise.mistakes)
    seen["the reference"] = [known(exercise, exercise.reference)]
    for (a, ones), (b, others) in itertools.combinations(seen.items(), 2):
        assert not any(same(x, y) for x in ones for y in others), (exercise.id, a, b)


@each_exercise
def test_known_code_is_not_run_again(exercise):
    ran = []

    def observe(function, arguments):
        ran.append(function)
        return exercise.observe(function, arguments)

    fresh = dataclasses.replace(exercise, observe=observe)

    def wrong(*arguments):
        return exercise.mistakes[-1].codes[-1](*arguments)

    first = fresh.diagnose(wrong)
    assert exercise.reference in ran and set(Counter(ran).values()) == {len(exercise.cases)}
    ran.clear()
    assert fresh.diagnose(wrong) == first
    assert ran == [wrong] * len(exercise.cases)


def vandal(*arguments):
    """Ruins whatever it is handed that can be ruined."""
    for argument in arguments:
        if isinstance(argument, nn.Module):
            vandal(*argument.parameters())
        elif isinstance(argument, torch.Tensor):
            with torch.no_grad():
                argument.zero_()
        elif isinstance(argument, list | dict):
            argument.clear()
    torch.manual_seed(1)
    np.random.seed(1)
    return 0.0


@each_exercise
def test_what_is_remembered_is_what_a_fresh_run_gives(exercise):
    remembered = {name: known(exercise, code) for name, code in known_codes(exercise)}
    exercise.diagnose(vandal)
    for name, code in known_codes(exercise):
        for one, other in zip(remembered[name], exercise.seen(code), strict=True):
            assert one.keys() == other.keys(), name
            for what in one:
                torch.testing.assert_close(
                    one[what], other[what], rtol=0, atol=0, equal_nan=True, msg=f"{name}: {what}"
                )


@each_exercise
def test_a_stub_is_not_yet(exercise):
    for stub in (None, ..., lambda *_: None, lambda *_: ...):
        assert exercise.diagnose(stub).status == NOT_YET, (exercise.id, stub)


def test_a_forgotten_return_is_no_stub():
    def forgotten(s, t):
        loss = by_hand(s, t)  # noqa: F841

    assert ALL["1.1"].diagnose(forgotten).name == "nothing returned"


def by_hand(s, t):
    log_p = t - t.logsumexp(1, keepdim=True)
    log_q = s - s.logsumexp(1, keepdim=True)
    return (log_p.exp() * (log_p - log_q)).sum() / len(s)


def module(s, t):
    return nn.KLDivLoss(reduction="batchmean")(s.log_softmax(-1), t.softmax(-1))


def with_log_target(s, t):
    return nn.KLDivLoss(reduction="batchmean", log_target=True)(F.log_softmax(s, 1), F.log_softmax(t, 1))


def in_float64(loss):
    return lambda s, t, *rest: loss(s.double(), t.double(), *rest)


def softened(loss):
    return lambda s, t, T: T**2 * loss(s / T, t / T)


def step_with_detach(student, teacher, images, optimiser):
    teacher.eval()
    targets = teacher(images).detach().softmax(1)
    student.train()
    optimiser.zero_grad(set_to_none=False)
    loss = module(student(images), targets.log())
    loss.backward()
    optimiser.step()
    return loss.item()


def step_with_inference_mode(student, teacher, images, optimiser):
    student.train()
    with torch.inference_mode():
        targets = teacher.train(False)(images)
    loss = by_hand(student(images), targets.clone())
    student.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


def validate_with_numpy(student, images, labels):
    mode = student.training
    student.eval()
    answers = student(images).detach().numpy().argmax(1)
    student.train(mode)
    return float(100 * np.mean(answers == labels.numpy()))


def noisy_with_numpy(labels, classes, share, seed):
    random = np.random.default_rng(seed)
    noisy = labels.numpy().copy()
    hit = random.random(len(noisy)) < share
    noisy[hit] = (noisy[hit] + random.integers(1, classes, hit.sum())) % classes
    return noisy


def born_again_by_recursion(make_student, train, generations):
    teacher = born_again_by_recursion(make_student, train, generations - 1) if generations else None
    student = make_student()
    train(student, teacher)
    return student


def false_alarms_by_scipy(differences):
    def alarmed(study):
        return any(stats.ttest_1samp(study[:k], 0).pvalue < 0.05 for k in range(3, len(study) + 1))

    return sum(map(alarmed, differences)) / len(differences)


def false_alarms_at_once(d):
    n = np.arange(1, d.shape[1] + 1)[2:]
    mean = (d.cumsum(1) / np.arange(1, d.shape[1] + 1))[:, 2:]
    variance = ((d**2).cumsum(1)[:, 2:] - n * mean**2) / (n - 1)
    return torch.tensor(abs(mean) > stats.t.ppf(0.975, n - 1) * np.sqrt(variance / n)).any(1).double().mean()


CORRECT = [
    ("0.1", lambda z: torch.exp(z - z.logsumexp(1, keepdim=True))),
    ("0.1", lambda z: (e := (z - z.amax(1, keepdim=True)).exp()) / e.sum(1, keepdim=True)),
    ("0.1", lambda z: F.softmax(z.double(), dim=-1)),
    ("0.4", false_alarms_by_scipy),
    ("0.4", false_alarms_at_once),
    ("0.2", lambda d: np.array(stats.t.interval(0.95, len(d) - 1, np.mean(d), stats.sem(d)))),
    ("0.2", lambda d: stats.t.interval(0.95, len(d) - 1, np.mean(d), stats.sem(d))),
    ("0.2", lambda d: stats.ttest_1samp(d, 0).confidence_interval(0.95)),
    ("0.2", lambda d: [np.mean(d) + q * np.std(d, ddof=1) / math.sqrt(len(d)) for q in stats.t(len(d) - 1).ppf([0.025, 0.975])]),
    *[("1.1", f(loss)) for loss in (by_hand, module, with_log_target) for f in (lambda x: x, in_float64)],
    ("1.2", step_with_detach),
    ("1.2", step_with_inference_mode),
    ("1.3", lambda s, t, x, a: (lambda v: [s(v), t(v).detach()])(a(x))),
    ("1.4", validate_with_numpy),
    *[("2.1", f(softened(loss))) for loss in (by_hand, module, with_log_target) for f in (lambda x: x, in_float64)],
    ("2.2", lambda s, t, y, T: (s.softmax(1) - F.one_hot(y, s.shape[1])).norm() / (T * ((s / T).softmax(1) - (t / T).softmax(1)).norm())),
    ("2.4", lambda z, T: torch.exp(F.log_softmax(z.double(), 1)).numpy()),
    ("6.1", lambda z, y: np.mean([np.std(np.delete(r, c), ddof=1) for r, c in zip(z.numpy(), y.numpy())])),
    ("6.2", noisy_with_numpy),
    ("6.3", lambda own, validation, test: (k := np.argmax(validation.sum(0)), test.mean(0)[k])),
    ("6.4", born_again_by_recursion),
    ("2.5", lambda scores: (best := sorted(scores, key=lambda T: scores[T]["validation"])[-1], scores[best]["test"])),
]  # fmt: skip


@pytest.mark.parametrize("id", sorted({id for id, _ in CORRECT}))
def test_correct_solutions_written_otherwise_are_right_and_without_a_remark(id):
    for i, solution in enumerate(solution for its, solution in CORRECT if its == id):
        outcome = ALL[id].diagnose(solution)
        assert (outcome.status, outcome.name) == (RIGHT, ""), f"solution {i}: {outcome.text}"


DISTORTIONS = [lambda x, r: x * (1.3 + r), lambda x, r: x + 0.7 + r, lambda x, r: x.abs() ** (1.2 + r) + 3]


@pytest.mark.parametrize(
    "exercise", [e for e in WRITTEN if e.id not in ("3.2", "6.4", "14.1", "15.1")], ids=lambda e: e.id
)
def test_random_wrong_functions_get_an_honest_answer(exercise):
    for seed, (i, distort) in itertools.product(range(3), enumerate(DISTORTIONS)):
        r = torch.rand((), generator=torch.Generator().manual_seed(seed)).item()

        def distorted(*arguments, distort=distort, r=r):
            result = exercise.reference(*arguments)
            if isinstance(result, tuple):
                return tuple(distort(torch.as_tensor(part), r) for part in result)
            return distort(torch.as_tensor(result), r)

        outcome = exercise.diagnose(distorted)
        which = f"distortion {i} with seed {seed}: {outcome.text}"
        assert outcome.status == WRONG and "the definition gives" in outcome.text, which
        # What is said must be so: a factor of a factor, a shift of a shift, and no mistake that it is not.
        assert outcome.name not in {mistake.name for mistake in exercise.mistakes}, which
        assert "looks like this mistake" not in outcome.name, which
        true = (
            f"{1.3 + r:.3g} times",
            f"{0.7 + r:.3g} too large",
            "add up to 1",
            "gradient",
            "in every case",
            UNKNOWN,
        )
        assert any(words in outcome.name for words in true), which


def test_mistakes_with_a_sign_are_found_together():
    def careless(student, teacher, images, optimiser):
        loss = module(student(images), teacher(images))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss

    outcome = ALL["1.2"].diagnose(careless)
    assert outcome.name == "teacher in train mode"
    assert "Beside it: gradient flowing into the teacher" in outcome.text


def test_the_smallest_counter_example_is_shown_with_both_values():
    text = ALL["1.1"].diagnose(lambda s, t: by_hand(s, t) / 3).text
    assert "For two rows of three logits: value " in text and "the definition gives" in text


def test_an_exception_is_shown_as_the_learners_with_its_line(capsys):
    def broken(s, t):
        return s @ t

    exercises.check("1.1", broken)
    said = capsys.readouterr().out
    assert "your code stops at its line" in said and "return s @ t" in said and "RuntimeError" in said
    assert "Traceback" not in said and len(said.splitlines()) == 3


ODD = [
    3,
    "text",
    lambda: 1,
    lambda s, t: "x",
    lambda s, t: {},
    lambda *a: 1 / 0,
    lambda s, t: (s, t),
    print,
    lambda s, t: s[9],
    lambda *a: a[0] > 0,
    lambda *a: a[0][:0],
    lambda *a: torch.eye(2).to_sparse(),
    lambda *a: sys.exit(1),
    Result("a", {"a": [1.0], "b": []}),
]


@pytest.mark.parametrize("id", list(ALL))
def test_nothing_is_ever_raised(id, capsys):
    for i, answer in enumerate(ODD):
        exercises.check(id, answer)
        assert f"{id} " in capsys.readouterr().out, f"odd answer {i}"


def test_what_cannot_be_compared_is_named():
    assert "it returns str, not a number or a tensor." in ALL["1.1"].diagnose(lambda s, t: "x").text
    assert "it returns int, not an optimiser." in ALL["3.2"].diagnose(lambda *_: 3).text
    assert "it returns int, not a student." in ALL["6.4"].diagnose(lambda *_: 3).text


def test_unknown_ids_are_answered_with_those_there_are(capsys):
    exercises.check("9.9", None)
    exercises.answer("9.q9", "a")
    assert "there is no exercise '9.9'; there are 0.1, " in capsys.readouterr().out


def test_an_added_lesson_is_found(tmp_path, monkeypatch):
    (tmp_path / "lesson_99.py").write_text(
        "from types import SimpleNamespace as S\nEXERCISES = [S(id='99.1')]\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(exercises, "__path__", [*exercises.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, "kdlab.exercises.lesson_99", None)  # taken out again afterwards
    del sys.modules["kdlab.exercises.lesson_99"]
    assert list(exercises.all_exercises()) == [*ALL, "99.1"]


def test_the_exercises_of_a_lesson_are_numbered_from_1():
    for lesson in range(9):
        ids = [id for id in ALL if id.startswith(f"{lesson}.")]
        assert ids == [f"{lesson}.{i + 1}" for i in range(len(ids))] and ids, lesson


EXPERIMENTS = [e for e in ALL.values() if isinstance(e, Experiment)]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.id)
def test_an_experiment_checks_the_study_and_the_word(experiment):
    (first, second), (up, down, *others) = experiment.arms, experiment.meaning
    assert others == ["same", "open"]

    def study(*differences):
        if len(differences) > 1:  # as many pairs as it asks for
            differences = (differences * experiment.seeds)[: experiment.seeds]
        scores = {first: [50.0] * len(differences), second: [50.0 + d for d in differences]}
        return Result(first, scores, training={"steps": 800}, words={second: (up, down)})

    result = study(5, 4, 6)
    said = {up: result, down: study(-5, -4, -6), "same": study(0.1, -0.1, 0), "open": study(5, -4, 0)}
    for word, given in said.items():
        assert given.verdict(second) == word
        for right in (word, word.upper(), f" {word.capitalize()}, within 1.0", word.replace(" ", "_")):
            outcome = experiment.diagnose((given, right))
            assert outcome.status == RIGHT and experiment.meaning[word] in outcome.text, right
        for wrong in {up, down, *others, "not shown", "no effect", 3} - {word}:
            name = experiment.diagnose((given, wrong)).name
            assert name == "the verdict does not follow from the interval", wrong
    assert experiment.diagnose([result, up]).status == RIGHT
    assert experiment.diagnose((study(1), up)).name == "too few seeds"
    assert experiment.diagnose((Result(first, {first: [1.0]}), up)).name == "an arm is missing"
    assert experiment.diagnose(("result", up)).name == "no study"
    assert experiment.diagnose((result.against(second), down)).name == "another baseline"
    for nothing in (..., None, (..., ...), (result, ...), result):
        assert experiment.diagnose(nothing).status == NOT_YET


def test_patience_is_about_the_student_of_width_2():
    first, second = ALL["2.3"].arms
    scores = {first: [50.0] * 5, second: [51.0, 52.0, 51.0, 52.0, 53.0]}
    for width, name in {2: "", 8: "another student"}.items():
        students = {second: models.TinyCNN(width)}
        result = Result(first, scores, training={"steps": 800}, students=students)
        assert ALL["2.3"].diagnose((result, "helps")).name == name


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda q: q.id)
def test_every_option_is_explained(question):
    assert len(set(question.why.values())) == len(question.why) >= 3
    for letter, why in question.why.items():
        outcome = question.diagnose(f" {letter.upper()} ")
        assert outcome.status == (RIGHT if letter == question.right else WRONG) and why in outcome.text
    assert question.diagnose(...).status == question.diagnose("z").status == NOT_YET


def test_right_answers_are_spread_over_the_letters():
    assert len({q.right for q in QUESTIONS.values()}) == 3


def test_the_required_mistakes_are_all_there():
    names = " | ".join(m.name for e in WRITTEN for m in e.mistakes)
    for needed in (
        "softmax over the wrong axis", "softmax twice", "KL arguments swapped",
        "probabilities where log-probabilities belong", "mean for batchmean", "missing T squared",
        "T instead of T squared", "temperature on one side only", "temperature kept at inference",
        "argmax taken as a soft label", "cross-entropy in place of KL", "teacher in train mode",
        "gradient flowing into the teacher", "student left in eval mode after validation",
        "teacher and student seeing different augmentations", "test set used to choose",
        "SD read as the interval of the mean", "weights that do not balance", "projector not trained",
        "features compared without projector", "attention map over the wrong axis",
        "Gram matrix without row normalisation", "distances not normalised", "angle at the wrong vertex",
        "diagonal counted", "the true class drawn again", "the best teacher in place of the best student",
        "weights reused", "its own untrained copy for a teacher",
        "timing without warm-up", "mean in place of median", "comparing on other threads",
        "MACs counted as FLOPs", "pruning that only zeroes", "test set used for calibration",
    ):  # fmt: skip
        assert needed in names, needed


def test_progress_and_the_sheet_to_hand_in(tmp_path, capsys):
    exercises.check("1.1", None)
    exercises.check("1.1", lambda s, t: by_hand(t, s))
    exercises.check("1.1", by_hand)
    exercises.check("1.1", lambda s, t: s)  # once right, it stays right
    exercises.answer("1.q1", "b")
    capsys.readouterr()
    kdlab.progress()
    said = capsys.readouterr().out
    assert said.startswith("Lesson 01: 2 of 8 done (1.1, 1.q1).") and "To do: 1.2, 1.3" in said
    for suffix in ("json", "md"):
        exercises.hand_in(tmp_path / f"sheet.{suffix}", name="Ada")
        text = (tmp_path / f"sheet.{suffix}").read_text(encoding="utf-8")
        for part in ("Ada", "no proof against cheating", "KL arguments swapped", torch.__version__):
            assert part in text
    with pytest.raises(ValueError, match=r"must end in \.json or \.md"):
        exercises.hand_in(tmp_path / "sheet.txt")


def test_progress_before_anything_was_checked(capsys):
    kdlab.progress()
    assert capsys.readouterr().out.startswith("Lesson 00: 0 of ")
