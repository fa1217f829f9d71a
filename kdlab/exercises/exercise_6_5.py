"""Exercise 6.5: a smoothed teacher against noise."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="6.5",
    title="A smoothed teacher against noise",
    arms=("clean teacher", "smoothed teacher"),
    meaning={
        "helps": "On these classes, all of which are taught, the flattened wrong classes cost nothing: here they even helped.",
        "hurts": "What the smoothed teacher forgot about the wrong classes was worth something, even where all classes are taught.",
        "not shown": "These pairs cannot tell the two teachers apart. The interval says how much may be between them.",
    },
    see="Noisy labels and a clean teacher",
)
