"""The one progress bar."""


def progress_bar(items=None, *, what, unit, shown, total=None, **options):
    """tqdm's bar with the remaining time, around ``items`` or to be updated; gone when it is done."""
    from tqdm.auto import tqdm

    return tqdm(items, what, total=total, unit=unit, disable=not shown, leave=False, **options)
