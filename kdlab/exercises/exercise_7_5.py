"""Exercise 7.5: does the teacher's gain survive few bits?"""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="7.5",
    title="Fewer bits",
    arms=("hard labels", "soft targets"),
    meaning={
        "helps": "With your bits the taught student is still ahead. Whether by more or less than in float32, a second study with the plain score would say.",
        "hurts": "With your bits the taught student answers worse: what the teacher gave was lost, and more. Try one bit more.",
        "not shown": "These pairs cannot tell. Coarse weights add their own luck to each student, so that more seeds are needed.",
    },
    see="The experiment: do they add up?",
)
