"""Teachers and students: timm backbones by name, and two small networks written to be read."""

import difflib
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

_HERE = Path(__file__).resolve().parent
# In a wheel the teachers lie inside the package, in a clone beside it.
TEACHERS = next(p for p in (_HERE / "shipped" / "teachers", _HERE.parent / "data" / "teachers") if p.exists())


class TinyCNN(nn.Module):
    """Three strided convolutions, a mean over places, a linear classifier.

    At 10 classes and one channel: 1,702 parameters at width 4, 6,274 at 8, 24,058 at 16,
    94,186 at 32. Takes any image size of 8 or more.
    """

    def __init__(self, width=8, *, in_chans=1, num_classes=10):
        super().__init__()
        widths = (in_chans, width, 2 * width, 4 * width)
        self.stages = nn.ModuleList(_stage(a, b) for a, b in zip(widths, widths[1:]))
        self.head = nn.Linear(4 * width, num_classes)
        self.num_classes, self.in_chans = num_classes, in_chans

    def forward(self, images):
        return self.forward_head(self.forward_features(images))

    # The four methods below are timm's own protocol, so that every model here speaks it.
    def forward_features(self, images):
        for stage in self.stages:
            images = stage(images)
        return images

    def forward_intermediates(self, images, indices=None):
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return images, maps if indices is None else [maps[i] for i in indices]

    def forward_head(self, features, pre_logits=False):
        embedding = features.mean(dim=(2, 3))
        return embedding if pre_logits else self.head(embedding)

    def get_classifier(self):
        return self.head


def _stage(in_chans, out_chans):
    return nn.Sequential(
        nn.Conv2d(in_chans, out_chans, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_chans),
        nn.ReLU(),
    )


class MLP(nn.Module):
    """One hidden layer on the pixels: (B, in_chans, input_size, input_size) to (B, num_classes)."""

    def __init__(self, hidden=32, *, in_chans=1, num_classes=10, input_size=32):
        super().__init__()
        self.hidden = nn.Linear(in_chans * input_size**2, hidden)
        self.head = nn.Linear(hidden, num_classes)
        self.num_classes, self.in_chans = num_classes, in_chans

    def forward(self, images):
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images):
        return F.relu(self.hidden(images.flatten(1)))

    def forward_intermediates(self, images, indices=None):
        hidden = self.forward_features(images)
        return hidden, [hidden] if indices is None else [[hidden][i] for i in indices]

    def forward_head(self, features, pre_logits=False):
        return features if pre_logits else self.head(features)

    def get_classifier(self):
        return self.head


OWN = {"tiny_cnn": TinyCNN, "mlp": MLP}


class Outputs(NamedTuple):
    """One forward pass: logits (B, C), the chosen feature maps by index, the embedding (B, D)."""

    logits: torch.Tensor
    features: dict
    embedding: torch.Tensor


def forward(model, images, layers=()):
    """Logits, chosen feature maps and the embedding from a single forward pass.

    Parameters
    ----------
    model : Module
        Any timm classifier, :class:`TinyCNN` or :class:`MLP`.
    images : Tensor of shape (B, channels, height, width)
    layers : sequence of int
        Indices of feature maps, as in timm's ``forward_intermediates``; negative ones count
        from the end.

    Returns
    -------
    Outputs
        The logits are those of ``model(images)``; the embedding is what the classifier sees.

    Raises
    ------
    TypeError
        If the model does not speak timm's protocol or has more than one classifier.
    """
    classifier = model.get_classifier() if hasattr(model, "get_classifier") else None
    if not isinstance(classifier, nn.Module) or not hasattr(model, "forward_intermediates"):
        raise TypeError(f"{type(model).__name__} is not a timm-style model with a single classifier")
    if layers:
        final, maps = model.forward_intermediates(images, indices=list(layers))
    else:
        final, maps = model.forward_features(images), []
    embedding = model.forward_head(final, pre_logits=True)
    kept = F.dropout(embedding, getattr(model, "drop_rate", 0.0), model.training)
    return Outputs(classifier(kept), dict(zip(layers, maps)), embedding)


def create_student(name, *, num_classes=10, in_chans=1, **options):
    """An untrained student by name.

    Parameters
    ----------
    name : str
        ``"tiny_cnn"``, ``"mlp"`` or any timm architecture.
    num_classes, in_chans : int
    **options
        To the model: ``width=16`` for the tiny CNN, ``output_stride=8`` for a ResNet, ...

    Raises
    ------
    ValueError
        If there is no such model; the nearest names are suggested.
    """
    if name in OWN:
        return OWN[name](num_classes=num_classes, in_chans=in_chans, **options)
    import timm

    if not timm.is_model(name):
        raise ValueError(f"no model is called {name!r}{_nearest(name, [*OWN, *timm.list_models()])}")
    return timm.create_model(name, num_classes=num_classes, in_chans=in_chans, **options)


def _nearest(name, names):
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


class Teacher:
    """A trained network that only answers: frozen, in eval mode, never part of a student.

    It is not a Module, so a student that holds one does not list its weights in
    ``parameters()`` or ``state_dict()``, and ``student.train()`` does not reach it.

    Parameters
    ----------
    network : Module
        A timm-style classifier, trained. Its parameters are frozen in place.
    name : str
    num_classes, in_chans, input_size : int
        What it was trained on; images of another shape are refused.
    card : dict, optional
        How it was made.
    """

    def __init__(self, network, *, name, num_classes, in_chans, input_size, card=None):
        self.network = network.eval().requires_grad_(False)
        self.name, self.card = name, card or {}
        self.num_classes, self.in_chans, self.input_size = num_classes, in_chans, input_size

    def train(self, mode=True):
        """Stays in eval mode: its answers must not depend on who trains beside it."""
        return self

    eval = train

    def to(self, device):
        """Move the network; returns the teacher."""
        self.network.to(device)
        return self

    def parameters(self):
        """Nothing to train."""
        return iter(())

    def fit_or_raise(self, *, num_classes=None, in_chans=None, input_size=None):
        """Raise ValueError, naming both numbers, where the data is not what it was trained on."""
        for what, ours, theirs in (
            ("classes", self.num_classes, num_classes),
            ("channels", self.in_chans, in_chans),
            ("pixels a side", self.input_size, input_size),
        ):
            if theirs is not None and ours != theirs:
                raise ValueError(f"teacher {self.name!r} has {ours} {what}, the data has {theirs}")

    @torch.no_grad()
    def outputs(self, images, layers=(), *, batch_size=256, progress=False):
        """Logits, chosen feature maps and embedding of any number of images, in batches.

        Parameters
        ----------
        images : Tensor of shape (N, in_chans, input_size, input_size)
        layers : sequence of int
            As in :func:`forward`.
        batch_size : int
        progress : bool
            Show a bar with the remaining time.

        Returns
        -------
        Outputs

        Raises
        ------
        ValueError
            If channels or size are not those it was trained on, or there are no images.
        """
        if images.ndim != 4 or len(images) == 0:
            raise ValueError(f"images {tuple(images.shape)} must be (N, channels, height, width), N >= 1")
        self.fit_or_raise(in_chans=images.shape[1], input_size=images.shape[2])
        self.fit_or_raise(input_size=images.shape[3])
        from tqdm.auto import tqdm

        self.network.eval()  # somebody may have reached the network itself
        batches = tqdm(images.split(batch_size), f"teacher {self.name}", disable=not progress, leave=False)
        parts = [forward(self.network, batch, layers) for batch in batches]
        features = {i: torch.cat([p.features[i] for p in parts]) for i in layers}
        return Outputs(torch.cat([p.logits for p in parts]), features, torch.cat([p.embedding for p in parts]))

    def __call__(self, images, **options):
        """Logits (N, num_classes); see :meth:`outputs`."""
        return self.outputs(images, **options).logits

    def __repr__(self):
        size = sum(p.numel() for p in self.network.parameters())
        return f"Teacher({self.name!r}, {size:,} parameters, {self.num_classes} classes)"


def save_teacher(network, path, card):
    """Write ``path`` (safetensors, float16) and beside it the card with the file's sha256."""
    from safetensors.torch import save_file

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}, path)
    card = {**card, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def shipped_teachers():
    """Names of the teachers that come with kdlab."""
    return sorted(p.stem for p in TEACHERS.glob("*.safetensors"))


def load_teacher(name, *, num_classes=10, in_chans=1, input_size=32):
    """A frozen teacher that fits the data, or one clear line why not.

    Parameters
    ----------
    name : str or path
        A shipped teacher, a ``.safetensors`` file with its card beside it (as written by
        ``python -m kdlab teach``), or a timm name with pretrained weights, from the hub or from
        a local folder (``local-dir:...``).
    num_classes, in_chans, input_size : int
        What the data has.

    Returns
    -------
    Teacher

    Raises
    ------
    ValueError
        If there is no such teacher (the nearest names are suggested), its classes, channels or
        input size are not the data's, its file is damaged, or its classifier is not in the file.
    OSError
        If the weights are not on this machine and cannot be fetched.
    """
    path = Path(name) if str(name).endswith(".safetensors") else TEACHERS / f"{name}.safetensors"
    if path.with_suffix(".json").exists():
        teacher = _from_file(path)
    else:
        teacher = _from_timm(str(name), num_classes)
    teacher.fit_or_raise(num_classes=num_classes, in_chans=in_chans, input_size=input_size)
    return teacher


def _from_file(path):
    import timm
    from safetensors.torch import load

    card = json.loads(path.with_suffix(".json").read_text())
    if not path.exists():
        raise FileNotFoundError(f"the card {path.with_suffix('.json')} is there, the weights {path} are not")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ValueError(
            f"{path} is damaged: its sha256 begins {found[:12]}, its card says {card['sha256'][:12]}; "
            f"restore it, or train it again with: {card['command']}"
        )
    shape = {k: card[k] for k in ("num_classes", "in_chans")}
    network = timm.create_model(card["architecture"], **shape, **card["options"])
    missing, unknown = network.load_state_dict({k: v.float() for k, v in load(content).items()}, strict=False)
    if missing or unknown:
        raise ValueError(
            f"{path} does not fill {card['architecture']}: {len(missing)} tensors are missing "
            f"({', '.join(missing[:2])}), {len(unknown)} are unknown; a teacher in part random is refused"
        )
    return Teacher(network, name=path.stem, input_size=card["input_size"], card=card, **shape)


def _from_timm(name, num_classes):
    import timm

    if not (name.startswith(("local-dir:", "hf-hub:")) or timm.is_model(name)):
        known = [*shipped_teachers(), *timm.list_pretrained()]
        raise ValueError(f"no teacher is called {name!r}{_nearest(name, known)}")
    try:
        # Not told num_classes, timm keeps the trained classifier instead of a random one.
        network = timm.create_model(name, pretrained=True)
    except OSError as error:
        raise OSError(
            f"the weights of {name!r} are not on this machine and the hub cannot be reached; "
            f"the shipped teachers need no network: {', '.join(shipped_teachers())}"
        ) from error
    except RuntimeError as error:
        raise ValueError(f"the weights of {name!r} do not fill the model: {error}".splitlines()[0]) from error
    channels, size, _ = network.pretrained_cfg["input_size"]
    return Teacher(network, name=name, num_classes=network.num_classes, in_chans=channels, input_size=size)
