"""Characters of English prose: the part of Python's documentation that Python itself carries.

It differs between Python's versions, so one is shipped, cleaned: lower case, every digit a 0, white space
collapsed, and what is not in the alphabet left out. Whole topics are dealt out: no topic is in two parts.
"""

import hashlib
import lzma
import random
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

ALPHABET = " abcdefghijklmnopqrstuvwxyz0.,:;-_'\"()[]{}=*+<>/|\n"
PROMPT, WRITTEN = 24, 40  # characters of a window: read first, then counted
HELD_OUT, STUDENT, LONGEST = (
    40_000,
    60_000,
    20_000,
)  # characters: of two parts, and of a topic there
SHA256 = "739dfdb0bc619bb7cbc06751f09b3004fffd23baeca8aa89c9cc3e7208ba3264"

_HERE = Path(__file__).resolve().parents[1]
# In a wheel the text lies inside the package, in a clone beside it.
_IN_WHEEL, _IN_CLONE = _HERE / "shipped" / "texts", _HERE.parent / "data" / "texts"
TEXTS = _IN_WHEEL if _IN_WHEEL.exists() else _IN_CLONE
_ALIKE = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."})
_PLACES = {character: place for place, character in enumerate(ALPHABET)}


class Corpus(NamedTuple):
    """Three texts without a topic in common: what the teacher read, the student's own, held out."""

    teacher: str
    student: str
    held_out: str


class Windows(NamedTuple):
    """Pieces of a text (N, PROMPT + WRITTEN - 1): characters int64, and at each place the one that follows.

    Labels that are still of the prompt are -100: what is read first does not count.
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    @property
    def prompts(self):
        """What is read first (N, PROMPT)."""
        return self.inputs[:, :PROMPT]


@cache
def corpus():
    """The shipped :class:`Corpus`.

    Raises
    ------
    ValueError
        If the file is not the one that this version came with.
    """
    path = TEXTS / "python_docs.txt.xz"
    text = lzma.decompress(path.read_bytes())
    found = hashlib.sha256(text).hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} is damaged: its text's sha256 begins {found[:12]}, not {SHA256[:12]}")
    return Corpus(*text.decode("ascii").split("\f"))


def encode(text):
    """Characters (N,) int64, by their place in the alphabet; ValueError names one that is not in it."""
    unknown = sorted(set(text) - set(ALPHABET))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not among the {len(ALPHABET)} characters: clean the text first")
    return torch.tensor([_PLACES[character] for character in text], dtype=torch.int64)


def decode(tokens):
    """The text of characters (N,)."""
    return "".join(ALPHABET[place] for place in tokens.tolist())


def windows(text, characters=None):
    """The :class:`Windows` of a text, or of its first ``characters``: what counts follows without a gap.

    Raises
    ------
    ValueError
        If there is not a single window in it.
    """
    tokens = encode(text if characters is None else text[:characters])
    if len(tokens) < PROMPT + WRITTEN:
        raise ValueError(f"{len(tokens)} characters hold no window of {PROMPT + WRITTEN}")
    return cut(tokens.unfold(0, PROMPT + WRITTEN, WRITTEN))


def cut(pieces):
    """:class:`Windows` of pieces (N, PROMPT + WRITTEN), whoever wrote them."""
    labels = pieces[:, 1:].clone()
    labels[:, : PROMPT - 1] = -100
    return Windows(pieces[:, :-1].contiguous(), labels)


def cleaned(text):
    """Any text in the alphabet of the shipped one."""
    text = re.sub(r"\d", "0", text.lower().translate(_ALIKE))
    text = re.sub(r"[-=*+~^]{4,}", " ", text)  # lines of tables
    text = re.sub(r"\n\s*\n", "\f", text)  # ends of paragraphs, kept
    text = re.sub(r"\s*\n\s*|[ \t]+", " ", text)
    text = re.sub(r"[ \f]*\f[ \f]*", "\n", text)
    return "".join(character for character in text if character in ALPHABET)


def dealt(topics):
    """A :class:`Corpus` of texts by name: topics in a drawn order, to whichever part is not full yet."""
    names, parts = sorted(topics), {"held_out": "", "student": "", "teacher": ""}
    random.Random(0).shuffle(names)
    for name in names:
        text = cleaned(topics[name]) + "\n"
        short = len(text) < LONGEST
        if short and len(parts["held_out"]) < HELD_OUT:
            parts["held_out"] += text
        elif short and len(parts["student"]) < STUDENT:
            parts["student"] += text
        else:
            parts["teacher"] += text
    return Corpus(**parts)


def write_corpus(path):
    """Make the shipped file anew from the running Python's documentation; returns the hash of its text."""
    from pydoc_data.topics import topics

    text = "\f".join(dealt(topics)).encode("ascii")
    Path(path).write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))
    return hashlib.sha256(text).hexdigest()


def learn_merges(text, count):
    """The pairs of parts that stand side by side most often, one after the other, each then joined.

    Byte-pair encoding, by characters, as in Sennrich et al. (2016), "Neural Machine Translation of Rare Words
    with Subword Units", without their ends of words.
    """
    parts, pairs = list(text), []
    for _ in range(count):
        pairs.append(Counter(zip(parts, parts[1:])).most_common(1)[0][0])
        parts = _joined(parts, pairs[-1])
    return pairs


def split_by(text, pairs):
    """The tokens of a text, by the pairs of :func:`learn_merges`."""
    parts = list(text)
    for pair in pairs:
        parts = _joined(parts, pair)
    return parts


def _joined(parts, pair):
    whole, joined = "".join(pair), []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] = whole
        else:
            joined.append(part)
    return joined
