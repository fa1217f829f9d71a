"""A run on disk: written whole or not at all, refused if it is damaged, and by any other run."""

import sys
import time

import torch

from kdlab.files import check_seal, write_atomically, write_sealed
from kdlab.names import reason
from kdlab.photos.identity import refuse_another

NAME = "checkpoint.pt"
PARTS = {"weights": "objective", "optimiser": "optimiser", "schedule": "schedule", "scaler": "scaler"}
COUNTS = {"step": int, "rows": list, "sums": torch.Tensor, "seconds": float}
REMEDY = "delete it, and --resume trains this network anew"


def save_checkpoint(run, folder):
    """Replace the folder's checkpoint; on a full disk say so and keep the last one. Returns the time."""
    if run.process.first:
        state = {
            "run": run.identity,
            **{key: getattr(run, part).state_dict() for key, part in PARTS.items()},
            **{key: getattr(run, key) for key in COUNTS},
        }
        try:
            with write_sealed(folder / NAME) as file:
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
        check_seal(path)
        state = torch.load(path, map_location=run.process.device, weights_only=True)
        _check_shape(state)
    except Exception as error:  # unpickling raises whatever it likes
        raise ValueError(f"{path} is damaged ({reason(error)}): {REMEDY}") from error
    refuse_another(path, state["run"], run.identity, "give another --out, or go without --resume")
    try:
        for key, part in PARTS.items():
            getattr(run, part).load_state_dict(state[key])
        run.step, run.rows, run.seconds = state["step"], state["rows"], state["seconds"]
        run.sums = state["sums"].to(run.sums).view_as(run.sums)
    except Exception as error:  # an optimiser that is not given its own raises whatever comes
        raise ValueError(f"{path} does not fit this run ({reason(error)}): {REMEDY}") from error
    if not (0 <= run.step <= run.steps and len(run.rows) == run.step // run.steps_an_epoch):
        raise ValueError(f"{path} does not fit this run ({run.step} of {run.steps} steps): {REMEDY}")
    if run.process.first:  # it may have been killed between the two
        _write_log(run, folder)


def _write_log(run, folder):
    import pandas as pd

    if run.rows:
        with write_atomically(folder / "log.csv") as file:
            file.write(pd.DataFrame(run.rows).to_csv(index=False).encode())


def _check_shape(state):
    """Raise ValueError, naming what is wrong, unless the state has the parts that a checkpoint has."""
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__} where a dict is due")
    for key, kind in {"run": dict, **dict.fromkeys(PARTS, dict), **COUNTS}.items():
        if not isinstance(state.get(key), kind):
            raise ValueError(f"its {key!r} is a {type(state.get(key)).__name__}, not a {kind.__name__}")
