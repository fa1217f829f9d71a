"""Names and other words for an error's line; what the files of a folder declare, digests."""

import difflib
import hashlib
import html
import importlib
import os
import pkgutil
import re
import sys
import unicodedata

LISTED = 12  # names that one can still read in an error's line
LONGEST = 200  # characters of somebody else's words there


def nearest(name, names):
    """The end of an error's line: which known names come close; all of them where they are few."""
    names = list(names)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; there are {', '.join(names) or 'none'}" if len(names) <= LISTED else ""


def digest_of(network):
    """A hash of a network's weights and buffers."""
    import torch

    whole = hashlib.sha256()
    for name, values in sorted(network.state_dict().items()):
        whole.update(name.encode())
        whole.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()[:16]


def literal(text):
    """A name of somebody else's as one line of characters that any file and any terminal may hold.

    Control characters, line and paragraph separators, marks that turn the direction of writing, and bytes
    that are no UTF-8 become U+FFFD.
    """
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    joiners = "\u200c\u200d"  # some scripts and emoji cannot be written without them
    return "".join(
        "\ufffd" if unicodedata.category(c) in bad and c not in joiners else c for c in file_name(str(text))
    )


def said(text):
    """Print a text in the letters that the console has, the others escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(str(text).encode(encoding, "backslashreplace").decode(encoding))


def file_name(text):
    """A file's name as UTF-8, whatever letters the machine is set to."""
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeError:  # it is no name that the system gave
        return text


def shown(value, as_text=str):
    """A value of somebody else's for an error's line: short, and whatever it is."""
    try:
        return _short(literal(as_text(value)))
    except Exception:  # a number of too many digits, a class with a mind of its own
        return f"a {type(value).__name__}"


def reason(error):
    """What an error says, in one line and without addresses in memory; its kind, where it says nothing."""
    text = getattr(error, "strerror", None) or str(error)  # the file's name is told by who asks
    text = literal(" ".join(text.split())) or type(error).__name__
    text = f"there is no {text}" if isinstance(error, KeyError) else text
    return _short(re.sub(r"( object)? at 0x[0-9a-fA-F]+", "", text))


def _short(text):
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def in_markdown(text):
    """A name as it stands, in Markdown, in a cell of its tables and in HTML made of it."""
    text = html.escape(literal(text), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|~$#" else c for c in text)


def declared(package, name):
    """What each file of a package holds under ``name``, where it does, in the order of the files."""
    for file in pkgutil.iter_modules(importlib.import_module(package).__path__):
        module = importlib.import_module(f"{package}.{file.name}")
        if hasattr(module, name):
            yield getattr(module, name)
