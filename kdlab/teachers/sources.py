"""Where trained teachers come from: the shipped ones, a file with its card, a checkpoint, timm."""

import hashlib
import json
from pathlib import Path

from kdlab.cards import TEACHERS, read_card
from kdlab.files import write_atomically
from kdlab.models import create_student
from kdlab.names import nearest
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
    network = create_student(card["architecture"], **shape, **card["options"])
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
    return Teacher(network, name=path.stem, input_size=card.get("input_size"), card=card, **shape)


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
