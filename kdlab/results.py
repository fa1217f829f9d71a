"""Results of studies that are too slow for a lesson: shipped with the run that made them."""

import argparse
import json
import platform
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch

from kdlab.estimates import decimals, in_unit
from kdlab.files import write_atomically
from kdlab.machine import processor
from kdlab.names import nearest, reason
from kdlab.verdicts import MANY, Result

_HERE = Path(__file__).resolve().parent
# In a wheel the results lie inside the package, in a clone beside it.
_IN_WHEEL, _IN_CLONE = _HERE / "shipped" / "results", _HERE.parent / "data" / "results"
RESULTS = _IN_WHEEL if _IN_WHEEL.exists() else _IN_CLONE
_KEPT = (
    "baseline",
    "scores",
    "metric",
    "chosen",
    "planned",
    "training",
    "higher_is_better",
    "margin",
    "seed_list",
)


class Shipped(NamedTuple):
    """What a file of ``data/results`` holds: studies by name, and the card of each one's run."""

    results: dict
    cards: dict

    def __str__(self):
        cards = list(self.cards.values())
        last = {**cards[-1], "minutes": sum(card["minutes"] for card in cards)}
        return f"Shipped, not run here: {last['command']}, {_made(last)}."


def _made(card):
    return (
        f"{card['date']}, {card['minutes']:.0f} minutes, {card['threads']} thread, {card['processor']}, "
        f"torch {card['versions']['torch']}"
    )


def load_results(name, folder=None):
    """The shipped results of that name, or those of another folder, as :class:`Shipped`.

    Each has its scores, verdicts and tables, as :func:`kdlab.study.compare` gives them; the trained
    students are not kept. FileNotFoundError, with the names that come close, if there are none; ValueError
    if the file is of another shape.
    """
    folder = Path(folder or RESULTS)
    path = folder / f"{name}.json"
    if not path.exists():
        known = sorted(p.stem for p in folder.glob("*.json"))
        raise FileNotFoundError(f"no results are called {name!r}{nearest(name, known)}")
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        results = {key: Result(**entry["result"]) for key, entry in kept.items()}
        return Shipped(results, {key: entry["card"] for key, entry in kept.items()})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no results of studies: {reason(error)}") from error


def save_results(name, shipped, folder=None):
    """Write ``folder/name.json``, whole or not at all, and its page ``name.md``; return the path."""
    kept = {
        key: {"card": shipped.cards[key], "result": {field: getattr(result, field) for field in _KEPT}}
        for key, result in shipped.results.items()
    }
    folder = Path(folder or RESULTS)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    for ending, text in ((".json", json.dumps(kept, indent=1) + "\n"), (".md", page(name, shipped))):
        with write_atomically(path.with_suffix(ending)) as file:
            file.write(text.encode())
    return path


def page(name, shipped):
    """The results as Markdown: each study's arms with verdicts, and how they came about."""
    parts = [f"# {name.replace('_', ' ').capitalize()}"]
    for key, result in shipped.results.items():
        settings, card = ", ".join(f"{k} {v}" for k, v in result.training.items()), shipped.cards[key]
        how = f"{result.metric}; {result.seeds} paired seeds; margin {in_unit(result.margin, result.unit)}"
        made = f"{how}{f'; {settings}' if settings else ''}. `{card['command']}`, {_made(card)}."
        corrected = result.after_holm() if len(result.scores) > MANY + 1 else {}
        head = ["arm", "mean", "difference", "95 % interval", "verdict", *["after Holm"] * bool(corrected)]
        lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for arm, scores in result.scores.items():
            compared = ["", "", "baseline", ""]
            if arm != result.baseline:
                estimate = result.estimate(arm)
                mean, low, high = estimate.numbers()
                compared = [mean, f"{low} to {high}", estimate.word + estimate.small(), corrected.get(arm)]
            row = [arm, f"{sum(scores) / len(scores):.{decimals(result.margin)}f}", *compared][: len(head)]
            lines.append(f"| {' | '.join(row)} |")
        parts += [f"## {key}", made, "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def run_card(command, seconds):
    """How a result came about: command, date, minutes, threads, processor, versions."""
    return {
        "command": command,
        "date": date.today().isoformat(),
        "minutes": round(seconds / 60, 1),
        "threads": torch.get_num_threads(),
        "processor": processor(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def run_studies(name, studies, *, seeds, arguments=None):
    """The command line of a file in ``studies/``: run all, or the named ones, and save after each.

    ``name`` is that of the file of results, ``studies`` has by name callables whose ``study(seeds)``
    gives a :class:`kdlab.study.Result`, and ``arguments`` stand in place of the command line's.
    """
    parser = argparse.ArgumentParser(description=f"Run the studies of {name} and store their results.")
    parser.add_argument("only", nargs="*", metavar="STUDY", help=f"default: all of {', '.join(studies)}")
    parser.add_argument("--seeds", type=int, default=seeds, help="paired seeds (default: %(default)s)")
    parser.add_argument("--out", default=RESULTS, help="folder to write to (default: %(default)s)")
    options = parser.parse_args(arguments)
    unknown = [key for key in options.only if key not in studies]
    if unknown:
        parser.error(f"no study is called {unknown[0]!r}{nearest(unknown[0], studies)}")
    kept = Path(options.out) / f"{name}.json"
    shipped = load_results(name, options.out) if options.only and kept.exists() else Shipped({}, {})
    command = f"python studies/{name}.py" + (f" --seeds {options.seeds}" if options.seeds != seeds else "")
    for key in options.only or studies:
        print(f"{name}, {key}", flush=True)
        start = time.time()
        shipped.results[key] = studies[key](options.seeds)
        shipped.cards[key] = run_card(command, time.time() - start)
        print(shipped.results[key], flush=True)
        save_results(name, shipped, options.out)
