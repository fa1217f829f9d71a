"""What was attacked, how, and what happened: ``python docs/attacks.py`` tries it and writes docs/attacks.md.

The table holds words, not numbers: they are the same on any processor. ``--check`` writes nothing and fails
where the page says something else.
"""

import argparse
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from kdlab import losses  # noqa: E402

PAGE = HERE / "attacks.md"
ROWS, WIDTH, TOP = 6, 5, 2
BOUND = 1e3  # of the gradient's largest entry, at inputs of ordinary size
HEAD = """# What was attacked

Made by `python docs/attacks.py`, which tries all of it; a test fails where this page says something else.

## `kdlab distill`

Each attack is tried on a run of its own, on a folder of pictures and a teacher that comes with kdlab. Beside
it stands what the command said or did. Many more of each kind, drawn at random, are tried by the tests.

"""
OF_LOSSES = """## Losses where a side degenerates

Each loss sees a batch of six rows in which one side is ordinary and the other is not. The cells say what the
loss gives, and what flows to the student: *bounded* is below 1,000 with inputs of ordinary size; *none* is 0
everywhere, where the definition has no direction to offer. A loss that does not depend on the scale of its
inputs has a gradient that grows as one over it, as the mathematics says; that of a divergence in which the
student weighs the teacher's logits grows as these.

"""


def sides(shape):
    """Odd inputs of this shape, by what they are in words."""
    random = torch.Generator().manual_seed(1)
    base = torch.randn(shape, generator=random)
    odd = {name: base.clone() for name in ("one row of zeros", "two equal rows", "a NaN", "an infinity")}
    odd["one row of zeros"][0] = 0
    odd["two equal rows"][1] = base[0]
    odd["a NaN"].view(-1)[3] = float("nan")
    odd["an infinity"].view(-1)[3] = float("inf")
    return {
        "all zeros": torch.zeros(shape),
        "one value everywhere": torch.full(shape, 3.0),
        "equal rows": base[:1].expand(shape).clone(),
        "constant but for rounding": 1 + 1e-7 * base,
        **odd,
        "times 1e-20": 1e-20 * base,
        "times 1e20": 1e20 * base,
        "one column": base[:, :1],
        "one row": base[:1],
    }


def names():
    """The losses, which are all public functions of ``kdlab.losses`` that end so."""
    return [name for name in losses.__all__ if name.endswith("_loss")]


def shape_of(name):
    """What the loss takes: maps, or rows."""
    return (ROWS, 4, 3, 3) if name in ("hint_loss", "attention_transfer_loss") else (ROWS, WIDTH)


def ask(name, student, teacher):
    """Value and gradient of a loss, or the ValueError that it raises."""
    student = student.clone().requires_grad_()
    given, options = [teacher], {"top": min(3, student.shape[1])} if name.startswith("rank") else {}
    if name == "decoupled_loss":
        given += [torch.arange(len(student)) % student.shape[1]]
    elif name == "top_logits_loss":
        given = losses.keep_top(teacher, min(TOP, teacher.shape[1]))
    try:
        value = getattr(losses, name)(student, *given, **options)
    except ValueError as error:
        return error
    (gradient,) = torch.autograd.grad(value, student)
    return value.detach(), gradient


def in_words(found, what):
    """What the loss did, as a cell of the table, of a side that is ``what``."""
    if isinstance(found, ValueError):
        return "refused"
    value, gradient = found
    if not value.isfinite():
        return "NaN" if value.isnan() else "infinite"
    if not gradient.isfinite().all():
        return "finite, gradient NaN"
    largest = gradient.abs().max()
    grown = "as the scale" if what == "times 1e20" else "as one over the scale"
    size = "none" if largest == 0 else "bounded" if largest < BOUND else grown
    return f"finite, gradient {size}"


def tried(name):
    """A loss's two cells, student odd and teacher odd, by the odd input."""
    ordinary = torch.randn(shape_of(name), generator=torch.Generator().manual_seed(2))
    cells = {}
    for what, odd in sides(shape_of(name)).items():
        other = ordinary[: len(odd), : odd.shape[1]]
        cells[what] = in_words(ask(name, odd, other), what), in_words(ask(name, other, odd), what)
    return cells


def of_losses():
    """The part of the page that is about losses."""
    parts = [OF_LOSSES]
    for name in names():
        parts += [
            f"### `{name}`\n\n| a side that is | student's side | teacher's side |\n| --- | --- | --- |\n"
        ]
        parts += [f"| {what} | {ours} | {theirs} |\n" for what, (ours, theirs) in tried(name).items()]
        parts += ["\n"]
    return "".join(parts).rstrip() + "\n"


def page():
    import attacks_on_tool

    return HEAD + attacks_on_tool.table() + of_losses()


def main(arguments=None, path=PAGE):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    text = page()
    if parser.parse_args(arguments).check:
        if path.read_text(encoding="utf-8") != text:
            print(f"{path} is not what happens: run python docs/attacks.py")
            return 1
        return 0
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
