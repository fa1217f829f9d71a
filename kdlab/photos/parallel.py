"""Several processes as one, under ``torchrun``: who this one is, and batches put together again."""

import os
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist

from kdlab.names import shown

PATIENCE = timedelta(days=1)  # one process may write a cache while the others wait


class Process(NamedTuple):
    """This process's number, how many there are, and the device it computes on."""

    rank: int = 0
    world: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def first(self):
        """Whether it is the one that writes and speaks."""
        return self.rank == 0

    def wait(self):
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()

    def gather(self, rows):
        """Rows of all processes in order of rank, of each tensor; gradients flow to this process's rows.

        A loss of the gathered batch is the same on every process, each sees its own rows' part of the
        gradient, and DDP takes the mean where their sum is wanted: multiply such a loss by ``world``.
        """
        if rows is None or self.world == 1:
            return rows
        if isinstance(rows, tuple):
            return tuple(map(self.gather, rows))
        parts = [torch.empty_like(rows) for _ in range(self.world)]
        dist.all_gather(parts, rows.detach().contiguous())
        parts[self.rank] = rows
        return torch.cat(parts)

    def sum(self, values):
        """The sum over processes of a tensor of numbers."""
        values = values.clone()
        if self.world > 1:
            dist.all_reduce(values)
        return values


def check_device(name):
    """Raise ValueError unless this machine computes on the device of that name, such as "cuda:1"."""
    try:
        torch.zeros(1, device=name).add(1).cpu()
    except Exception as error:  # each kind of device has its own way to say that it is not there
        there = ", ".join(["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))])
        raise ValueError(f"there is no device {shown(name, repr)} here; there are {there}") from error


@contextmanager
def processes(device=None):
    """A :class:`Process`; joined with the others if ``torchrun`` started it (gloo on CPU, NCCL on GPUs)."""
    world, local = (int(os.environ.get(k, d)) for k, d in (("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
    device = torch.device(device or (f"cuda:{local}" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world == 1:
        yield Process(device=device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Process(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()
