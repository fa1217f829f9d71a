"""Exercise 4.5: another relation."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="4.5",
    title="Another relation",
    arms=("hard labels", "neighbourhoods"),
    meaning={
        "helps": "The neighbourhoods carry what the labels do not. Whether they do better than angles, the two intervals say.",
        "hurts": "At your weight the neighbourhoods cost more than they bring. Another weight may do better: look at validation.",
        "not shown": "These pairs cannot tell at your weight. The interval says how much may be there.",
    },
    see="The experiment: what the labels never taught",
)
