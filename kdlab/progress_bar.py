"""The one progress bar."""

from multiprocessing import parent_process


def progress_bar(items=None, *, what, unit, shown, total=None, **options):
    """tqdm's bar with the remaining time, around ``items`` or to be updated; gone when it is done.

    None in a process of another's: it would be drawn over that one's.
    """
    from tqdm.auto import tqdm

    hidden = not shown or parent_process() is not None
    return tqdm(items, what, total=total, unit=unit, disable=hidden, leave=False, **options)
