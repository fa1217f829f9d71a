"""The teacher speaks once: its answers to K views of every photo, on disk, looked up in training."""

import hashlib
import json
import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from kdlab.files import check_seal, read_json, sync_folder, write_atomically, write_sealed
from kdlab.losses.top import keep_top, read_top
from kdlab.names import digest_of, reason, shown
from kdlab.photos.views import prefetch
from kdlab.progress_bar import progress_bar
from kdlab.projectors import tokens_to_map

SHARD_BYTES = 64 * 2**20  # a shard is written whole or not at all, and is what a killed run loses
MOST_SHARDS = 128  # each is an open file or a few while it is read
MOST_WHOLE_LOGITS = 1000
KEPT_LOGITS = 64
BYTES = 2  # float16
TOLERANCE = 0.01  # of the largest logit; half precision is a twentieth of this


class Column:
    """One output, for look-ups: ``column[images, view]`` gives float32 (len(images), ...).

    ``shape`` is that of one view of all images.
    """

    def __init__(self, cache, name):
        self.cache, self.name, self.shape = cache, name, (cache.images, *cache.shapes[name])
        self.ndim = len(self.shape)

    def __getitem__(self, key):
        images, view = key
        return self.cache.look_up(self.name, images, view)


@dataclass
class Cache:
    """Answers in ``folder``, complete after :meth:`write`. Made by :func:`open_cache`."""

    folder: Path
    images: int
    views: int
    shapes: dict
    shard: int
    kept: int | None  # logits of an image; None: all of them
    key: str  # what the header says of the answers: they are sealed with it
    seconds: float = 0.0
    answered: int = 0
    _shards: dict = field(default_factory=dict, repr=False)

    def column(self, name):
        """The answers called ``name``: ``"logits"``, ``"embedding"`` or a layer."""
        return Column(self, str(name))

    @property
    def bytes(self):
        """What the whole cache takes on disk."""
        return self._bytes_of(self.images)

    @property
    def bytes_missing(self):
        """What is still to be written."""
        return self._bytes_of(sum(len(self._range(number)) for number in self.missing()))

    def _bytes_of(self, images):
        return images * self.views * bytes_a_view(self.shapes)

    def look_up(self, name, images, view):
        """Float32 (len(images), ...), the classes that were not kept filled in."""
        images = np.asarray(images)
        if name == "logits" and self.kept:
            parts = (self._rows(f"logits-{part}", images, view) for part in _TOP)
            return read_top(*parts, self.shapes["logits"][0])
        return self._rows(name, images, view).float()

    def _rows(self, name, images, view):
        numbers, places = np.divmod(images, self.shard)
        first = self._shard(numbers[0], name)
        rows = np.empty((len(images), *first.shape[2:]), first.dtype)
        for number in np.unique(numbers):
            mine = numbers == number
            rows[mine] = self._shard(number, name)[places[mine], view]
        return torch.from_numpy(rows)

    def _shard(self, number, name):
        key, folder = (number, name), self._path(number)
        if key not in self._shards:
            try:
                self._shards[key] = self._opened(number, name)
            except Exception as error:  # NumPy's reader raises whatever comes
                raise ValueError(
                    f"the cache's {folder} is damaged ({name}.npy: {reason(error)}): delete it, and "
                    f"--resume asks the teacher again"
                ) from error
        return self._shards[key]

    def _opened(self, number, name):
        path, due = self._path(number) / f"{name}.npy", np.int32 if name == _CLASSES else np.float16
        check_seal(path, self._key(number, name))
        values = np.load(path, mmap_mode="r").view(np.ndarray)
        answer = self.shapes.get(name, () if name == _REST else (self.kept,))
        shape = (len(self._range(number)), self.views, *answer)
        if values.shape != shape or values.dtype != due:
            raise ValueError(f"it holds {values.dtype} {values.shape}, not {due.__name__} {shape}")
        return values

    def _key(self, number, name):
        return f"{self.key} {number} {name}"

    def _path(self, number):
        return self.folder / f"{number:05}"

    def _range(self, number):
        return range(number * self.shard, min(self.images, (number + 1) * self.shard))

    def missing(self):
        """Numbers of the shards that are not there."""
        return [n for n in range(-(-self.images // self.shard)) if not self._path(n).exists()]

    def write(self, teacher, part, make, *, rank=0, world=1, batch_size=64, threads=1, progress=False):
        """Ask the teacher for what is missing, this process its share of the shards.

        ``make(part, images, view)`` gives uint8 images, as the header's transform says.
        """
        mine, start = self.missing()[rank::world], time.perf_counter()
        total = sum(len(self._range(number)) for number in mine) * self.views
        with progress_bar(total=total, what="teacher", unit="view", shown=progress) as bar:
            for number in mine:
                arrays, rows = {}, self._range(number)
                starts = range(0, len(rows), batch_size)
                places = [(slice(i, i + batch_size), view) for view in range(self.views) for i in starts]
                batches = prefetch(lambda p, rows=rows: make(part, rows[p[0]], p[1]), places, threads=threads)
                for place, batch in zip(places, batches):
                    for name, values in self._compressed(teacher, batch).items():
                        if name not in arrays:
                            arrays[name] = np.empty((len(rows), self.views, *values.shape[1:]), values.dtype)
                        arrays[name][place] = values
                    bar.update(len(batch))
                self._save(number, arrays)
                self.answered += len(rows) * self.views
        self.seconds += time.perf_counter() - start

    def _compressed(self, teacher, images):
        """The teacher's answers as they are stored."""
        answers = answers_of(teacher, images, self.shapes)
        if self.kept:
            answers.update(zip((f"logits-{k}" for k in _TOP), keep_top(answers.pop("logits"), self.kept)))
        for name, values in answers.items():
            whole = name == _CLASSES
            stored = answers[name] = values.to(torch.int32 if whole else torch.float16).cpu().numpy()
            if not whole and not np.isfinite(stored).all():
                raise ValueError(
                    f"the teacher's {name} does not fit half precision: values beyond 65,504 or NaN"
                )
        return answers

    def _save(self, number, arrays):
        half = self._path(number).with_suffix(".part")
        shutil.rmtree(half, ignore_errors=True)
        if half.is_file():
            half.unlink()
        half.mkdir()
        for name, values in arrays.items():
            with write_sealed(half / f"{name}.npy", self._key(number, name)) as file:
                np.save(file, values)
        half.rename(self._path(number))
        sync_folder(self.folder)

    def verify(self, teacher, part, make, *, samples=64, seed=0):
        """Ask the teacher again about a sample; the largest error of a stored logit, in logits.

        Raises ValueError if it is more than rounding.
        """
        random = torch.Generator().manual_seed(seed)
        worst = largest = 0.0
        for view in range(self.views):
            images = torch.randint(self.images, (-(-samples // self.views),), generator=random).tolist()
            fresh = answers_of(teacher, make(part, images, view), ["logits"])["logits"].cpu()
            if self.kept:
                fresh = read_top(*keep_top(fresh, self.kept), fresh.shape[1])
            worst = max(worst, (fresh - self.look_up("logits", images, view)).abs().max().item())
            largest = max(largest, fresh.abs().max().item())
        if not worst <= TOLERANCE * largest:
            raise ValueError(
                f"stored and fresh answers of teacher {teacher.name!r} differ by up to {worst:.3g} logits "
                f"(largest {largest:.3g}): the cache {self.folder} is not this teacher's; delete it"
            )
        return worst

    def break_even(self, seconds_a_look_up):
        """Epochs after which asking once has cost less than asking always; None if not measured.

        From the measured time of a teacher's answer and that of a look-up.
        """
        if not self.answered:
            return None
        answer = self.seconds / self.answered
        saved = answer - seconds_a_look_up
        return self.views * answer / saved if saved > 0 else math.inf


_TOP = ("values", "classes", "rest")
_CLASSES, _REST = "logits-classes", "logits-rest"


def kept_logits(shapes):
    """How many logits of an image are kept, from the shapes of the outputs; None: all of them."""
    return KEPT_LOGITS if shapes["logits"][0] > MOST_WHOLE_LOGITS else None


def bytes_a_view(shapes):
    """What the answers to one view of one image take on disk."""
    numbers = {name: math.prod(shape) for name, shape in shapes.items()}
    if kept_logits(shapes):
        numbers["logits"] = 3 * KEPT_LOGITS + 1  # a value of 2 bytes and a class of 4 each; the rest's mass
    return BYTES * sum(numbers.values())


def answers_of(teacher, images, names):
    """The teacher's float outputs to uint8 images by name, token sequences as maps."""
    device = next(teacher.network.parameters()).device
    layers = [int(n) if n.lstrip("-").isdigit() else n for n in names if n not in ("logits", "embedding")]
    outputs = teacher.outputs(images.to(device).float() / 255, layers, batch_size=len(images))
    if outputs.embedding is None and "embedding" in names:
        raise ValueError(f"teacher {teacher.name!r} has no single linear classifier, and so no embedding")
    found = {"logits": outputs.logits, "embedding": outputs.embedding}
    found |= {str(layer): tokens_to_map(maps) for layer, maps in outputs.features.items()}
    return {name: found[name] for name in names}


def open_cache(folder, teacher, part, make, *, transform, classes, views, outputs=("logits",)):
    """The cache in this folder, begun if it is empty; refused if it is of anything else.

    Parameters
    ----------
    teacher, part, make
        As in :meth:`Cache.write`; ``transform`` says in words what ``make`` does, with seed and sizes.
    classes : sequence of str
    outputs : sequence of str or int
        ``"logits"``, ``"embedding"``, and layers.

    Raises
    ------
    ValueError
        If the folder holds other answers, or of other versions; both sides are named.
    """
    import torchvision

    folder = Path(folder)
    if views < 1:
        raise ValueError(f"a cache needs at least 1 view, got {views}")
    names = [str(name) for name in dict.fromkeys(("logits", *outputs))]
    shapes = {k: tuple(v.shape[1:]) for k, v in answers_of(teacher, make(part, [0], 0), names).items()}
    shard = max(1, SHARD_BYTES // (views * bytes_a_view(shapes)), -(-len(part) // MOST_SHARDS))
    shard = min(len(part), shard)
    header = {
        "teacher": teacher.name,
        "weights": digest_of(teacher.network),
        "transform": transform,
        "photos": f"{len(part)} images, {part.digest}",
        "classes": f"{len(classes)}, {hashlib.sha256(json.dumps(list(classes)).encode()).hexdigest()[:16]}",
        "views": views,
        "outputs": {name: list(shape) for name, shape in shapes.items()},
        "layout": f"2, {shard} images a shard, float16, {kept_logits(shapes) or 'all'} logits",
        "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
    }
    path = folder / "header.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(json.dumps(header, indent=1).encode())
    found = read_json(path, f"delete the folder {folder}")
    for key, ours in header.items():
        if key != "teacher" and found.get(key) != ours:  # its name is for the reader
            raise ValueError(
                f"the cache {folder} does not fit this run; {key}: stored {shown(found.get(key))}, "
                f"now {shown(ours)}; delete it or name another (--cache)"
            )
    key = json.dumps({name: value for name, value in header.items() if name != "teacher"}, sort_keys=True)
    return Cache(folder, len(part), views, shapes, shard, kept_logits(shapes), key)
