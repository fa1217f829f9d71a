"""A teacher whose classifier is for other classes gets one for these: a linear probe, or fine-tuning."""

import copy
from dataclasses import replace

import torch

from kdlab.distill import hard_labels
from kdlab.photos.cache import answers_of
from kdlab.photos.evaluation import central_batches
from kdlab.photos.parallel import Process
from kdlab.photos.settings import WAYS
from kdlab.photos.training import fit
from kdlab.teachers import Teacher

FINETUNE_RATE = 0.1  # of the student's learning rate: these weights are trained already


def class_mismatch(teacher, classes):
    """Why the teacher's answers are not about these classes; None if they are, as far as it can be told."""
    if teacher.num_classes != len(classes):
        return f"teacher {teacher.name!r} has {teacher.num_classes} classes, the photos have {len(classes)}"
    if teacher.classes and teacher.classes != tuple(classes):
        pair = next(pair for pair in zip(teacher.classes, classes) if pair[0] != pair[1])
        return f"teacher {teacher.name!r} has the class {pair[0]!r} where the photos have {pair[1]!r}"
    return None


def adapt(
    teacher, photos, recipe, *, way, folder, process=None, threads=1, resume=False, progress=False,
    identity=None,
):  # fmt: skip
    """A teacher for the photos' classes: as it is, with a new classifier, or trained on.

    By ``way``: ``"none"``; ``"probe"``, logistic regression on the embeddings of central views, unless
    the teacher's classes are known to be these; or ``"finetune"``, then all weights as well, with a tenth
    of the recipe's learning rate and a checkpoint in ``folder``. ValueError if the teacher does not
    fit and ``way`` is ``"none"``, or it has no single linear classifier.
    """
    if way not in WAYS:
        raise ValueError(f"adapt is {way!r}; there are {', '.join(WAYS)}")
    if way == "none" and (wrong := class_mismatch(teacher, photos.classes)):
        raise ValueError(f"{wrong}: give it a new classifier with --adapt probe or --adapt finetune")
    agreed = teacher.classes == tuple(photos.classes)  # equal numbers alone do not say so
    if way == "none" or (way == "probe" and agreed):
        return teacher
    process = process or Process()
    network = copy.deepcopy(teacher.network) if agreed else probe(teacher, photos, recipe, process, threads)
    mean, std = teacher.mean.flatten().tolist(), teacher.std.flatten().tolist()
    if way == "finetune":
        known = getattr(network, "pretrained_cfg", None) or {}
        network.pretrained_cfg = {**known, "mean": tuple(mean), "std": tuple(std)}  # go on as it was trained
        network.requires_grad_(True)
        gentle = replace(recipe, learning_rate=FINETUNE_RATE * recipe.learning_rate)
        fit(
            network, photos, [hard_labels(photos.train.labels)], folder, gentle,
            process=process, threads=threads, resume=resume, progress=progress, identity=identity,
        )  # fmt: skip
    return Teacher(
        network, name=f"{teacher.name}, {way}", num_classes=len(photos.classes), in_chans=teacher.in_chans,
        input_size=teacher.input_size, mean=mean, std=std, card=teacher.card, classes=photos.classes,
    )  # fmt: skip


@torch.no_grad()
def probe(teacher, photos, recipe, process, threads):
    """A copy of the teacher's network with a classifier from logistic regression on its embeddings."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    lacking = f"teacher {teacher.name!r} has no single linear classifier to replace"
    if not hasattr(teacher.network, "reset_classifier"):
        raise ValueError(lacking)
    network = copy.deepcopy(teacher.network)
    part = photos.train
    views = central_batches(part, range(len(part)), recipe.size, threads=threads)
    found = [answers_of(teacher, v, ["embedding"])["embedding"].cpu() for v in views]
    scaler = StandardScaler()
    embeddings = scaler.fit_transform(torch.cat(found).double().numpy())
    reader = LogisticRegression(max_iter=500).fit(embeddings, part.labels.numpy())
    weight, bias = torch.from_numpy(reader.coef_), torch.from_numpy(reader.intercept_)
    if len(weight) == 1:  # of two classes it keeps one row only
        weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
    weight = weight / torch.from_numpy(scaler.scale_)
    bias = bias - weight @ torch.from_numpy(scaler.mean_)
    network.reset_classifier(len(photos.classes))
    classifier = network.get_classifier()
    if not hasattr(classifier, "weight") or classifier.weight.flatten(1).shape != weight.shape:
        raise ValueError(lacking)
    classifier.to(process.device)
    classifier.weight.copy_(weight.view_as(classifier.weight))
    classifier.bias.copy_(bias)
    return network.eval()
