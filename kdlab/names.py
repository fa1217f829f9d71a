"""Names that come close to a misspelt one, what the files of a folder declare, digests."""

import difflib
import hashlib
import importlib
import pkgutil

LISTED = 12  # names that one can still read in an error's line


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


def declared(package, name):
    """What each file of a package holds under ``name``, where it does, in the order of the files."""
    for file in pkgutil.iter_modules(importlib.import_module(package).__path__):
        module = importlib.import_module(f"{package}.{file.name}")
        if hasattr(module, name):
            yield getattr(module, name)
