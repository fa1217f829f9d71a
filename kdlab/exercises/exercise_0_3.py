"""Exercise 0.3: a study of the learner's own."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="0.3",
    title="Your own number of labels",
    arms=("hard labels", "soft targets"),
    meaning={
        "helps": "At your number of labels the gain is still there.",
        "hurts": "At your number of labels the teacher's answers cost accuracy.",
        "not shown": "These pairs cannot tell; the interval says how large the gain may still be.",
    },
    see="The verdict",
)
