"""What a network costs: parameters, bytes on disk, multiply-adds, latency."""

import logging

import torch

from kdlab.teachers import Teacher

WARM_UP_CALLS = 3


def parameters(model):
    """Number of weights."""
    return sum(p.numel() for p in model.parameters())


def bytes_on_disk(model):
    """Size of the model's state as a safetensors file, in bytes, in the precision it has now."""
    from safetensors.torch import save

    return len(save(dict(model.state_dict())))


def multiply_adds(model, images):
    """Multiply-accumulate operations (MACs) of one forward pass of ``images``.

    Convolutions and matrix products only: normalisation, activations and pooling count as 0.
    A floating-point operation is half a MAC, which is why published "FLOPs" differ by 2.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        model.eval()(images)
    return counter.get_total_flops() // 2


def latency(model, images, *, threads=1, seconds=0.5):
    """Wall-clock time of one forward pass, in milliseconds: median and interquartile range.

    Parameters
    ----------
    model : Module
    images : Tensor of shape (B, channels, height, width)
    threads : int
        CPU threads; say it wherever the number is shown.
    seconds : float
        For how long to repeat the pass; a few passes before that are not counted.

    Returns
    -------
    median, spread : float
    """
    # Importing the timer warns where a CUDA toolkit is installed without a GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    from torch.utils.benchmark import Timer

    model.eval()
    with torch.inference_mode():
        for _ in range(WARM_UP_CALLS):
            model(images)
        timer = Timer("model(images)", globals={"model": model, "images": images}, num_threads=threads)
        runs = timer.blocked_autorange(min_run_time=seconds)
    return 1e3 * runs.median, 1e3 * runs.iqr


def cost_table(models, images, *, threads=1):
    """One row a model: size, multiply-adds and latency at batch 1 and at ``len(images)``.

    Parameters
    ----------
    models : dict of str to Module or Teacher
    images : Tensor of shape (B, channels, height, width)
    threads : int

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    rows = {}
    for name, model in models.items():
        model = model.network if isinstance(model, Teacher) else model
        single, _ = latency(model, images[:1], threads=threads)
        batch, _ = latency(model, images, threads=threads)
        rows[name] = {
            "parameters": parameters(model),
            "kB on disk": bytes_on_disk(model) / 1e3,
            "million MACs": multiply_adds(model, images[:1]) / 1e6,
            "ms, batch 1": single,
            f"ms, batch {len(images)}": batch,
        }
    return pd.DataFrame.from_dict(rows, orient="index")
