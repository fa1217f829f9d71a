"""What a network answers to the central views of photos, all processes taking part."""

import torch

from kdlab.metrics.answers import answers
from kdlab.photos.parallel import Process
from kdlab.photos.views import central_views, normalise, prefetch
from kdlab.teachers import Teacher


def statistics(network, channels):
    """Mean and deviation that the network's images are normalised with: timm's of that model, or 0.5."""
    known = getattr(network, "pretrained_cfg", None) or {"mean": (0.5,), "std": (0.5,)}
    pair = [tuple(known[key]) for key in ("mean", "std")]
    return [values if len(values) == channels else (sum(values) / len(values),) * channels for values in pair]


def central_batches(part, images, size, *, threads=1, batch_size=256):
    """The central views of these images of a part, uint8, batch by batch."""
    starts = range(0, len(images), batch_size)
    return prefetch(
        lambda i: central_views(part, images[i : i + batch_size], size=size), starts, threads=threads
    )


def evaluate(network, part, size, process=None, threads=1):
    """Logits (N, C), on the CPU, of the central views of a part: of a student, or of a Teacher."""
    process, rows = process or Process(), range(len(part))
    mine, device = rows[process.rank :: process.world], process.device
    if len(mine) == 0:
        raise ValueError(f"{process.world} processes cannot share {len(rows)} validation photos")
    views = central_batches(part, mine, size, threads=threads)
    if isinstance(network, Teacher):
        found = torch.cat([network(images.to(device).float() / 255) for images in views])
    else:
        prepared = (normalise(v.to(device), *statistics(network, v.shape[1])) for v in views)
        found = answers(network, prepared).logits
    logits = torch.zeros(len(rows), found.shape[1], device=device)
    logits[list(mine)] = found.float()
    return process.sum(logits).cpu()
