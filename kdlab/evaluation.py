"""What a network answers to the central views of photos, all processes taking part."""

import torch

from kdlab.parallel import Process
from kdlab.teachers import Teacher
from kdlab.views import ahead, central_views, normalise


def statistics(network, channels):
    """Mean and deviation that the network's images are normalised with: timm's of that model, or 0.5."""
    known = getattr(network, "pretrained_cfg", None) or {"mean": (0.5,), "std": (0.5,)}
    pair = [tuple(known[key]) for key in ("mean", "std")]
    return [values if len(values) == channels else (sum(values) / len(values),) * channels for values in pair]


@torch.no_grad()
def evaluate(network, part, size, process=None, threads=1, *, batch_size=256):
    """Logits (N, C), on the CPU, of the central views of a part: of a student, or of a Teacher."""
    process, rows = process or Process(), range(len(part))
    mine = rows[process.rank :: process.world]
    starts = range(0, len(mine), batch_size)
    views = ahead(lambda i: central_views(part, mine[i : i + batch_size], size=size), starts, threads=threads)
    logits = None
    if not isinstance(network, Teacher):
        network.eval()
    for start, images in zip(starts, views):
        if isinstance(network, Teacher):
            found = network(images.to(process.device).float() / 255)
        else:
            found = network(normalise(images.to(process.device), *statistics(network, images.shape[1])))
        if logits is None:
            logits = torch.zeros(len(rows), found.shape[1], device=found.device)
        logits[list(mine[start : start + batch_size])] = found.float()
    if logits is None:
        raise ValueError(f"{process.world} processes cannot share {len(rows)} validation photos")
    return process.sum(logits).cpu()
