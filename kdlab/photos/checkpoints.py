"""A run on disk: written whole or not at all, refused by any other run."""

import csv
import io
import pickle
import sys
import time

import torch

from kdlab.files import write_atomically
from kdlab.photos.settings import default_of

NAME = "checkpoint.pt"


def save_checkpoint(run, folder):
    """Replace the folder's checkpoint; on a full disk say so and keep the last one. Returns the time."""
    if run.process.first:
        state = {
            "run": run.identity,
            "weights": run.objective.state_dict(),
            "optimiser": run.optimiser.state_dict(),
            "schedule": run.schedule.state_dict(),
            "scaler": run.scaler.state_dict(),
            "step": run.step,
            "rows": run.rows,
            "sums": run.sums,
            "seconds": run.seconds,
        }
        try:
            with write_atomically(folder / NAME) as file:
                torch.save(state, file)
            _write_log(run.rows, folder / "log.csv")
        except (OSError, RuntimeError) as error:  # torch's writer turns a full disk into the latter
            print(
                f"kdlab: no checkpoint at step {run.step}: {error}; "
                f"the last one in {folder} stays, and training goes on",
                file=sys.stderr,
            )
    return time.monotonic()


def load_checkpoint(run, folder):
    """Put a run where the folder's checkpoint left off; without one, leave it at the start.

    Raises ValueError if the checkpoint is damaged, or of another run: both sides are named.
    """
    path = folder / NAME
    if not path.exists():
        return
    try:
        state = torch.load(path, map_location=run.process.device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path} is damaged ({str(error).splitlines()[0]}): delete it to start anew"
        ) from error
    for key, ours in run.identity.items():
        # A checkpoint from before an option was there is of a run at its default.
        theirs = state["run"].get(key, default_of(key))
        if theirs != ours:
            raise ValueError(
                f"{path} is of another run; {key}: there {theirs}, now {ours}; "
                f"give another --out, or go without --resume"
            )
    run.objective.load_state_dict(state["weights"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.schedule.load_state_dict(state["schedule"])
    run.scaler.load_state_dict(state["scaler"])
    run.step, run.rows, run.seconds = state["step"], state["rows"], state["seconds"]
    run.sums = state["sums"].to(run.sums)


def _write_log(rows, path):
    """A row an epoch, those before a resume included."""
    if rows:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        with write_atomically(path) as file:
            file.write(text.getvalue().encode())
