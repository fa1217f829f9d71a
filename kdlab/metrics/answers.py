"""THE way to ask a network, or whatever answers, about many inputs: in batches, in eval mode."""

import torch

from kdlab import rows
from kdlab.metrics.estimators import answers_of, is_estimator
from kdlab.models.outputs import Outputs, evaluated, forward
from kdlab.progress_bar import progress_bar


@torch.no_grad()
def answers(network, batches, layers=(), *, device=None):
    """Outputs of a Module, of all rows, for batches that are made, or read, one after the other.

    Layers as in :func:`kdlab.models.forward`. Answers are gathered on ``device``, or where they were
    computed.
    """
    home, parts = _home(network), []
    with evaluated(network):
        for batch in batches:
            found = forward(network, rows.on_device(batch, home), layers)
            parts.append(rows.each(lambda leaf: leaf if leaf is None else leaf.to(device or home), found))
    logits, features, embeddings = zip(*parts)
    embedding = None if embeddings[0] is None else torch.cat(embeddings)
    return Outputs(rows.joined(logits), rows.joined(features), embedding)


@torch.no_grad()
def predict(model, inputs, *, batch_size=256, progress=False):
    """What a model answers to any number of inputs, on the inputs' device.

    Parameters
    ----------
    model : Module, kdlab.teachers.Teacher, scikit-learn classifier or regressor, or any callable
        A Module is asked in eval mode, and each of its parts is left in the mode it was in. What of
        scikit-learn's was fitted answers as :func:`kdlab.metrics.estimators.answers_of` says. Any other
        callable, a program for example, is called with each batch of inputs.
    inputs : Tensor of shape (N, ...), or tuple or dict of Tensor
        A Module takes a tuple by place and a dict by keyword. What is of scikit-learn's takes what it was
        fitted to, a DataFrame for example, with its missing values and categories.
    batch_size : int
    progress : bool
        Show a bar with the remaining time.

    Returns
    -------
    Tensor of shape (N, ...), or tuple or dict of Tensor
        Logits (N, C) of a classifier; of a network with several heads all of them; of a regressor (N, K).

    Raises
    ------
    TypeError, ValueError
        If the model cannot be asked, there are no inputs, or not as many answers as inputs.
    """
    if getattr(model, "asks_in_batches", False):
        return model(inputs)
    if is_estimator(model):
        return answers_of(model, inputs)
    n, parts = rows.count(inputs), []
    if n == 0:
        raise ValueError("there are no inputs to ask about")
    home = rows.leaves(inputs)[0].device
    with evaluated(model), progress_bar(total=n, what="asking", unit="row", shown=progress) as bar:
        for batch in rows.batches(inputs, batch_size):
            found, asked = _ask(model, batch), rows.count(batch)
            found = rows.on_device(torch.as_tensor(found) if isinstance(found, list) else found, home)
            if rows.count(found, "answers") != asked:
                raise ValueError(f"{_name(model)} gives {rows.shapes(found)} for {asked} inputs")
            parts.append(found)
            bar.update(asked)
    return rows.joined(parts)


def _ask(model, batch):
    if isinstance(model, torch.nn.Module):
        return forward(model, rows.on_device(batch, _home(model))).logits
    if not callable(model):
        raise TypeError(f"{_name(model)} is neither a network nor a fitted classifier nor callable")
    return model(batch)


def _home(network):
    return next((p.device for p in network.parameters()), torch.device("cpu"))


def _name(model):
    return getattr(model, "__name__", type(model).__name__)
