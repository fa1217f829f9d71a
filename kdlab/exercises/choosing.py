"""Choosing a teacher by a table of scores: the tables, and ways of choosing and of reporting.

Rows are seeds, columns teachers. In the two tables together each way of choosing leads to another teacher.
"""

import torch

_THREE_SEEDS = (
    [88, 93, 86, 89, 96],
    [[76, 82, 86, 88, 78], [81, 81, 86, 84, 77], [87, 86, 74, 79, 80]],
    [[78, 79, 74, 76, 75], [77, 76, 74, 79, 75], [73, 82, 72, 78, 79]],
)
_FIVE_SEEDS = (
    [80, 76, 73, 72, 75, 72],
    [[56, 68, 67, 62, 60, 67], [62, 65, 67, 58, 61, 65], [60, 59, 66, 54, 61, 67], [60, 66, 66, 66, 60, 64],
     [70, 64, 63, 56, 57, 64]],
    [[57, 66, 66, 65, 58, 66], [61, 67, 60, 58, 66, 59], [64, 67, 64, 63, 58, 66], [62, 65, 59, 63, 57, 66],
     [61, 59, 58, 59, 67, 58]],
)  # fmt: skip


def _tables(numbers):
    return lambda: tuple(torch.tensor(table, dtype=torch.float32) for table in numbers)


TABLES = {
    "three seeds and five teachers": _tables(_THREE_SEEDS),
    "five seeds and six teachers": _tables(_FIVE_SEEDS),
}


STATISTICS = {
    "median": lambda table: table.median(dim=0).values,
    "largest": lambda table: table.amax(dim=0),
    "smallest": lambda table: table.amin(dim=0),
    "first": lambda table: table[0],
    "last": lambda table: table[-1],
}


def mean(table):
    """Each teacher's mean over the seeds."""
    return table.mean(dim=0)


def votes(table):
    """At how many seeds each teacher is the best."""
    return table.argmax(dim=1).bincount(minlength=table.shape[1]).double()


def of_validation(statistic=mean):
    """Each teacher's worth by the students' validation scores alone."""
    return lambda own, validation, test: statistic(validation)


def of_test(statistic=mean):
    """The accuracy reported, of the teacher chosen, from the students' test scores."""
    return lambda own, validation, test, best: statistic(test)[best]


def choose(worth=None, report=None):
    """Right by default: whom ``worth(own, validation, test)`` places first, and what ``report`` says of it."""
    worth, report = worth or of_validation(), report or of_test()

    def code(own, validation, test):
        best = worth(own, validation, test).argmax().item()
        return best, report(own, validation, test, best)

    return code


def by(name):
    """Another statistic of the seeds than the mean: to choose, to choose and report, or to report."""
    pick, report = of_validation(STATISTICS[name]), of_test(STATISTICS[name])
    return choose(pick), choose(pick, report), choose(report=report)
