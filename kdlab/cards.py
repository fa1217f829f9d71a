"""Cards of trained teachers: whether a file of weights is what its card says; the shipped ones' folder."""

import hashlib
import json
from pathlib import Path

_HERE = Path(__file__).resolve().parent
# In a wheel the teachers lie inside the package, in a clone beside it.
TEACHERS = next(p for p in (_HERE / "shipped" / "teachers", _HERE.parent / "data" / "teachers") if p.exists())

CARD = ("architecture", "options", "num_classes", "command", "sha256")  # and of images: in_chans, input_size


def read_card(path):
    """The card beside a file of weights, and the file's content, whose sha256 is the card's.

    Raises
    ------
    ValueError, FileNotFoundError
        If the card or the file is damaged, or the file is not there.
    """
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        _ = [card[key] for key in CARD]
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"the card {path.with_suffix('.json')} is damaged: {error!r}") from error
    if not path.exists():
        raise FileNotFoundError(f"the card {path.with_suffix('.json')} is there, the weights {path} are not")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ValueError(
            f"{path} is damaged: its sha256 begins {found[:12]}, its card says {card['sha256'][:12]}; "
            f"restore it, or train it again with: {card['command']}"
        )
    return card, content
