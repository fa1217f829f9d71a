"""Exercise 2.3: patience."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="2.3",
    title="Patience",
    arms=("hard labels", "T = 20"),
    right="Compare the gap with that at 200 steps: what is left of it did not come from too short a training.",
    see="The experiment: temperature and the size of the student",
)
