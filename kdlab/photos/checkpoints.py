"""A run on disk: written whole or not at all, refused by any other run."""

import pickle
import sys
import time

import torch

from kdlab.files import write_atomically
from kdlab.photos.identity import refuse_another

NAME = "checkpoint.pt"
PARTS = {"weights": "objective", "optimiser": "optimiser", "schedule": "schedule", "scaler": "scaler"}


def save_checkpoint(run, folder):
    """Replace the folder's checkpoint; on a full disk say so and keep the last one. Returns the time."""
    if run.process.first:
        state = {
            "run": run.identity,
            **{key: getattr(run, part).state_dict() for key, part in PARTS.items()},
            **{key: getattr(run, key) for key in ("step", "rows", "sums", "seconds")},
        }
        try:
            with write_atomically(folder / NAME) as file:
                torch.save(state, file)
            _write_log(run, folder)
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
    refuse_another(path, state["run"], run.identity, "give another --out, or go without --resume")
    for key, part in PARTS.items():
        getattr(run, part).load_state_dict(state[key])
    run.step, run.rows, run.seconds = state["step"], state["rows"], state["seconds"]
    run.sums = state["sums"].to(run.sums)
    if run.process.first:  # it may have been killed between the two
        _write_log(run, folder)


def _write_log(run, folder):
    import pandas as pd

    if run.rows:
        with write_atomically(folder / "log.csv") as file:
            file.write(pd.DataFrame(run.rows).to_csv(index=False).encode())
