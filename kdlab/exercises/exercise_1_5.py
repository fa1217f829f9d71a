"""Exercise 1.5: a control of the learner's own."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="1.5",
    title="Your own control",
    arms=("soft targets", "class means"),
    right="Now you know how much of the gain was special to the image, as far as these pairs can tell.",
    see="Experiment 2: the same fifty images",
)
