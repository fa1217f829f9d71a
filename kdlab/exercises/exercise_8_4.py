"""Exercise 8.4: from which epoch on asking once has cost less."""

from kdlab.exercises.core import Exercise, Mistake, value


def _break_even(answer, look_up, views, photos, batch_size):
    return views * answer / (answer - look_up)


EXERCISE = Exercise(
    id="8.4",
    title="Break even",
    reference=_break_even,
    observe=value,
    cases={
        "an answer of 4 ms, a look-up of 1 ms, 6 views": lambda: (4.0, 1.0, 6, 100, 20),
        "an answer of 10 ms, a look-up of 2 ms, 3 views": lambda: (10.0, 2.0, 3, 640, 64),
        "an answer of 1 ms, a look-up of 0.2 ms, 8 views": lambda: (1.0, 0.2, 8, 90, 30),
    },
    mistakes=[
        Mistake(
            "upside down",
            (
                lambda a, b, k, n, s: 1 / _break_even(a, b, k, n, s),
                lambda a, b, k, n, s: k * (a - b) / a,
            ),
            "What is spent once stands above, what each epoch saves below.",
        ),
        Mistake(
            "steps in place of epochs",
            (
                lambda a, b, k, n, s: _break_even(a, b, k, n, s) * n / s,
                lambda a, b, k, n, s: _break_even(a, b, k, n, s) * n // s,
            ),
            "An epoch has `photos / batch_size` steps, and each photo is looked up once in it. Epochs are asked for.",
        ),
        Mistake(
            "photos on one side only",
            (
                lambda a, b, k, n, s: n * _break_even(a, b, k, n, s),
                lambda a, b, k, n, s: _break_even(a, b, k, n, s) / n,
            ),
            "As many photos are answered as are looked up in an epoch: their number cancels.",
        ),
        Mistake(
            "the look-up for nothing",
            (lambda a, b, k, n, s: k,),
            "A stored answer has to be read in each epoch, so an epoch saves a little less than an answer.",
        ),
        Mistake(
            "one view for all",
            (lambda a, b, k, n, s: a / (a - b),),
            "The teacher answers once to each view of a photo, not once to each photo.",
        ),
        Mistake(
            "the look-up added",
            (lambda a, b, k, n, s: k * a / (a + b),),
            "An epoch saves an answer and pays a look-up: a difference.",
        ),
    ],
    right="A little more than the number of views: before that, asking always is cheaper.",
    see="What storage costs",
)
