"""What is read off a trained network's answers. Logits in, one number out."""

import torch
import torch.nn.functional as F

from kdlab.losses.common import check_logits, check_temperature


@torch.no_grad()
def predict(model, images, *, batch_size=256):
    """Logits (N, C) of any number of images, in eval mode, on the images' device.

    Takes a network or a :class:`kdlab.teachers.Teacher`; each part of a network is left in the
    mode it was in.
    """
    if not isinstance(model, torch.nn.Module):
        return model(images)
    modes = {module: module.training for module in model.modules()}
    device = next(model.parameters()).device
    model.eval()
    try:
        return torch.cat([model(batch.to(device)) for batch in images.split(batch_size)]).to(images.device)
    finally:
        for module, mode in modes.items():
            module.training = mode


def accuracy(logits, labels):
    """Share of rows of ``logits`` (N, C) whose largest score is at the label, in percent."""
    _check_labels(logits, labels)
    return 100 * (logits.argmax(1) == labels).double().mean().item()


def recall(logits, labels, label):
    """Share of the images of class ``label`` that are answered as such, in percent."""
    mine = labels == label
    if not mine.any():
        raise ValueError(f"class {label} does not occur among {len(labels)} labels")
    return accuracy(logits[mine], labels[mine])


def agreement(logits, other_logits):
    """Share of rows on which two models, (N, C) each, give the same class, in percent."""
    check_logits(logits, other_logits)
    return 100 * (logits.argmax(1) == other_logits.argmax(1)).double().mean().item()


def entropy(logits, *, temperature=1.0):
    """Mean entropy of softmax(logits / T) in bits: 0 for one-hot, log2 C for uniform."""
    check_temperature(temperature)
    log_p = F.log_softmax(logits.double() / temperature, dim=1)
    return -(log_p.exp() * log_p).sum(1).mean().item() / torch.tensor(2.0).log().item()


def negative_log_likelihood(logits, labels, *, temperature=1.0):
    """Mean of -log p(label) in nats, with p = softmax(logits / T)."""
    check_temperature(temperature)
    _check_labels(logits, labels)
    return F.cross_entropy(logits.double() / temperature, labels).item()


def calibration_error(logits, labels, *, temperature=1.0, bins=15):
    """Expected calibration error in percent: the gap between confidence and accuracy.

    Rows are put into ``bins`` equal intervals of confidence; the mean of the gaps is weighted by
    the rows in each (Guo et al. 2017, equation 3).
    """
    check_temperature(temperature)
    _check_labels(logits, labels)
    confidence, answer = F.softmax(logits.double() / temperature, dim=1).max(1)
    correct = (answer == labels).double()
    where = (confidence * bins).long().clamp(max=bins - 1)
    gap = torch.zeros(bins, dtype=torch.double).index_add_(0, where.cpu(), (confidence - correct).cpu())
    return 100 * (gap.abs().sum() / len(labels)).item()


def recall_at_1(embeddings, labels):
    """Share of rows of (N, D) whose nearest other row has the same label, in percent.

    Euclidean distance; for classes that were never taught it needs no classifier (Musgrave et
    al. 2020, section 2).
    """
    _check_labels(embeddings, labels)
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


def probe(train, train_targets, test, test_targets, *, strength=1000.0):
    """How well a linear map reads targets off frozen features: R squared on test, a row a target.

    Ridge regression on standardised features; 1 is perfect, 0 no better than the mean.

    Parameters
    ----------
    train, test : Tensor of shape (N, ...), (M, ...)
        Frozen features, flattened.
    train_targets, test_targets : Tensor of shape (N, k), (M, k)
    strength : float
        Of the ridge penalty; far below the number of images a wide map is overfitted.

    Returns
    -------
    list of k floats
    """
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reader = make_pipeline(StandardScaler(), Ridge(alpha=strength))
    reader.fit(train.flatten(1).numpy(), train_targets.numpy())
    return r2_score(test_targets, reader.predict(test.flatten(1).numpy()), multioutput="raw_values").tolist()


def _check_labels(logits, labels):
    if labels.shape != logits.shape[:1] or len(labels) == 0:
        sides = f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}"
        raise ValueError(f"{sides} must be (N, classes) and (N,), N >= 1")
    if not logits.isfinite().all():
        raise ValueError(
            f"{int((~logits.isfinite()).any(1).sum())} of {len(logits)} rows of logits are not finite"
        )
