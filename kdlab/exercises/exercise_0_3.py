"""Exercise 0.3: a study of the learner's own."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="0.3",
    title="Your own number of labels",
    arms=("hard labels", "soft targets"),
    right="The word follows from the interval, whatever you had hoped for.",
    see="The verdict",
)
