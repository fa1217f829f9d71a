"""The one progress bar."""

import sys
from multiprocessing import parent_process

SELDOM = 60.0  # seconds between two looks of a bar that is written to a file


def progress_bar(items=None, *, what, unit, shown, total=None, **options):
    """tqdm's bar with the remaining time, around ``items`` or to be updated; gone when it is done.

    None in a process of another's: it would be drawn over that one's. Where nobody watches, neither a
    terminal nor a notebook, it is written once a minute.
    """
    from tqdm.auto import tqdm

    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not (hasattr(shell, "kernel") or sys.stderr.isatty()):
        options |= {"mininterval": SELDOM, "maxinterval": 2 * SELDOM, "delay": SELDOM}
    hidden = not shown or parent_process() is not None
    return tqdm(items, what, total=total, unit=unit, disable=hidden, leave=False, **options)
