"""Where students get stuck: each exercise's known mistakes with the message that names them."""

from kdlab.exercises import all_exercises

HEAD = """# Where students get stuck

Each exercise knows the mistakes below. Whoever makes one reads its name, the smallest example that shows it, and the sentence beside it here. This page is generated from the exercises themselves.
"""  # noqa: E501


def page():
    """The page as Markdown."""
    parts, lesson = [HEAD], None
    for id, exercise in all_exercises().items():
        if id.split(".")[0] != lesson:
            lesson = id.split(".")[0]
            parts.append(f"## Lesson {int(lesson):02}")
        parts.append(f"### {id} · {exercise.title}")
        if hasattr(exercise, "meaning"):
            parts.append("An experiment of one's own. What the message says of each verdict:")
            rows = list(exercise.meaning.items())
        else:
            rows = [(m.name + (" (accepted)" if m.accept else ""), m.says) for m in exercise.mistakes]
        table = ["| what happened | what the message says |", "|---|---|"]
        parts.append("\n".join([*table, *(f"| {name} | {_cell(says)} |" for name, says in rows)]))
    return "\n\n".join(parts) + "\n"


def _cell(text):
    return text.replace("|", "\\|").replace("\n", " ")
