"""Exercise 5.5: another pair of sources."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="5.5",
    title="Another pair",
    arms=("no effect", "soft targets x mine"),
    meaning={
        "helps": "Together they bring more than the sum of what they bring apart.",
        "hurts": "Together they bring less than the sum: in part, the two hand over the same thing.",
        "not shown": "These pairs cannot tell whether the two add up. An interaction is made of four scores, each "
        "with its noise: it takes about four times as many seeds as a main effect of the same size.",
    },
    see="The experiment: a slice, run here",
)
