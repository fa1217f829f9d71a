"""Exercise 8.5: one setting of one's own, judged by paired students."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="8.5",
    title="Change one thing",
    arms=("hard labels", "distilled"),
    meaning={
        "helps": "With your setting the teacher is worth its time. Whether your setting did that, a run with the old one at the same epochs would say.",
        "hurts": "With your setting labels alone are better. Are the students trained for long enough to follow the teacher?",
        "not shown": "These pairs cannot tell. Before you ship the distilled student, run more seeds, or a longer training.",
    },
    see="The experiment: how patient?",
)
