"""A teacher of card payments: boosted trees and networks as one, all of scikit-learn's.

It is trained where it is needed, in seconds. A file of it would have to be a pickle, which runs code when it
is opened and fits one version of scikit-learn; or arrays, with an evaluator of our own in place of the
library's, whose time for one payment a lesson is to measure.
"""

import torch

from kdlab.data.tables import CATEGORY
from kdlab.models.tables import PaymentEncoder

TREES, NETWORKS = 2, 4
WEIGHTS = (0.4, 0.6)  # of the trees' and of the networks' probabilities


def boosted_trees(seed=0):
    """Gradient boosting that takes a payment as it comes, unfitted."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.06, max_leaf_nodes=12, l2_regularization=1.0, early_stopping=False,
        categorical_features=[CATEGORY], random_state=seed,
    )  # fmt: skip


def network(seed=0):
    """A network of 64 hidden units behind the encoder of payments, unfitted."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    # A fixed number of epochs: fewer than it would take to converge, which scikit-learn then warns of.
    net = MLPClassifier(
        (64,), alpha=0.01, batch_size=512, learning_rate_init=0.004, max_iter=20, tol=0.0,
        n_iter_no_change=20, random_state=seed,
    )  # fmt: skip
    return make_pipeline(FunctionTransformer(encoded), net)


def encoded(rows):
    """Payments (N, 12) of NumPy's as numbers (N, 21) for a network."""
    return PaymentEncoder()(torch.as_tensor(rows, dtype=torch.float32)).numpy()


def ensemble(part, seed=0):
    """The teacher, fitted to a part's labels: several of both, each on its own resampling of the rows.

    Gives a fitted ``VotingClassifier`` of scikit-learn's, with ``trees`` and ``networks`` for voters.
    """
    import warnings

    from sklearn.ensemble import BaggingClassifier, VotingClassifier
    from sklearn.exceptions import ConvergenceWarning

    voters = {"trees": (boosted_trees(), TREES), "networks": (network(), NETWORKS)}
    bagged = [(name, BaggingClassifier(one, n, random_state=seed)) for name, (one, n) in voters.items()]
    teacher = VotingClassifier(bagged, voting="soft", weights=WEIGHTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return teacher.fit(part.inputs.numpy(), part.labels.numpy())
