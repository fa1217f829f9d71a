"""Lesson 06: which teacher, and what it is taught."""

import copy
from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.core import Exercise, Experiment, Mistake, NotANumber, as_tensor, returned, value
from kdlab.exercises.props import Network, School


def _four_classes():
    """Logits and labels; the second row's largest logit is not at its label."""
    logits = torch.tensor([[6.0, 1.0, 2.0, -3.0], [4.0, 5.0, -1.0, 0.0], [0.0, 2.0, 3.0, 9.0]])
    return logits, torch.tensor([0, 0, 3])


def _five_classes():
    random = torch.Generator().manual_seed(2)
    labels = torch.arange(8) % 5
    return 2 * torch.randn(8, 5, generator=random) + 3 * F.one_hot(labels, 5), labels


def _others(z, y):
    """The logits of the wrong classes, row by row."""
    return z[~F.one_hot(y, z.shape[1]).bool()].view(len(z), -1)


def _spread(z, y, *, over=1, power=1, correction=1):
    return _others(z, y).std(dim=over, correction=correction).pow(power).mean()


WRONG_CLASSES = Exercise(
    "6.1", "What the wrong classes say", see="What smoothing does to a teacher",
    right="What is left when the label is taken away: that is all a soft label can add to a hard one.",
    reference=_spread, observe=value,
    cases={"three rows of four logits": _four_classes, "eight rows of five logits": _five_classes},
    mistakes=[
        Mistake("the right class counted",
            "The right class stands far above the others, and its distance is not what is asked. Take the others only.",
            lambda z, y: z.std(dim=1).mean()),
        Mistake("the right class set to 0, not left out",
            "A 0 in its place is a number like any other, and enters into the spread. Remove the entry.",
            lambda z, y: (z * (1 - F.one_hot(y, z.shape[1]))).std(dim=1).mean(),
            lambda z, y: z.masked_fill(F.one_hot(y, z.shape[1]).bool(), 0.0).std(dim=1).mean()),
        Mistake("the largest left out, not the label",
            "You left out the class that the teacher answers. Where it errs, that is one of the wrong classes.",
            lambda z, y: _spread(z, z.argmax(dim=1))),
        Mistake("the right class alone kept",
            "That is the spread of the right class over the images. It is the others that are asked for.",
            lambda z, y: z.gather(1, y[:, None]).std()),
        Mistake("spread over the images",
            "The spread was taken down each column, over images. One image's wrong classes are to be compared with each other.",
            partial(_spread, over=0), lambda z, y: z.std(dim=0).mean()),
        Mistake("one spread for all images together",
            "Images differ in the level of their logits. Take the spread of each row, then the mean.",
            lambda z, y: _others(z, y).std()),
        Mistake("probabilities in place of logits",
            "Beside a sure answer the probabilities of the wrong classes are all near 0. A temperature brings the logits to light.",
            lambda z, y: _spread(z.softmax(dim=1), y)),
        Mistake("the variance in place of its root", "The standard deviation is the root of the variance.",
            partial(_spread, power=2)),
        Mistake("SD divided by n instead of n - 1",
            "numpy's std divides by n unless ddof=1; torch's divides by n - 1, as is asked here.",
            partial(_spread, correction=0)),
    ],
)  # fmt: skip


def _labels(classes, share):
    labels = torch.randint(classes, (20_000,), generator=torch.Generator().manual_seed(7))
    return labels, classes, share, 3


def _noisy(labels, classes, share, seed, *, seeded=True, chosen=lambda where, share: where,
           new=lambda y, n, random: (y + torch.randint(1, n, y.shape, generator=random)) % n):  # fmt: skip
    """Right by default; ``new`` and ``chosen`` change which label is put in, and where."""
    random = torch.Generator().manual_seed(seed) if seeded else None
    where = chosen(torch.rand(len(labels), generator=random) < share, share)
    return torch.where(where, new(labels, classes, random), labels)


def _even(counts):
    """Whether all counts lie within a quarter of their mean."""
    counts = counts.double()
    return bool(((counts - counts.mean()).abs() < counts.mean() / 4).all())


def _what_noise_does(function, arguments):
    labels, classes, share, seed = arguments
    handed_in = labels.clone()
    noisy = as_tensor(function(handed_in, classes, share, seed)).double()
    if noisy.shape != labels.shape:
        raise NotANumber(f"it returns shape {tuple(noisy.shape)} for {len(labels)} labels.")
    again, other = (as_tensor(function(labels.clone(), classes, share, s)).double() for s in (seed, seed + 1))
    whole = bool((noisy == noisy.round()).all() and noisy.min() >= 0 and noisy.max() < classes)
    wrong = noisy != labels
    halves = [half.double().mean().item() for half in wrong.chunk(2)]
    even = False
    if whole and wrong.any():
        new = noisy[wrong].long()
        shift = (new - labels[wrong]) % classes
        even = _even(shift.bincount(minlength=classes)[1:]) and _even(new.bincount(minlength=classes))
    seen = {
        "labels are whole numbers from 0 to the last class:": whole,
        "the share that is wrong is about": round(10 * wrong.double().mean().item()) / 10,
        "every wrong class occurs equally often:": even,
        "the first half has as many as the second:": abs(halves[0] - halves[1]) < 0.05,
        "the same seed gives the same labels:": torch.equal(noisy, again),
        "another seed gives others:": not torch.equal(noisy, other),
        "the labels handed in are left as they were:": torch.equal(handed_in, labels),
    }
    return {what: torch.tensor(answer) for what, answer in seen.items()}


NOISY_LABELS = Exercise(
    "6.2", "Noisy labels", see="Noisy labels and a clean teacher",
    right="Every wrong class is equally likely, the true one is not among them, and the seed decides.",
    reference=_noisy, observe=_what_noise_does,
    cases={
        "20,000 labels of five classes, share 0.4": partial(_labels, 5, 0.4),
        "ten classes, share 0.2": partial(_labels, 10, 0.2),
    },
    mistakes=[
        Mistake("the true class drawn again",
            "A label drawn from all classes is the right one now and then: with five classes a share of 0.4 leaves "
            "0.32 wrong. Papers differ here, and so do their numbers. Add 1 to classes - 1 to the label instead.",
            partial(_noisy, new=lambda y, n, random: torch.randint(n, y.shape, generator=random))),
        Mistake("class 0 never put in",
            "1 to classes - 1 is what must be *added* to the label, modulo the classes. As a label it leaves class 0 out.",
            partial(_noisy, new=lambda y, n, random: torch.randint(1, n, y.shape, generator=random))),
        Mistake("always the same wrong class",
            "Each class is mistaken for one other only. That is asymmetric noise, another experiment.",
            partial(_noisy, new=lambda y, n, random: (y + 1) % n),
            partial(_noisy, new=lambda y, n, random: (y - 1) % n)),
        Mistake("the kept share in place of the wrong one", "share is how many are to be wrong, not how many stay.",
            partial(_noisy, chosen=lambda where, share: ~where)),
        Mistake("wrong labels all in one place",
            "The first (or last) labels are all wrong and the others all right. Where data are sorted, that hits some classes only.",
            partial(_noisy, chosen=lambda where, share: torch.arange(len(where)) < share * len(where)),
            partial(_noisy, chosen=lambda where, share: torch.arange(len(where)) >= (1 - share) * len(where))),
        Mistake("the seed not used",
            "The same seed gives other labels each time: then the arms of a study would not "
            "share their noise. Give a torch.Generator with this seed to each random function.",
            partial(_noisy, seeded=False)),
        Mistake("one noise for all seeds",
            "Every seed gives the same noise, so that the interval would not know what noise does.",
            lambda labels, classes, share, seed: _noisy(labels, classes, share, 0)),
        Mistake("labels changed in place",
            "The labels handed in were overwritten. The arm with clean labels would be trained on noise as well: clone first.",
            lambda labels, *rest: labels.copy_(_noisy(labels, *rest))),
    ],
)  # fmt: skip


def _scores(own, validation, test):
    return torch.tensor(own), torch.tensor(validation), torch.tensor(test)


def _validation(own, validation, test):
    return validation


def _test(own, validation, test):
    return test


def _choose(pick=_validation, report=_test):
    """Who is best by the mean over the rows of one table, and the mean of another."""

    def code(*scores):
        best = pick(*scores).mean(dim=0).argmax().item()
        return best, report(*scores).mean(dim=0)[best]

    return code


TEACHER = Exercise(
    "6.3", "Choose the teacher", see="Which size, and for how long?",
    right="The student's validation score chooses its teacher; the test set is read once.",
    reference=_choose(), observe=value,
    cases={
        # Rows are seeds, columns teachers. Its own accuracy, single seeds, the mean over seeds and the
        # test scores each point to another teacher.
        "three seeds and four teachers": partial(
            _scores, [97.0, 99.0, 96.0, 98.0],
            [[80.0, 70.0, 92.0, 76.0], [84.0, 78.0, 70.0, 80.0], [82.0, 77.0, 72.0, 81.0]],
            [[76.0, 71.0, 73.0, 79.0], [77.0, 74.0, 70.0, 82.0], [81.0, 75.0, 71.0, 84.0]]),
        "five seeds and three teachers": partial(
            _scores, [90.0, 95.0, 93.0],
            [[60.0, 62.0, 68.0], [64.0, 61.0, 63.0], [59.0, 75.0, 66.0], [61.0, 58.0, 65.0], [62.0, 60.0, 64.0]],
            [[66.0, 61.0, 64.0], [67.0, 60.0, 62.0], [68.0, 64.0, 67.0], [66.0, 59.0, 63.0], [69.0, 62.0, 61.0]]),
    },
    mistakes=[
        Mistake("the best teacher in place of the best student",
            "You took the teacher with the highest accuracy of its own. What counts is how well its student does.",
            _choose(lambda own, validation, test: own[None])),
        Mistake("test set used to choose",
            "Test scores had a say in the result. The best of several is too good: part of it is luck.",
            _choose(_test), _choose(lambda own, validation, test: validation + test),
            _choose(_test, _validation),
            _choose(report=lambda own, validation, test: test.mean(dim=0).max().expand_as(test))),
        Mistake("validation score reported",
            "The choice is right. But the winner's validation score was the largest of several, so it is too high.",
            _choose(report=_validation)),
        Mistake("the median over the seeds", "Intervals are about the mean: report the mean over the seeds.",
            _choose(report=lambda own, validation, test: test.median(dim=0).values.expand_as(test))),
        Mistake("one lucky seed decides",
            "You looked for the highest single score. Take each teacher's mean over the seeds.",
            _choose(lambda own, validation, test: validation.amax(dim=0, keepdim=True)),
            _choose(lambda own, validation, test: validation.amax(dim=0, keepdim=True),
                lambda own, validation, test: test.amax(dim=0, keepdim=True))),
        Mistake("another teacher at each seed",
            "The score mixes several teachers, one a seed. You deploy one: report its own mean.",
            _choose(report=lambda own, validation, test: test.gather(1, validation.argmax(1, True)).expand_as(test))),
        Mistake("mean over the teachers",
            "Rows are seeds. A mean over each row says which seed was easy, not which teacher is good.",
            _choose(lambda own, validation, test: validation.T, lambda own, validation, test: test.T)),
    ],
)  # fmt: skip


def _who_taught_whom(function, arguments):
    school, generations = arguments
    last = returned(function, (school.make_student, school.train, generations), Network, "a student")
    students, teachers, before, knew = torch.tensor(school.taught or [(-2,) * 4]).T
    return {
        "the number of trainings is": torch.tensor(len(school.taught)),
        "every student starts untrained:": (before == 0).all(),
        "every teacher was trained before:": (knew > 0).all(),
        "the students, by number, are": students,
        "their teachers (-1 for labels) are": teachers,
        "the network returned is number": torch.tensor(last.number),
    }


def _loop(make_student, train, generations, *, first=True, next_teacher=lambda t, s: s, result=None, count=0,
          new=lambda make, teacher: make(), who=lambda student, teacher: teacher):  # fmt: skip
    """Right by default; each option is one mistake."""
    teacher = before = student = make_student()
    if first:
        train(teacher, None)
    for _ in range(generations + count):
        student = new(make_student, teacher)
        train(student, who(student, teacher))
        before, teacher = teacher, next_teacher(teacher, student)
    return result(before, student) if result else student


BORN_AGAIN = Exercise(
    "6.4", "Born again", see="Taught by its own kind",
    right="New weights each time, and the last student is the next teacher: only answers are handed down.",
    reference=_loop, observe=_who_taught_whom,
    cases={"two generations": lambda: (School(), 2), "four generations": lambda: (School(), 4)},
    mistakes=[
        Mistake("weights reused",
            "A student that starts with its teacher's weights gives its answers from the first "
            "step on: there is nothing to learn. Each generation starts from new weights.",
            partial(_loop, new=lambda make, teacher: copy.deepcopy(teacher)),
            partial(_loop, new=lambda make, teacher: teacher),
            partial(_loop, new=lambda make, teacher: teacher, who=lambda student, teacher: copy.deepcopy(student))),
        Mistake("its own untrained copy for a teacher",
            "The student was asked to match its own answers. The loss is 0 before training, and nobody knew the digits.",
            partial(_loop, who=lambda student, teacher: copy.deepcopy(student)),
            partial(_loop, who=lambda student, teacher: student)),
        Mistake("nobody learned from labels",
            "The first teacher was never trained, so that chance is handed down. Begin with train(first, None).",
            partial(_loop, first=False)),
        Mistake("always the first teacher",
            "Every generation was taught by generation 0: these are siblings. After each turn the student becomes the teacher.",
            partial(_loop, next_teacher=lambda teacher, student: teacher)),
        Mistake("no teacher in any generation",
            "train(student, None) means labels. Then each generation is a new run of the baseline.",
            partial(_loop, who=lambda student, teacher: None)),
        Mistake("one generation too few",
            "Generation 0, taught by labels, does not count: as many again come after it.",
            partial(_loop, count=-1)),
        Mistake("one generation too many", "The last turn is one more than was asked for.",
            partial(_loop, count=1)),
        Mistake("the last teacher returned",
            "You return the network that taught the last generation, not the last generation.",
            partial(_loop, result=lambda before, student: before)),
    ],
)  # fmt: skip


SMOOTHED_TEACHER = Experiment(
    "6.5", "A smoothed teacher against noise", see="Noisy labels and a clean teacher",
    arms=("clean teacher", "smoothed teacher"),
    meaning={
        "helps": "On these classes, all of which are taught, the flattened wrong classes cost nothing: here they even helped.",
        "hurts": "What the smoothed teacher forgot about the wrong classes was worth something, even where all classes are taught.",
        "same": "The two teachers teach alike, to within the margin: that is said of these two networks.",
        "open": "These pairs cannot tell the two teachers apart. The interval says how much may be between them.",
    },
)  # fmt: skip


EXERCISES = [WRONG_CLASSES, NOISY_LABELS, TEACHER, BORN_AGAIN, SMOOTHED_TEACHER]
