"""Exercise 2.3: patience."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="2.3",
    title="Patience",
    arms=("hard labels", "T = 20"),
    steps=800,
    meaning={
        "helps": "With patience T = 20 passes hard labels: what it cost before came from too short a training.",
        "hurts": "Some of the cost is left. Compare the gap with that at 200 steps: the difference is what patience bought.",
        "not shown": "The cost is not shown any more. Compare the gap with that at 200 steps, and look at the interval's width.",
    },
    see="The experiment: temperature and the size of the student",
)
