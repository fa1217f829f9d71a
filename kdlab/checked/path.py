"""A path to a decision: questions, what to do for each answer, and the verdicts that say why."""

import textwrap
from typing import NamedTuple

from kdlab.checked.stored import find, read
from kdlab.names import nearest, shown


class Choice(NamedTuple):
    """An answer to a question: what to do then, in short and in full, the verdicts behind it, where to go."""

    says: str
    short: str
    do: str
    why: tuple
    next: str


class Question(NamedTuple):
    """A question with its choices by their short names."""

    name: str
    asks: str
    choices: dict


class Path(NamedTuple):
    """The steps that were taken, as (question, choice), and the question that comes next, or None."""

    steps: list
    next: Question | None

    def __str__(self):
        lines = []
        for question, choice in self.steps:
            lines += [f"{question.asks} {choice.says}.", *_wrapped(choice.do)]
            lines += [f"    lesson {one.lesson}, {one.claim!r}: {one.told()}" for one in choice.why]
        if self.next is None:
            return "\n".join([*lines, "That is all."])
        options = (f"    {self.next.name}={key!r}: {one.says}" for key, one in self.next.choices.items())
        return "\n".join([*lines, f"Next: {self.next.asks}", *options])


def questions():
    """The questions by name, in their order."""
    found = {}
    for entry in read("path")["question"]:
        choices = {
            one["name"]: Choice(
                one["says"],
                one["short"],
                one["do"],
                tuple(find(*pointer) for pointer in one.get("why", [])),
                one.get("next", ""),
            )
            for one in entry["choice"]
        }
        found[entry["name"]] = Question(entry["name"], entry["asks"], choices)
    return found


def decide(**answers):
    """Whether to distil, and how: print the result, or ask it for ``steps`` and ``next``.

    Parameters
    ----------
    **answers : str
        What is known, by the names of questions: ``decide()`` says the first question and the answers that it
        takes, ``decide(pool="yes")`` what follows from that one and the next question.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If there is no such question or answer, or it does not come up on this path.
    """
    known, steps = questions(), []
    for name, answer in answers.items():
        if name not in known:
            raise ValueError(f"no question is called {name!r}{nearest(name, known)}")
        if answer not in list(known[name].choices):
            takes = ", ".join(map(repr, known[name].choices))
            raise ValueError(f"{name} is answered by {takes}, got {shown(answer, repr)}")
    question = next(iter(known.values()))
    while question and question.name in answers:
        choice = question.choices[answers[question.name]]
        steps.append((question, choice))
        question = known[choice.next] if choice.next else None
    if unused := set(answers) - {one.name for one, _ in steps}:
        after = question.name if question else "the end"
        raise ValueError(f"{', '.join(sorted(unused))} does not come up on this path, which is at {after}")
    return Path(steps, question)


def _wrapped(text):
    return textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="  ")
