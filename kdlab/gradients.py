"""How hard each term pulls at the student: its share of the gradient, and weights that balance it."""

import copy
import math
from dataclasses import replace

from kdlab.distill import distill


def gradient_shares(student, inputs, terms, *, batches=5, batch_size=32, seed=0):
    """How hard each term pulls at the student as it is now.

    Parameters
    ----------
    student, inputs, terms
        As for :func:`kdlab.distill.distill`. Nothing is trained: student and projectors stay as
        they are. A projector without weights counts as it would at the start of training.
    batches, batch_size, seed : int
        Over how many batches, in the order of training, the norms are averaged.

    Returns
    -------
    pandas.DataFrame
        One row a term: its weight; its loss before weighting; the norm of the weighted loss's gradient
        at the student's parameters, without projectors; that norm's share of their sum, in percent.

    Raises
    ------
    ValueError
        As :func:`kdlab.distill.distill`, or if no term has a gradient.
    """
    import pandas as pd

    history, norms = _measure(student, inputs, terms, batches, batch_size, seed)
    names = [term.name for term in terms]
    if not sum(norms) > 0:
        raise ValueError(f"no gradient reaches the student's parameters from {', '.join(names)}")
    columns = {
        "weight": [term.weight for term in terms],
        "loss": [history[name].mean().item() for name in names],
        "gradient norm": norms,
        "share, %": [100 * norm / sum(norms) for norm in norms],
    }
    return pd.DataFrame(columns, index=names)


def balanced(student, inputs, terms, *, shares=None, batches=5, batch_size=32, seed=0):
    """The same terms with weights that give them these shares of the gradient now, once.

    The first term keeps its weight. During training the shares drift: see ``gradients_every`` of
    :func:`kdlab.distill.distill`.

    Parameters
    ----------
    student, inputs, terms, batches, batch_size, seed
        As for :func:`gradient_shares`; of the terms' own weights only the first matters.
    shares : sequence of float, optional
        One a term, above 0; only their ratios count. Equal by default.

    Returns
    -------
    list of Term
        They share their projectors with ``terms``.

    Raises
    ------
    ValueError
        If shares are missing or not finite numbers above 0, or a term has no gradient to scale.
    """
    shares = [1.0] * len(terms) if shares is None else list(shares)
    if len(shares) != len(terms):
        raise ValueError(f"{len(shares)} shares are given for {len(terms)} terms")
    for term, share in zip(terms, shares):
        if not (math.isfinite(share) and share > 0):
            raise ValueError(f"the share of {term.name} must be a finite number above 0, got {share}")
    single = [replace(term, weight=1.0) for term in terms]
    _, norms = _measure(student, inputs, single, batches, batch_size, seed)
    for term, norm in zip(terms, norms):
        if not norm > 0:
            raise ValueError(f"{term.name} has no gradient at the student's parameters: nothing to balance")
    unit = terms[0].weight * norms[0] / shares[0]
    return [
        replace(term, weight=unit * share / norm) if i else term
        for i, (term, share, norm) in enumerate(zip(terms, shares, norms))
    ]


def _measure(student, inputs, terms, batches, batch_size, seed):
    """The history of copies that train with a learning rate of 0, and each term's mean gradient norm."""
    copies = [replace(term, projector=copy.deepcopy(term.projector)) for term in terms]
    history = distill(
        copy.deepcopy(student), inputs, copies, steps=batches, batch_size=batch_size,
        learning_rate=0.0, seed=seed, gradients_every=1,
    )  # fmt: skip
    return history, [history[f"gradient of {term.name}"].mean().item() for term in terms]
