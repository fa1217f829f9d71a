"""English announcements with German references, as writers with habits give them; all from a seed."""

import random
from functools import cache
from typing import NamedTuple

import torch

from kdlab.data.announcements import (
    CITIES,
    DAYS,
    RARE,
    STYLES,
    THINGS,
    Announcement,
    english,
    german,
    renderings,
    with_slip,
)

PAD, BEGIN, END = 0, 1, 2
MARKS = ("<pad>", "<begin>", "<end>")
SOURCE, TARGET = 16, 18  # words of the longest sentence, with its end
SELDOM = 0.01  # a rare city's share of all announcements
UNSEEN = 8  # one meaning in so many is for tests alone
MIX = 2654435761  # Knuth's multiplier: neighbours fall far apart

# How often writers choose what, in per cent: word orders, verbs, forms of the date.
HABITS = tuple(
    {"subject first": 45, "date first": 30, "time first": 25}[style.order] / 100
    * (35, 65)[style.verb] / 100
    * {"long": 65, "short": 35}[style.date] / 100
    for style in STYLES
)  # fmt: skip
COMMONEST = max(range(len(STYLES)), key=HABITS.__getitem__)


class Part(NamedTuple):
    """``whats``, N announcements; their English and a German reference as tokens (N, 16) and (N, 18), int64.

    ``styles`` (N,) are the references' places in ``STYLES``.
    """

    whats: list
    sources: torch.Tensor
    references: torch.Tensor
    styles: torch.Tensor

    def take(self, rows):
        """The part with these rows: a slice, whole numbers or a mask (N,)."""
        places = torch.arange(len(self.whats))[rows]
        return Part([self.whats[i] for i in places.tolist()], *(t[places] for t in self[1:]))


class Vocabulary:
    """Words as numbers; 0, 1 and 2 are padding, beginning and end."""

    def __init__(self, words, length):
        self.words, self.length = (*MARKS, *sorted(words)), length
        self.numbers = {word: number for number, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def encode(self, sentences):
        """Lists of words as tokens (N, length), each closed by END and filled with PAD.

        ValueError for a word that is not known, or a sentence that is too long.
        """
        rows = []
        for words in sentences:
            unknown = [word for word in words if word not in self.numbers]
            if unknown or len(words) >= self.length:
                said = f"{unknown[0]!r} is no word of it" if unknown else f"{len(words)} words are too many"
                raise ValueError(f"{' '.join(words)!r}: {said}, at most {self.length - 1} fit")
            numbers = [self.numbers[word] for word in words]
            rows.append(numbers + [END] + [PAD] * (self.length - 1 - len(numbers)))
        return torch.tensor(rows, dtype=torch.int64).view(-1, self.length)

    def decode(self, tokens):
        """The words of one row (T,), up to its END."""
        numbers = tokens.tolist()
        return [self.words[n] for n in (numbers[: numbers.index(END)] if END in numbers else numbers)]


def padded(tokens):
    """Tokens (N, T) with PAD after the first END of each, whatever stands there."""
    ends = (tokens == END).long()
    return tokens.masked_fill(ends.cumsum(dim=1) > ends, PAD)


def _all_words(write):
    """Every word that can occur: each part in turn runs through all it can be, the others stand still."""
    still = Announcement(0, 0, 0, 0, 0, 0)
    some = [still._replace(thing=t, verb=v) for t in range(len(THINGS)) for v in (0, 1)]
    some += [still._replace(city=c) for c in range(len(CITIES))] + [still._replace(day=d) for d in range(366)]
    some += [still._replace(hour=h) for h in range(24)] + [still._replace(minute=m) for m in range(0, 60, 5)]
    return {word for what in some for words in write(what) for word in words}


ENGLISH = Vocabulary(_all_words(lambda what: [english(what)]), SOURCE)
GERMAN = Vocabulary(_all_words(renderings), TARGET)


def announcements(count, seed=0, *, unseen=False, cities=None, hours=None):
    """``count`` different announcements.

    Parameters
    ----------
    count, seed : int
    unseen : bool
        Draw from one meaning in eight, which is for tests alone; otherwise from all others.
    cities, hours : sequence of int, optional
        Draw evenly from these alone: rare cities, or the hour of midnight, for a test of their own.

    Raises
    ------
    ValueError
        If there are not so many, or none are asked for.
    """
    pool = len(THINGS) * 2 * DAYS * 12 * len(set(cities or CITIES)) * len(set(hours or range(24)))
    most = pool // (2 * UNSEEN if unseen else 2)  # half of all, so that those not drawn yet are found
    if not 1 <= count <= most:
        raise ValueError(f"from 1 to {most:,} different announcements can be drawn here, not {count:,}")
    random_ = random.Random(seed)
    shares = [SELDOM if city in RARE else (1 - SELDOM * len(RARE)) / (len(CITIES) - len(RARE))
              for city in range(len(CITIES))]  # fmt: skip
    found = {}
    while len(found) < count:
        city = random_.choice(cities) if cities else random_.choices(range(len(CITIES)), shares)[0]
        hour = random_.choice(hours) if hours else random_.randrange(24)
        thing, verb, day = random_.randrange(len(THINGS)), random_.randrange(2), random_.randrange(DAYS)
        what = Announcement(thing, city, verb, day, hour, 5 * random_.randrange(12))
        if _is_for_tests(what) == unseen:
            found[what] = None
    return [*found]


def _is_for_tests(what):
    number = 0
    for part in what:
        number = (number * 1471 + part) * MIX % 2**32
    return number >> 16 & 0xFFFF < 0x10000 // UNSEEN


def translation(count, seed=0, *, habits=HABITS, slips=False, **which):
    """A :class:`Part` of ``count`` announcements, each with a reference in a style drawn by ``habits``.

    Parameters
    ----------
    habits : sequence of 12 float
        How often a writer chooses each of ``STYLES``.
    slips : bool
        All writers take 12 AM for noon.
    **which
        As for :func:`announcements`.
    """
    whats, random_ = announcements(count, seed, **which), random.Random(~seed)
    styles = random_.choices(range(len(STYLES)), habits, k=count)
    return as_part(whats, styles, slips=slips)


def as_part(whats, styles, *, slips=False):
    """A :class:`Part` of these announcements, each in its style; ``styles`` are places in ``STYLES``."""
    meant = [with_slip(what) if slips else what for what in whats]
    references = [german(what, STYLES[style]) for what, style in zip(meant, styles, strict=True)]
    tokens = ENGLISH.encode(map(english, whats)), GERMAN.encode(references)
    return Part(whats, *tokens, torch.tensor([*styles]))


def sharpened(habits, power):
    """Habits to that power, as shares: 0 makes all alike, infinity leaves the commonest alone."""
    most = max(habits)
    raised = [(share / most) ** power for share in habits]
    return tuple(share / sum(raised) for share in raised)


@cache
def all_renderings(what):
    """The German tokens (12, 18) of an announcement in each style."""
    return GERMAN.encode(renderings(what))


def marginals(what, habits):
    """How often each word stands at each place, (18, words), where an announcement is written by ``habits``.

    It is what the best possible parallel translator answers: no place hears what another says.
    """
    words = torch.nn.functional.one_hot(all_renderings(what), len(GERMAN)).double()
    return torch.einsum("s,stw->tw", torch.tensor(habits, dtype=torch.float64), words)
