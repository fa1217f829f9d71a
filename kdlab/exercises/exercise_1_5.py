"""Exercise 1.5: a control of the learner's own."""

from kdlab.exercises.core import Experiment

EXERCISE = Experiment(
    id="1.5",
    title="Your own control",
    arms=("soft targets", "class means"),
    meaning={
        "helps": "The class's mean label did better than the image's own: what is special to the image was noise here.",
        "hurts": "What is special to the image was worth something: without it the student is worse.",
        "not shown": "These pairs cannot tell whether what is special to the image matters. More of them might.",
    },
    see="Experiment 2: the same fifty images",
)
