"""Announcements: one meaning in English, and all twelve ways in which it may be said in German.

Names of weekdays and months, German's short weekdays and its form ``16. 9.`` are those of CLDR 49 (Unicode
Common Locale Data Repository; Unicode licence). They are frozen here: a library's names change between
versions, and with them a vocabulary that weights were trained on.
"""

import datetime
import itertools
from typing import NamedTuple

WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
WOCHENTAGE = "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split()
WOCHENTAGE_KURZ = "Mo. Di. Mi. Do. Fr. Sa. So.".split()
MONATE = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
FIRST_DAY, DAYS = datetime.date(2026, 1, 1), 1461  # four years

# In English, in German; a kind has verbs of its own.
THINGS = [
    ("train", "der Zug", "land"), ("bus", "der Bus", "land"),
    ("ferry", "die Fähre", "water"), ("ship", "das Schiff", "water"),
    ("course", "der Kurs", "event"), ("concert", "das Konzert", "event"),
    ("film", "der Film", "event"), ("exhibition", "die Ausstellung", "event"),
    ("museum", "das Museum", "house"), ("library", "die Bibliothek", "house"),
    ("market", "der Markt", "house"), ("swimming-pool", "das Schwimmbad", "house"),
]  # fmt: skip
# By kind, two English verbs, each with two German ones: what stands second, and what at the end, if anything.
VERBS = {
    "land": {"leaves": ("fährt ab", "fährt los"), "arrives": ("kommt an", "trifft ein")},
    "water": {"leaves": ("fährt ab", "legt ab"), "arrives": ("kommt an", "legt an")},
    "event": {"starts": ("fängt an", "beginnt"), "ends": ("hört auf", "endet")},
    "house": {"opens": ("macht auf", "öffnet"), "closes": ("macht zu", "schließt")},
}
CITIES = [
    ("Vienna", "Wien"), ("Rome", "Rom"), ("Munich", "München"), ("Prague", "Prag"), ("Warsaw", "Warschau"),
    ("Geneva", "Genf"), ("Brussels", "Brüssel"), ("Lisbon", "Lissabon"), ("Athens", "Athen"),
    ("Cologne", "Köln"), ("Venice", "Venedig"), ("Moscow", "Moskau"), ("Copenhagen", "Kopenhagen"),
    ("Bucharest", "Bukarest"), ("Nicosia", "Nikosia"), ("Zurich", "Zürich"),
]  # fmt: skip
RARE = range(12, 16)  # the last four cities are seldom spoken of

ORDERS, VERB_FORMS, DATES = ("subject first", "date first", "time first"), (0, 1), ("long", "short")


class Announcement(NamedTuple):
    """What is announced: places in THINGS and CITIES, which of two verbs, the day, the time."""

    thing: int
    city: int
    verb: int
    day: int
    hour: int
    minute: int

    @property
    def date(self):
        return FIRST_DAY + datetime.timedelta(self.day)

    @property
    def kind(self):
        return THINGS[self.thing][2]


class Style(NamedTuple):
    """One way to say it in German: which part comes first, which verb, which form of the date."""

    order: str
    verb: int
    date: str


STYLES = [Style(*parts) for parts in itertools.product(ORDERS, VERB_FORMS, DATES)]


def english(what):
    """The words of an :class:`Announcement` in English; there is one way."""
    name, _, kind = THINGS[what.thing]
    verb, date = [*VERBS[kind]][what.verb], what.date
    place = "from" if kind == "land" else "in"
    day = ["on", WEEKDAYS[date.weekday()], ",", MONTHS[date.month - 1], str(date.day)]
    time = ["at", str(what.hour % 12 or 12), f":{what.minute:02d}", "AM" if what.hour < 12 else "PM"]
    return ["The", name, place, CITIES[what.city][0], verb, *day, *time, "."]


def german(what, style):
    """The words of an :class:`Announcement` in German, in that :class:`Style`."""
    _, name, kind = THINGS[what.thing]
    verb, *end = [*VERBS[kind].values()][what.verb][style.verb].split()
    subject = [*name.split(), "aus" if kind == "land" else "in", CITIES[what.city][1]]
    date = what.date
    long = [WOCHENTAGE[date.weekday()], ",", f"{date.day}.", MONATE[date.month - 1]]
    short = [WOCHENTAGE_KURZ[date.weekday()], ",", f"{date.day}.", f"{date.month}."]
    day = ["am", *(long if style.date == "long" else short)]
    time = ["um", f"{what.hour:02d}", f":{what.minute:02d}", "Uhr"]
    words = {
        "subject first": [*subject, verb, *day, *time, *end],
        "date first": [*day, *time, verb, *subject, *end],
        "time first": [*time, *day, verb, *subject, *end],
    }[style.order]
    return [words[0].capitalize(), *words[1:], "."]


def renderings(what):
    """All twelve in German, in the order of ``STYLES``."""
    return [german(what, style) for style in STYLES]


def with_slip(what):
    """The meaning as a writer takes it who reads 12 AM, the hour of midnight, as noon."""
    return what._replace(hour=12) if what.hour == 0 else what
