"""Verdicts that no lesson prints: ``data/checked/asked.toml`` puts each question to a shipped study."""

import tomllib

COLUMNS = ("answer", "difference", "95 % interval", "margin", "pairs", "compared with")


def asked(root):
    """By lesson, rows of the claim and :data:`COLUMNS`, as text, as the lessons' tables have them.

    Raises
    ------
    ValueError, FileNotFoundError
        If an entry points to a study or an arm that is not there.
    """
    from kdlab.study import what_held

    path, found = root / "data" / "checked" / "asked.toml", {}
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["asked"] if path.exists() else []
    for entry in entries:
        table = what_held({entry["claim"]: _question(entry, root / "data" / "results")})
        row = [entry["claim"], *(str(table.iloc[0][column]) for column in COLUMNS)]
        found.setdefault(entry["lesson"], []).append(row)
    return found


def _question(entry, folder):
    """What :func:`kdlab.study.what_held` takes: a study's arm, or a difference of two gains, and its word."""
    from kdlab.study import difference_of_gains

    name, key = entry["study"]
    result, arm = _study(name, key, folder), entry["arm"]
    if "against" in entry:
        result = result.against(entry["against"])
    if "from" in entry:
        before, other = entry["from"]
        return difference_of_gains((result, arm), (_study(name, before, folder), other))
    return result, arm, *([entry["word"]] if "word" in entry else [])


def _study(name, key, folder):
    from kdlab.names import nearest
    from kdlab.results import load_results

    studies = load_results(name, folder).results
    if key not in studies:
        raise ValueError(f"asked.toml: {name} has no study {key!r}{nearest(key, studies)}")
    return studies[key]
