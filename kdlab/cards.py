"""Cards of trained teachers: whether a file of weights is what its card says; the shipped ones' folder."""

import hashlib
from pathlib import Path

from kdlab.files import read_json
from kdlab.names import shown

_HERE = Path(__file__).resolve().parent
# In a wheel the teachers lie inside the package, in a clone beside it.
TEACHERS = next(p for p in (_HERE / "shipped" / "teachers", _HERE.parent / "data" / "teachers") if p.exists())

CARD = {"architecture": str, "options": dict, "num_classes": int, "command": str, "sha256": str}
# Of images the first two; the others are what it is listed by.
MORE = {
    "in_chans": int, "input_size": int, "name": str, "parameters": int, "data": str, "accuracy": int | float,
}  # fmt: skip
ELSEWHERE = {
    "pretrained",
    "checkpoint_path",
}  # options by which a network takes other weights than the card's


def read_card(path):
    """The card beside a file of weights, and the file's content, whose sha256 is the card's.

    Raises
    ------
    ValueError, FileNotFoundError
        If the card or the file is damaged, or the file is not there.
    """
    remedy = "restore it, or train the teacher again"
    card = read_json(path.with_suffix(".json"), remedy, what="the card ", check=_wrong_card)
    if not path.is_file():
        raise FileNotFoundError(f"the card {path.with_suffix('.json')} is there, the weights {path} are not")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ValueError(
            f"{path} is damaged: its sha256 begins {found[:12]}, its card says {card['sha256'][:12]}; "
            f"restore it, or train it again with: {card['command']}"
        )
    return card, content


def _wrong_card(card):
    """What is wrong with a card, or None."""
    for key, kind in {**CARD, **MORE}.items():
        value = card.get(key)
        if key in CARD and value is None:
            return f"there is no {key!r}"
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            return f"its {key!r} is {shown(value, repr)}"
        if kind is int and value is not None and value < 1:
            return f"its {key!r} is {shown(value, repr)}, not 1 or more"
    if elsewhere := ELSEWHERE & set(card["options"]):
        return f"its options name {min(elsewhere)!r}"
    return None
