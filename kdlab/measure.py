"""What a network costs: parameters, bytes on disk, multiply-adds, latency, memory.

Each function takes a network, a :class:`kdlab.teachers.Teacher` or a
:class:`kdlab.compress.OnnxModel`.
"""

import os
import statistics
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from kdlab.compress.onnx_model import OnnxModel
from kdlab.models import evaluated
from kdlab.teachers import Teacher

WARM_UP_CALLS, FEWEST_CALLS, FEWEST_ROWS = 3, 9, 100


def parameters(model):
    """Number of weights. In an ONNX file batch normalisation is folded into the convolutions."""
    if isinstance(model, OnnxModel):
        return model.weights()
    return sum(p.numel() for p in _network(model).parameters())


def bytes_on_disk(model):
    """Size in bytes: of a file (or its path), or of a network's state as safetensors, in its precision."""
    if isinstance(model, OnnxModel | str | os.PathLike):
        return Path(getattr(model, "path", model)).stat().st_size
    from safetensors.torch import save

    return len(save(dict(_network(model).state_dict())))


def multiply_adds(model, images):
    """Multiply-accumulate operations (MACs) of one forward pass of ``images``.

    Convolutions and matrix products only: normalisation, activations and pooling count as 0.
    A floating-point operation is half a MAC, which is why published "FLOPs" differ by 2.
    """
    if isinstance(model, OnnxModel):
        return model.multiply_adds() * len(images)
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # The counter needs a graph where a network hands its parameters from module to module.
    with evaluated(_network(model)) as network, torch.inference_mode(False), torch.enable_grad(), counter:
        network(images.clone())
    return counter.get_total_flops() // 2


def latency(model, images, *, threads=1, seconds=0.5):
    """Wall-clock time of one forward pass, in milliseconds: median and interquartile range.

    ``threads`` are those of the CPU, of PyTorch or of ONNX Runtime: say how many wherever the number is
    shown. The pass is repeated for that many ``seconds``; a few passes before are not counted.
    """
    if isinstance(model, OnnxModel):
        model = model.with_threads(threads)
    before, times = torch.get_num_threads(), []
    with evaluated(_network(model)) as network, torch.inference_mode():
        torch.set_num_threads(threads)
        try:
            for _ in range(WARM_UP_CALLS):
                network(images)
            end = time.perf_counter() + seconds
            # Pass by pass: a block of passes has one time, and one block no spread.
            while time.perf_counter() < end or len(times) < FEWEST_CALLS:
                start = time.perf_counter()
                network(images)
                times.append(1e3 * (time.perf_counter() - start))
        finally:
            torch.set_num_threads(before)
    low, median, high = statistics.quantiles(times, n=4)
    return median, high - low


def answer_times(answer, rows, *, seconds=0.5):
    """Wall-clock time of one answer to one row, in microseconds: median and 99th percentile.

    Parameters
    ----------
    answer : callable
        Is given a row as it comes, and decides; all that it does is counted.
    rows : sequence
        Taken in turn, so that no answer can be kept from the time before.
    seconds : float
        For so long, and a hundred times at least; the first few are not counted.
    """
    import itertools

    turn, times = itertools.cycle(rows), []
    for row in itertools.islice(turn, WARM_UP_CALLS):
        answer(row)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < FEWEST_ROWS:
        row = next(turn)
        start = time.perf_counter_ns()
        answer(row)
        times.append((time.perf_counter_ns() - start) / 1e3)
    hundredths = statistics.quantiles(times, n=100)
    return hundredths[49], hundredths[98]


def peak_memory(model, images):
    """Most bytes of tensors alive at once in one forward pass, the images included, the weights not.

    By the memory events of PyTorch's profiler, or ONNX Runtime's; the process around takes far more.
    """
    if isinstance(model, OnnxModel):
        return model.peak_memory(images)
    from torch.profiler import ProfilerActivity, profile

    with evaluated(_network(model)) as network, torch.no_grad(), _silent():
        network(images)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            network(images)
    now = peak = images.numel() * images.element_size()
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


class Energy(NamedTuple):
    """An estimate, not a measurement: millijoules from a time and a stated power."""

    millijoules: float
    milliseconds: float
    watts: float

    def __str__(self):
        stated = f"{self.milliseconds:.3g} ms at a stated {self.watts:g} W"
        return f"{self.millijoules:.3g} mJ, an estimate: {stated}"


def estimated_energy(milliseconds, *, watts):
    """An *estimate* of the energy of one forward pass: its time multiplied by a stated power.

    Nothing is measured but the time, as by :func:`latency`. The power is what you say it is, for example
    the processor's rated power divided by its cores; at equal power, energy says what latency says.
    """
    for name, value in (("milliseconds", milliseconds), ("watts", watts)):
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}")
    return Energy(milliseconds * watts, milliseconds, watts)


def cost_table(models, images, *, threads=1, seconds=0.5):
    """One row a model: size, multiply-adds, memory, latency at batch 1 and at ``len(images)``.

    Parameters
    ----------
    models : dict of str to Module, Teacher or OnnxModel
    images, threads, seconds
        As for :func:`latency`.

    Returns
    -------
    pandas.DataFrame
        Latency as the median, with the interquartile range. ``attrs["threads"]`` holds the threads.
    """
    import pandas as pd

    rows = {}
    for name, model in models.items():
        row = rows[name] = {
            "parameters": parameters(model),
            "kB on disk": bytes_on_disk(model) / 1e3,
            "million MACs": multiply_adds(model, images[:1]) / 1e6,
            "peak kB, batch 1": peak_memory(model, images[:1]) / 1e3,
        }
        for batch in dict.fromkeys((1, len(images))):
            median, spread = latency(model, images[:batch], threads=threads, seconds=seconds)
            row |= {f"ms, batch {batch}": median, f"IQR, batch {batch}": spread}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs["threads"] = threads
    return table


def _network(model):
    return model.network if isinstance(model, Teacher) else model


@contextmanager
def _silent():
    """Nothing on the process's stderr: the profiler's library writes there, past Python."""
    kept = os.dup(2)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
