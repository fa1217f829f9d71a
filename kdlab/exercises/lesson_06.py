"""Lesson 06: which teacher, and what it is taught."""

import copy
from functools import partial

import torch
import torch.nn.functional as F

from kdlab.exercises.choosing import TABLES, by, choose, mean, of_test, of_validation, votes
from kdlab.exercises.core import Exercise, Experiment, Mistake, value
from kdlab.exercises.mislabelling import even_noise, labels_of, what_noise_does
from kdlab.exercises.props import School, in_turn, who_taught_whom


def _four_classes():
    """Logits and labels; the second row's largest logit is not at its label."""
    logits = torch.tensor(
        [[6.0, 1.0, 2.0, -3.0], [4.0, 5.0, -1.0, 0.0], [0.0, 2.0, 3.5, 9.0], [0.5, 7.0, -2.0, 3.0]]
    )
    return logits, torch.tensor([0, 0, 3, 1])


def _six_classes():
    random = torch.Generator().manual_seed(2)
    labels = torch.arange(8) % 6
    return 2 * torch.randn(8, 6, generator=random) + 3 * F.one_hot(labels, 6), labels


def _others(z, y, filled=None):
    """The logits of the wrong classes, row by row; or all, with ``filled`` in place of the right class."""
    right = F.one_hot(y, z.shape[1]).bool()
    return z[~right].view(len(z), -1) if filled is None else z.masked_fill(right, filled)


def _spread(z, y, *, over=1, power=1, correction=1, filled=None):
    return _others(z, y, filled).std(dim=over, correction=correction).pow(power).mean()


def _rows(z, y):
    """The spread of each row's wrong classes: (N,)."""
    return _others(z, y).std(dim=1)


WRONG_CLASSES = Exercise(
    "6.1", "What the wrong classes say", see="What smoothing does to a teacher",
    right="What is left when the label is taken away: that is all a soft label can add to a hard one.",
    reference=_spread, observe=value,
    cases={"four rows of four logits": _four_classes, "eight rows of six logits": _six_classes},
    mistakes=[
        Mistake("the right class counted",
            "The right class stands far above the others, and its distance is not what is asked. Take the others only.",
            lambda z, y: z.std(dim=1).mean(), lambda z, y: z.std(dim=1, correction=0).mean()),
        Mistake("the right class set to 0, not left out",
            "A 0 in its place is a number like any other, and enters into the spread. Remove the entry.",
            partial(_spread, filled=0.0), partial(_spread, filled=0.0, correction=0)),
        Mistake("the right class filled with NaN or infinity",
            "std does not pass over such an entry: one is enough to make the result NaN. Remove it.",
            partial(_spread, filled=float("nan")), partial(_spread, filled=float("-inf"))),
        Mistake("the largest left out, not the label",
            "You left out the class that the teacher answers. Where it errs, that is one of the wrong classes.",
            lambda z, y: _spread(z, z.argmax(dim=1))),
        Mistake("one column left out, not the label",
            "The first (or last) class was left out of every row. The class to leave out is another in each: its label.",
            lambda z, y: z[:, 1:].std(dim=1).mean(), lambda z, y: z[:, :-1].std(dim=1).mean()),
        Mistake("the right class alone kept",
            "That is the spread of the right class over the images. It is the others that are asked for.",
            lambda z, y: z.gather(1, y[:, None]).std()),
        Mistake("the height of the right class",
            "That is how far the right class stands above the others, not how much these differ among themselves.",
            lambda z, y: (z.gather(1, y[:, None])[:, 0] - _others(z, y).mean(dim=1)).mean()),
        Mistake("spread over the images",
            "The spread was taken down each column, over images. One image's wrong classes are to be compared with each other.",
            partial(_spread, over=0), lambda z, y: z.std(dim=0).mean()),
        Mistake("rows cut in the wrong place",
            "What the mask leaves lies row after row: view(len(logits), -1) gives each row its own, view(-1, len(logits)) does not.",
            lambda z, y: _others(z, y).reshape(-1, len(z)).std(dim=0).mean(),
            lambda z, y: _others(z, y).reshape(-1, len(z)).std(dim=1).mean()),
        Mistake("one spread for all images together",
            "Images differ in the level of their logits. Take the spread of each row, then the mean.",
            lambda z, y: _others(z, y).std()),
        Mistake("the mean taken first", "First the spread of each row, then the mean: the other way round it is another number.",
            lambda z, y: _others(z, y).mean(dim=1).std(), lambda z, y: _others(z, y).mean(dim=0).std()),
        Mistake("one number a row, or their sum", "The rows' spreads are right. What is asked for is their mean, one number.",
            _rows, lambda z, y: _rows(z, y).sum()),
        Mistake("the median of the rows", "The rows' spreads are right. Take their mean.",
            lambda z, y: _rows(z, y).median()),
        Mistake("probabilities in place of logits",
            "Beside a sure answer the probabilities of the wrong classes are all near 0. A temperature brings the logits to light.",
            lambda z, y: _spread(z.softmax(dim=1), y), lambda z, y: _spread((z / 4).softmax(dim=1), y),
            lambda z, y: _others(z, y).softmax(dim=1).std(dim=1).mean()),
        Mistake("the variance in place of its root", "The standard deviation is the root of the variance.",
            partial(_spread, power=2)),
        Mistake("the root taken last", "The root of a mean of variances is not the mean of the rows' standard deviations.",
            lambda z, y: _spread(z, y, power=2).sqrt()),
        Mistake("another measure of spread", "That is the range, or the mean distance from the mean. The standard deviation is asked for.",
            lambda z, y: (_others(z, y).amax(dim=1) - _others(z, y).amin(dim=1)).mean(),
            lambda z, y: (_others(z, y) - _others(z, y).mean(dim=1, keepdim=True)).abs().mean()),
        Mistake("SD divided by n instead of n - 1",
            "numpy's std divides by n unless ddof=1; torch's divides by n - 1, as is asked here.",
            partial(_spread, correction=0)),
    ],
)  # fmt: skip


NOISY_LABELS = Exercise(
    "6.2", "Noisy labels", see="Noisy labels and a clean teacher",
    right="Every wrong class is equally likely, the true one is not among them, and the seed decides.",
    reference=even_noise, observe=what_noise_does,
    cases={
        "20,000 labels of five classes, share 0.4": partial(labels_of, 5, 0.4),
        "ten classes, share 0.2": partial(labels_of, 10, 0.2),
    },
    mistakes=[
        Mistake("the true class drawn again",
            "A label drawn from all classes is the right one now and then: with five classes a share of 0.4 leaves "
            "0.32 wrong. Papers differ here, and so do their numbers. Add 1 to classes - 1 to the label instead.",
            partial(even_noise, new=lambda y, n, random: torch.randint(n, y.shape, generator=random))),
        Mistake("class 0 never put in",
            "1 to classes - 1 is what must be *added* to the label, modulo the classes. As a label it leaves class 0 out.",
            partial(even_noise, new=lambda y, n, random: torch.randint(1, n, y.shape, generator=random))),
        Mistake("one wrong class never put in",
            "torch.randint leaves out its upper end: for 1 to classes - 1 that end is classes.",
            partial(even_noise, new=lambda y, n, random: (y + torch.randint(1, n - 1, y.shape, generator=random)) % n)),
        Mistake("always the same wrong class",
            "Each class is mistaken for one other only. That is asymmetric noise, another experiment.",
            *(partial(even_noise, new=new) for new in (
                lambda y, n, random: (y + 1) % n, lambda y, n, random: n - 1 - y, lambda y, n, random: torch.full_like(y, n - 1)))),
        Mistake("labels beyond the last class", "After an addition comes the modulo: a label is 0 to classes - 1.",
            partial(even_noise, new=lambda y, n, random: y + torch.randint(1, n, y.shape, generator=random))),
        Mistake("labels cut off at the last class", "After an addition comes the modulo. clamp makes the last class stand for many.",
            partial(even_noise, new=lambda y, n, random: (y + torch.randint(1, n, y.shape, generator=random)).clamp(max=n - 1))),
        Mistake("ten classes taken for granted", "How many there are is handed over: classes.",
            lambda y, n, share, seed: even_noise(y, 10, share, seed)),
        Mistake("the kept share in place of the wrong one", "share is how many are to be wrong, not how many stay.",
            partial(even_noise, chosen=lambda where, share: ~where)),
        Mistake("every label replaced", "Draw a number for each label, and replace it only where that is below share.",
            partial(even_noise, chosen=lambda where, share: torch.ones_like(where))),
        Mistake("no label replaced", "All labels come back as they were.", lambda y, n, share, seed: y.clone()),
        Mistake("the places, not the labels", "You return which labels are hit. The labels are asked for, all of them.",
            lambda y, n, share, seed: even_noise(torch.zeros_like(y), 2, share, seed)),
        Mistake("wrong labels all in one place",
            "The first (or last) labels are all wrong and the others all right. Where data are sorted, that hits some classes only.",
            partial(even_noise, chosen=lambda where, share: torch.arange(len(where)) < share * len(where)),
            partial(even_noise, chosen=lambda where, share: torch.arange(len(where)) >= (1 - share) * len(where))),
        Mistake("wrong labels at fixed places", "Every second, or fifth, is wrong, whatever the seed. Draw the places as well.",
            partial(even_noise, chosen=lambda where, share: torch.arange(len(where)) % round(1 / share) == 0),
            partial(even_noise, chosen=lambda where, share: torch.arange(len(where)) % 10 < 10 * share)),
        Mistake("the seed not used",
            "The same seed gives other labels each time: then the arms of a study would not "
            "share their noise. Give a torch.Generator with this seed to each random function.",
            partial(even_noise, seeded=False)),
        Mistake("one noise for all seeds",
            "Every seed gives the same noise, so that the interval would not know what noise does.",
            lambda labels, classes, share, seed: even_noise(labels, classes, share, 0)),
        Mistake("labels changed in place",
            "The labels handed in were overwritten. The arm with clean labels would be trained on noise as well: clone first.",
            lambda labels, *rest: labels.copy_(even_noise(labels, *rest))),
    ],
)  # fmt: skip


TEACHER = Exercise(
    "6.3", "Choose the teacher", see="Which size, and for how long?",
    right="The student's validation score chooses its teacher; the test set is read once.",
    reference=choose(), observe=value, cases=TABLES,
    mistakes=[
        Mistake("the best teacher in place of the best student",
            "You took the teacher with the highest accuracy of its own. What counts is how well its student does.",
            *(choose(lambda o, v, t: o, report) for report in (
                of_test(), lambda o, v, t, best: o[best], lambda o, v, t, best: mean(v)[best]))),
        Mistake("the teacher's own accuracy has a say",
            "Added, subtracted or come near to: the teacher is not deployed. Its student's validation score is enough.",
            choose(lambda o, v, t: mean(v) + o), choose(lambda o, v, t: mean(v) - o),
            choose(lambda o, v, t: -(mean(v) - o).abs())),
        Mistake("the teacher's own accuracy reported", "The choice is right. It is the student's accuracy that is asked for.",
            choose(report=lambda o, v, t, best: o[best])),
        Mistake("test set used to choose",
            "Test scores had a say in the result. The best of several is too good: part of it is luck.",
            choose(lambda o, v, t: mean(t)), choose(lambda o, v, t: mean(v + t)), choose(lambda o, v, t: mean(v + t) + o),
            choose(lambda o, v, t: mean(t), lambda o, v, t, best: mean(v)[best]),
            choose(report=lambda o, v, t, best: mean(t).max())),
        Mistake("validation score reported",
            "The choice is right. But the winner's validation score was the largest of several, so it is too high.",
            choose(report=lambda o, v, t, best: mean(v)[best]), choose(report=lambda o, v, t, best: mean(v + t)[best] / 2)),
        Mistake("the median over the seeds", "Intervals are about the mean: choose and report by the mean over the seeds.",
            *by("median")),
        Mistake("one lucky seed decides",
            "You looked for the highest single score. Take each teacher's mean over the seeds.",
            *by("largest"), lambda o, v, t: (v.argmax(), t.flatten()[v.argmax()]),
            choose(lambda o, v, t: v.amax(dim=0), lambda o, v, t, best: t[v[:, best].argmax(), best])),
        Mistake("the worst seed decides", "The lowest single score is luck, too. Take each teacher's mean over the seeds.",
            *by("smallest")),
        Mistake("one seed only", "You looked at one row. Each row is a seed: take the mean over all of them.",
            *by("first"), *by("last"),
            choose(report=lambda o, v, t, best: t[v[:, best].argmax(), best])),
        Mistake("another teacher at each seed",
            "The score mixes several teachers, one a seed. You deploy one: report its own mean.",
            choose(report=lambda o, v, t, best: t.gather(1, v.argmax(1, True)).mean())),
        Mistake("seeds vote", "How often a teacher comes first says nothing about by how much. Take the mean over the seeds.",
            choose(of_validation(votes)), choose(of_validation(lambda v: v.argsort(1).argsort(1).double().mean(dim=0)))),
        Mistake("the spread has a say", "The mean is asked for. How much it varies over the seeds belongs into an interval.",
            choose(of_validation(lambda v: mean(v) - v.std(dim=0))), choose(of_validation(lambda v: -v.std(dim=0)))),
        Mistake("the worst chosen", "argmin finds the lowest accuracy; the highest is wanted.",
            choose(of_validation(lambda v: -mean(v)))),
        Mistake("mean over the teachers",
            "Rows are seeds. A mean over each row says which seed was easy, not which teacher is good.",
            choose(lambda o, v, t: v.mean(dim=1), lambda o, v, t, best: t.mean(dim=1)[best]),
            choose(lambda o, v, t: v.mean(dim=1)), choose(report=lambda o, v, t, best: t.mean())),
        Mistake("no mean over the seeds", "The choice is right. Report one number: the mean of this column, neither the column nor its sum.",
            choose(report=lambda o, v, t, best: t[:, best]), choose(report=lambda o, v, t, best: t[:, best].sum())),
        Mistake("a share in place of percent", "Right, but divided by 100: the tables are in percent.",
            choose(report=lambda o, v, t, best: mean(t)[best] / 100)),
        Mistake("one of the two missing, or their order", "Return both, first the number of the teacher, then the accuracy.",
            lambda *tables: choose()(*tables)[0], lambda *tables: choose()(*tables)[1], lambda *tables: choose()(*tables)[::-1]),
        Mistake("counted from 1", "Right, but columns are counted from 0.",
            lambda *tables: (choose()(*tables)[0] + 1, choose()(*tables)[1])),
    ],
)  # fmt: skip


def _one_for_all(make, teacher, student):
    return student or make()


def _grandparent(make, train, generations):
    line = [make()]
    train(line[0], None)
    for i in range(generations):
        line.append(make())
        train(line[-1], line[max(0, i - 1)])
    return line[-1]


BORN_AGAIN = Exercise(
    "6.4", "Born again", see="Taught by its own kind",
    right="New weights each time, and the last student is the next teacher: only answers are handed down.",
    reference=in_turn, observe=who_taught_whom,
    cases={"two generations": lambda: (School(), 2), "four generations": lambda: (School(), 4)},
    mistakes=[
        Mistake("weights reused",
            "A student that starts with its teacher's weights gives its answers from the first "
            "step on: there is nothing to learn. Each generation starts from new weights.",
            partial(in_turn, new=lambda make, teacher, student: copy.deepcopy(teacher)),
            partial(in_turn, new=lambda make, teacher, student: teacher),
            partial(in_turn, new=lambda make, teacher, student: teacher, who=lambda student, teacher: copy.deepcopy(student))),
        Mistake("one student for all generations",
            "make_student stands before the loop, so that one network is trained again and again. Call it in each turn.",
            partial(in_turn, new=_one_for_all),
            partial(in_turn, new=_one_for_all, next_teacher=lambda teacher, student: copy.deepcopy(student))),
        Mistake("its own untrained copy for a teacher",
            "The student was asked to match its own answers. The loss is 0 before training, and nobody knew the digits.",
            partial(in_turn, who=lambda student, teacher: copy.deepcopy(student)),
            partial(in_turn, who=lambda student, teacher: student)),
        Mistake("student and teacher swapped", "train takes the student first: here the one that knows was taught by the one that does not.",
            partial(in_turn, swapped=True)),
        Mistake("nobody learned from labels",
            "The first teacher was never trained, so that chance is handed down. Begin with train(first, None).",
            partial(in_turn, first=False)),
        Mistake("always the first teacher",
            "Every generation was taught by generation 0: these are siblings. After each turn the student becomes the teacher.",
            partial(in_turn, next_teacher=lambda teacher, student: teacher)),
        Mistake("the grandparent for a teacher", "Each generation is taught by the one just before, not by the one before that.",
            _grandparent),
        Mistake("no teacher in any generation",
            "train(student, None) means labels. Then each generation is a new run of the baseline.",
            partial(in_turn, who=lambda student, teacher: None)),
        Mistake("trained twice in a generation", "One training a generation is asked for: on the teacher's answers, from new weights.",
            partial(in_turn, again="the same"), partial(in_turn, again="labels"), partial(in_turn, again="teacher", first=False)),
        Mistake("one generation too few",
            "Generation 0, taught by labels, does not count: as many again come after it.",
            partial(in_turn, count=-1)),
        Mistake("one generation too many", "The last turn is one more than was asked for.",
            partial(in_turn, count=1)),
        Mistake("one generation, however many were asked for", "Put the turn into a loop: for _ in range(generations).",
            lambda make, train, generations: in_turn(make, train, 1)),
        Mistake("another than the last returned",
            "You return the first network, a new one, or the one that taught the last generation. The last generation is asked for.",
            *(partial(in_turn, result=result) for result in (
                lambda line, make: line[0], lambda line, make: line[-2], lambda line, make: make()))),
        Mistake("the last never trained", "One turn is missing, and a new, untrained network is returned.",
            partial(in_turn, count=-1, result=lambda line, make: make())),
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
