"""Teachers: trained networks that only answer; shipped ones by name, timm's by theirs."""

import hashlib
import json
import warnings
from pathlib import Path

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from kdlab.models import Outputs, forward, nearest

_HERE = Path(__file__).resolve().parent
# In a wheel the teachers lie inside the package, in a clone beside it.
TEACHERS = next(p for p in (_HERE / "shipped" / "teachers", _HERE.parent / "data" / "teachers") if p.exists())

CARD = ("architecture", "options", "num_classes", "in_chans", "input_size", "command", "sha256")


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
    mean, std : sequence of float, optional
        Of each channel: the images are normalised with them, as in the teacher's own training.
    card : dict, optional
        How it was made.
    classes : sequence of str, optional
        Their names, where the weights came with them.
    """

    def __init__(
        self, network, *, name, num_classes, in_chans, input_size, mean=(0.0,), std=(1.0,), card=None,
        classes=None,
    ):  # fmt: skip
        self.network = network.eval().requires_grad_(False)
        self.name, self.card, self.classes = name, card or {}, tuple(classes or ())
        self.num_classes, self.in_chans, self.input_size = num_classes, in_chans, input_size
        self.mean, self.std = (torch.tensor(m, dtype=torch.float32).view(-1, 1, 1) for m in (mean, std))
        self._answers = WeakTensorKeyDictionary()

    def __getstate__(self):
        return {**self.__dict__, "_answers": None}

    def __setstate__(self, state):
        self.__dict__.update(state, _answers=WeakTensorKeyDictionary())

    def train(self, mode=True):
        """Stays in eval mode: its answers must not depend on who trains beside it."""
        return self

    eval = train

    def to(self, device):
        """Move the network; returns the teacher. Answers come back on the images' device."""
        self.network.to(device)
        self._answers.clear()
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
    def outputs(self, images, layers=(), *, batch_size=64, progress=False):
        """Logits, chosen feature maps and embedding of any number of images, in batches.

        Parameters
        ----------
        images : Tensor of shape (N, in_chans, input_size, input_size)
        layers : sequence of int
            As in :func:`kdlab.models.forward`.
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
        device = next(self.network.parameters()).device
        batches = tqdm(images.split(batch_size), f"teacher {self.name}", disable=not progress, leave=False)
        parts = [
            forward(self.network, ((batch - self.mean.to(batch)) / self.std.to(batch)).to(device), layers)
            for batch in batches
        ]
        features = {i: torch.cat([p.features[i] for p in parts]).to(images.device) for i in layers}
        logits, embedding = (
            torch.cat([p[k] for p in parts]).to(images.device) if parts[0][k] is not None else None
            for k in (0, 2)
        )
        return Outputs(logits, features, embedding)

    def __call__(self, images, **options):
        """Logits (N, num_classes); see :meth:`outputs`.

        Asked twice about the same tensor, it answers from memory for as long as the tensor lives
        unchanged: the arms of a study share their images.
        """
        if images.is_inference():  # such tensors keep no count of their changes
            return self.outputs(images, **options).logits
        version, logits = self._answers.get(images, (None, None))
        if version != images._version:
            logits = self.outputs(images, **options).logits
            self._answers[images] = images._version, logits
        return logits.clone()

    def __repr__(self):
        size = sum(p.numel() for p in self.network.parameters())
        return f"Teacher({self.name!r}, {size:,} parameters, {self.num_classes} classes)"


def size_ratio(teacher, student):
    """How many times more parameters the teacher has than the student.

    Warns, with both sizes, where the teacher is the smaller one: more often a mix-up than a plan.

    Parameters
    ----------
    teacher, student : Teacher or Module
    """
    sizes = [
        sum(p.numel() for p in (m.network if isinstance(m, Teacher) else m).parameters())
        for m in (teacher, student)
    ]
    if sizes[0] < sizes[1]:
        warnings.warn(
            f"the teacher has {sizes[0]:,} parameters, the student {sizes[1]:,}: are the two swapped?",
            stacklevel=2,
        )
    return sizes[0] / sizes[1]


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
    teacher = open_teacher(name)
    teacher.fit_or_raise(num_classes=num_classes, in_chans=in_chans, input_size=input_size)
    return teacher


def open_teacher(name, *, architecture=None):
    """A frozen teacher as it is, whatever its classes and input size; see :func:`load_teacher`.

    Parameters
    ----------
    name : str or path
        As there, or a PyTorch checkpoint: a file of weights, or of a dict with them, of the timm
        model that ``architecture`` names.
    architecture : str, optional
    """
    path = Path(name) if str(name).endswith(".safetensors") else TEACHERS / f"{name}.safetensors"
    if architecture is not None:
        return _from_checkpoint(Path(name), architecture)
    if path.with_suffix(".json").exists():
        return _from_file(path)
    if str(name).endswith(".safetensors"):
        raise FileNotFoundError(
            f"{path} needs its card {path.with_suffix('.json')} beside it, which is not there"
        )
    if Path(name).is_file():
        raise ValueError(f"{name} is a checkpoint: say of which timm model (--architecture)")
    return _from_timm(str(name))


def _from_file(path):
    import timm
    from safetensors.torch import load

    try:
        card = json.loads(path.with_suffix(".json").read_text())
        _ = [card[key] for key in CARD]
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"the card {path.with_suffix('.json')} is damaged: {error!r}") from error
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
    state = {k: v.float() if v.is_floating_point() else v for k, v in load(content).items()}
    try:
        missing, unknown = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not fit its card's {card['architecture']}: {error}".split("\n\t")[0]
        ) from error
    if missing or unknown:
        raise ValueError(
            f"{path} does not fill {card['architecture']}: {len(missing)} tensors are missing "
            f"({', '.join(missing[:2])}), {len(unknown)} are unknown; a teacher in part random is refused"
        )
    return Teacher(network, name=path.stem, input_size=card["input_size"], card=card, **shape)


def _from_checkpoint(path, architecture):
    import timm

    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    if not timm.is_model(architecture):
        raise ValueError(f"no model is called {architecture!r}{nearest(architecture, timm.list_models())}")
    try:
        state = timm.models.load_state_dict(path)
        heads = timm.get_pretrained_cfg_value(architecture, "classifier")
        rows = {len(state[f"{h}.weight"]) for h in (heads if isinstance(heads, tuple) else (heads,))}
        network = timm.create_model(architecture, num_classes=rows.pop())
        network.load_state_dict(state)
    except Exception as error:  # unpickling raises whatever it likes
        reason = str(error).replace("\n\t", " ").splitlines()[0]
        raise ValueError(f"{path} does not fill {architecture}: {reason or repr(error)}"[:300]) from error
    return _of_timm(network, path.stem)


def _from_timm(name):
    import timm

    from kdlab.hub import stop_waiting_for_the_hub

    if not (name.startswith(("local-dir:", "hf-hub:")) or timm.is_model(name)):
        known = [*shipped_teachers(), *timm.list_pretrained()]
        raise ValueError(f"no teacher is called {name!r}{nearest(name, known)}")
    if not name.startswith("local-dir:"):
        stop_waiting_for_the_hub()
    try:
        # Not told num_classes, timm keeps the trained classifier instead of a random one.
        network = timm.create_model(name, pretrained=True)
    except OSError as error:
        raise OSError(
            f"the weights of {name!r} are not on this machine and the hub cannot be reached; "
            f"the shipped teachers need no network: {', '.join(shipped_teachers())}; nor does a folder "
            f"in timm's layout (local-dir:...) or a checkpoint (--architecture)"
        ) from error
    except RuntimeError as error:
        raise ValueError(f"the weights of {name!r} do not fill the model: {error}".splitlines()[0]) from error
    return _of_timm(network, name)


def _of_timm(network, name):
    import timm

    shape = timm.data.resolve_model_data_config(network)
    channels, size, _ = shape["input_size"]
    return Teacher(
        network, name=name, num_classes=network.num_classes, in_chans=channels, input_size=size,
        mean=shape["mean"], std=shape["std"], classes=network.pretrained_cfg.get("label_names"),
    )  # fmt: skip
