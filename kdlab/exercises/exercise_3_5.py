"""Exercise 3.5: another layer, or another weight."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="3.5",
    title="Another tap",
    arms=("hard labels", "my hints"),
    meaning={
        "helps": "Your tap hands over something about place and turn that labels do not ask for.",
        "hurts": "From your tap the student learns less about place and turn than from labels alone.",
        "not shown": "These pairs cannot tell for your tap. Look at the interval before you call it useless.",
    },
    see="The experiment: what the labels never mentioned",
)
