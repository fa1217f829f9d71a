"""Where trained teachers come from: the shipped ones, a file with its card, a checkpoint, timm."""

import hashlib
import json
from pathlib import Path

import torch

from kdlab.cards import TEACHERS, read_card
from kdlab.files import read_json, write_atomically
from kdlab.models import create_student
from kdlab.names import nearest, reason, shown
from kdlab.teachers.teacher import Teacher


def save_teacher(network, path, card):
    """Write ``path`` (safetensors, float16) and beside it the card with the file's sha256."""
    from safetensors.torch import save

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    with write_atomically(path) as file:
        file.write(save(weights))
    card = {**card, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    with write_atomically(path.with_suffix(".json")) as file:
        file.write((json.dumps(card, indent=2) + "\n").encode())


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
    from safetensors.torch import load

    card, content = read_card(path)
    shape = {"num_classes": card["num_classes"], "in_chans": card.get("in_chans")}
    try:
        network = create_student(card["architecture"], **shape, **card["options"])
        state = {k: v.float() if v.is_floating_point() else v for k, v in load(content).items()}
        missing, unknown = network.load_state_dict(state, strict=False)
        _refuse_nan(network)
    except Exception as error:  # whoever made card and weights, they may be of anything
        raise ValueError(
            f"{path} does not fit its card's {shown(card['architecture'])}: {reason(error)}; restore both, "
            f"or train it again with: {shown(card['command'])}"
        ) from error
    if missing or unknown:
        raise ValueError(
            f"{path} does not fill {card['architecture']}: {len(missing)} tensors are missing "
            f"({', '.join(missing[:2])}), {len(unknown)} are unknown; a teacher in part random is refused"
        )
    return Teacher(network, name=path.stem, input_size=card.get("input_size"), card=card, **shape)


def _from_checkpoint(path, architecture):
    import timm

    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    if not timm.is_model(architecture):
        raise ValueError(f"no model is called {architecture!r}{nearest(architecture, timm.list_models())}")
    try:
        state = timm.models.load_state_dict(path, weights_only=True)
        heads = timm.get_pretrained_cfg_value(architecture, "classifier")
        rows = {len(state[f"{h}.weight"]) for h in (heads if isinstance(heads, tuple) else (heads,))}
        network = timm.create_model(architecture, num_classes=rows.pop())
        network.load_state_dict(state)
        return _of_timm(network, path.stem)
    except Exception as error:  # unpickling raises whatever it likes
        raise ValueError(
            f"{path} does not fill {architecture}: {reason(error)}; name the model that it is of, or give "
            f"another file"
        ) from error


def _from_timm(name):
    import timm

    from kdlab.hub import stop_waiting_for_the_hub

    if not (name.startswith(("local-dir:", "hf-hub:")) or timm.is_model(name)):
        known = [*shipped_teachers(), *timm.list_pretrained()]
        raise ValueError(f"no teacher is called {name!r}{nearest(name, known)}")
    if name.startswith("local-dir:"):
        _check_folder(Path(name.removeprefix("local-dir:")))
    else:
        stop_waiting_for_the_hub()
    try:
        # Not told num_classes, timm keeps the trained classifier instead of a random one.
        return _of_timm(timm.create_model(name, pretrained=True), name)
    except Exception as error:  # of others' folders timm raises whatever comes
        if name.startswith("local-dir:") or not isinstance(error, OSError):
            raise ValueError(
                f"the weights of {name!r} do not fill the model: {reason(error)}; restore them, or "
                f"give others"
            ) from error
        raise OSError(
            f"the weights of {name!r} are not on this machine and the hub cannot be reached; "
            f"the shipped teachers need no network: {', '.join(shipped_teachers())}; nor does a folder "
            f"in timm's layout (local-dir:...) or a checkpoint (--architecture)"
        ) from error


def _check_folder(folder):
    """Raise ValueError or FileNotFoundError unless there is a configuration that timm can read."""
    path = folder / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is no folder in timm's layout: it has no config.json beside its model.safetensors"
        )
    read_json(path, "restore it, or train the teacher again", check=_wrong_configuration)


def _wrong_configuration(found):
    if isinstance(own := found.get("create_student"), dict):
        return f"it is of {shown(own.get('name'))}, which timm has not: a teacher of a folder is timm's"
    name = found.get("architecture")
    return None if isinstance(name, str) else f"its 'architecture' is {shown(name, repr)}"


def _of_timm(network, name):
    """The teacher; ValueError if what came with the weights does not fit them."""
    import timm

    _refuse_nan(network)
    shape = timm.data.resolve_model_data_config(network)
    channels, size, _ = shape["input_size"]
    if not all(isinstance(side, int) and side > 0 for side in shape["input_size"]):
        raise ValueError(f"its input_size is {shown(shape['input_size'])}")
    classes = network.pretrained_cfg.get("label_names") or ()
    if classes and (isinstance(classes, str) or len(classes) != network.num_classes):
        raise ValueError(f"label_names has {len(classes)} entries for {network.num_classes} classes")
    mean, std = (torch.tensor(shape[what], dtype=torch.float64) for what in ("mean", "std"))
    if not ({len(mean), len(std)} <= {1, channels} and (mean / std).isfinite().all() and (std > 0).all()):
        raise ValueError(
            f"mean {shown(shape['mean'])} and std {shown(shape['std'])} do not fit {channels} channels"
        )
    return Teacher(
        network, name=name, num_classes=network.num_classes, in_chans=channels, input_size=size,
        mean=shape["mean"], std=shape["std"], classes=map(str, classes),
    )  # fmt: skip


def _refuse_nan(network):
    for name, values in network.state_dict().items():
        if values.is_floating_point() and values.isnan().any():
            raise ValueError(f"{name} holds what is not a number")
