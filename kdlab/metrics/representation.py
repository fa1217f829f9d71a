"""What is read off frozen features: whom they place together, how alike two of them are."""

import torch
import torch.nn.functional as F

from kdlab.metrics.classification import accuracy, labelled


def recall_at_1(embeddings, labels):
    """Share of rows of (N, D) whose nearest other row has the same label, in percent.

    Euclidean distance; for classes that were never taught it needs no classifier (Musgrave et
    al. 2020, section 2).
    """
    embeddings, labels = labelled(embeddings, labels)
    distances = torch.cdist(embeddings.double(), embeddings.double()).fill_diagonal_(torch.inf)
    return accuracy(F.one_hot(labels[distances.argmin(dim=1)], int(labels.max()) + 1).double(), labels)


def linear_cka(features, other_features):
    """Similarity of two representations of the same N inputs, from 0 to 1.

    1 where one is a turned, scaled and shifted version of the other; (N, ...) each, flattened;
    linear kernel (Kornblith et al. 2019, equation 3 and section 3).
    """
    if len(features) != len(other_features) or len(features) < 2:
        raise ValueError(f"{len(features)} and {len(other_features)} rows must be equal and at least 2")
    a, b = (f.flatten(1).double() for f in (features, other_features))
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    # Inner products of inputs, not of dimensions: the maps are wider than the batch.
    gram_a, gram_b = a @ a.T, b @ b.T
    return ((gram_a * gram_b).sum() / (gram_a.norm() * gram_b.norm())).item()


def debiased_cka(features, other_features):
    """Linear CKA without its bias: around 0 for representations that have nothing in common.

    :func:`linear_cka` of two clouds of noise is far above 0 where there are more dimensions than inputs. Here
    its three sums are estimated without bias (Song et al. 2012, equation 5; Nguyen et al. 2021, section 3);
    the value may fall below 0. Takes (N, ...) each, N at least 4.
    """
    if len(features) != len(other_features) or len(features) < 4:
        raise ValueError(f"{len(features)} and {len(other_features)} rows must be equal and at least 4")
    a, b = (f.flatten(1).double() for f in (features, other_features))
    a, b = (f - f.mean(dim=0) for f in (a, b))  # changes nothing but the rounding
    a, b = ((gram := f @ f.T) - gram.diag().diag() for f in (a, b))
    return (_hsic(a, b) / (_hsic(a, a) * _hsic(b, b)) ** 0.5).item()


def _hsic(a, b):
    """Unbiased estimate of how two matrices of inner products go together; their diagonals are 0."""
    n = len(a)
    alone = a.sum() * b.sum() / ((n - 1) * (n - 2))
    return ((a * b).sum() + alone - 2 * (a.sum(dim=0) @ b.sum(dim=0)) / (n - 2)) / (n * (n - 3))


CLIPPED = 10  # standard deviations


def probe(train, train_targets, test, test_targets, *, strength=1000.0):
    """How well a linear map reads targets off frozen features: R squared on test, a row a target.

    Ridge regression on standardised features; 1 is perfect, 0 no better than the mean. Standardised features
    are clipped at 10 standard deviations, in training and test: a unit that is silent on nearly all training
    images has next to none, and one test image where it speaks would outweigh all others.

    Parameters
    ----------
    train, test : Tensor of shape (N, ...), (M, ...)
        Frozen features, flattened.
    train_targets, test_targets : Tensor of shape (N, k), (M, k)
    strength : float
        Of the ridge penalty; far below the number of images a wide map is overfitted.
    """
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    clip = FunctionTransformer(lambda z: z.clip(-CLIPPED, CLIPPED))
    reader = make_pipeline(StandardScaler(), clip, Ridge(alpha=strength))
    reader.fit(train.flatten(1).numpy(), train_targets.numpy())
    return r2_score(test_targets, reader.predict(test.flatten(1).numpy()), multioutput="raw_values").tolist()
