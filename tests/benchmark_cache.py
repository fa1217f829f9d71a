"""What the teacher's cache promises about speed and size, side by side in one run.

A step is timed without making its views, which costs every loop the same; looking targets up is in it.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import nn

from kdlab.distill import features, hard_labels, relations, soft_targets
from kdlab.files import check_seal, write_atomically, write_sealed
from kdlab.losses import soft_target_loss
from kdlab.measure import multiply_adds
from kdlab.photos import PhotoList, Photos
from kdlab.photos.cache import SHARD_BYTES, bytes_a_view, open_cache
from kdlab.photos.evaluation import statistics as channel_statistics
from kdlab.photos.settings import Recipe
from kdlab.photos.views import normalise
from kdlab.results import run_card
from kdlab.teachers import Teacher
from kdlab.training import Objective, train

SIZE, BATCH, CLASSES, VIEWS = 64, 32, 10, 2
STUDENT = (16, 8)  # width of the first stage and of the stem
TEACHERS = ((22, 12), (32, 16), (48, 20))  # of about 2, 4 and 8 times its multiply-adds
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
KINDS = {
    "10 logits": {"logits": (10,)},
    "1,000 logits": {"logits": (1000,)},
    "64 of 21,841 logits": {"logits": (21841,)},
    "1,000 and embedding 2,048": {"logits": (1000,), "embedding": (2048,)},
    "1,000 and map 512 x 7 x 7": {"logits": (1000,), "map": (512, 7, 7)},
}


def network(widths):
    torch.manual_seed(0)
    first, stem = widths
    channels = (first, 2 * first, 4 * first, 8 * first)
    return timm.create_model("resnet10t", channels=channels, stem_width=stem, num_classes=CLASSES)


def million_macs(model):
    return multiply_adds(model, torch.zeros(1, 3, SIZE, SIZE)) / 1e6


def teacher_of(widths):
    net = network(widths)
    mean, std = channel_statistics(net, 3)
    return Teacher(net, name="t", num_classes=CLASSES, in_chans=3, input_size=SIZE, mean=mean, std=std)


def photos(count):
    """As many photos as asked for, of which 256 differ."""
    pool = torch.randint(256, (256, 3, SIZE + 8, SIZE + 8), dtype=torch.uint8)
    labels = torch.arange(count) % CLASSES
    part = PhotoList(tuple(map(str, range(count))), labels, str(count), lambda i: pool[i % 256])
    return Photos(part, part, tuple(map(str, range(CLASSES))), (), ())


def cached(found, teacher, recipe, folder, outputs):
    cache = open_cache(
        folder, teacher, found.train, recipe.make, transform=recipe.transform(), classes=found.classes,
        views=recipe.views, outputs=outputs,
    )  # fmt: skip
    cache.write(teacher, found.train, recipe.make, batch_size=BATCH)
    return cache


def table(*rows):
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


# ---- loops: each gives step(images, labels, rows)


def plain(teacher=None):
    """A supervised loop as one writes it without kdlab; with a teacher, asked anew in every step."""
    student = network(STUDENT).train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-3)
    mean, std = channel_statistics(student, 3)

    def step(images, labels, rows):
        x = normalise(images, mean, std).to(memory_format=torch.channels_last)
        logits = student(x)
        loss = F.cross_entropy(logits, labels)
        if teacher is not None:
            with torch.no_grad():
                answers = teacher(x)
            loss = 0.1 * loss + 0.9 * soft_target_loss(logits, answers, temperature=4.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def timms(teacher):
    """timm's own task, the teacher in the loop."""
    from timm.task import LogitDistillationTask

    student = network(STUDENT).to(memory_format=torch.channels_last)
    task = LogitDistillationTask(
        student_model=student, teacher_model=teacher, criterion=nn.CrossEntropyLoss(), task_loss_weight=0.1,
        temperature=4.0, verbose=False,
    )  # fmt: skip
    task.train()
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-3)
    mean, std = channel_statistics(student, 3)

    def step(images, labels, rows):
        x = normalise(images, mean, std).to(memory_format=torch.channels_last)
        loss = task(x, labels)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def ours(terms):
    """kdlab's own step, targets looked up in it."""
    student, turn = network(STUDENT), 0
    mean, std = channel_statistics(student, 3)
    objective = Objective(student, terms, torch.zeros(2, 3, SIZE, SIZE)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(objective.train().parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, 10_000)

    def look_up(targets, rows):
        return targets[rows] if torch.is_tensor(targets) else targets[rows, turn % VIEWS]

    def step(images, labels, rows):
        nonlocal turn
        x = normalise(images, mean, std).to(memory_format=torch.channels_last)
        given = [(look_up(term.targets, rows), None, None) for term in terms]
        train(objective, [(x, given)], optimiser, schedule)
        turn += 1

    return step


def loops_of(found, teacher, cache):
    labels = found.train.labels
    hard, soft = hard_labels(labels, weight=0.1), soft_targets(cache.column("logits"), weight=0.9)
    embeddings, maps = cache.column("embedding"), cache.column(3)
    return {
        "plain": plain(),
        "kdlab, hard": ours([hard_labels(labels)]),
        "cached soft": ours([hard, soft]),
        "+ embedding": ours([hard, soft, features(embeddings, "embedding")]),
        "+ relations": ours([hard, soft, relations(embeddings)]),
        "+ map": ours([hard, soft, features(maps, 3)]),
        "uncached": plain(teacher.network),
        "timm.task": timms(teacher.network),
    }


def steps(rounds):
    """Times of a step, each loop once in a round, so that a busy machine is busy for all."""
    found, recipe = photos(512), Recipe(size=SIZE, batch_size=BATCH, views=VIEWS, epochs=10_000)
    labels, student = found.train.labels, million_macs(network(STUDENT))
    print(
        f"\nOne step at {SIZE} px and batch {BATCH} of a student of {student:.1f} million MACs, in units of"
    )
    print(f"of the plain supervised step: median of {rounds} paired rounds\n")
    for number, widths in enumerate(TEACHERS):
        teacher = teacher_of(widths)
        with tempfile.TemporaryDirectory() as folder:
            cache = cached(found, teacher, recipe, folder, ("embedding", 3))
            loops = loops_of(found, teacher, cache)
            times = {name: [] for name in loops}
            for turn in range(rounds + 2):
                rows = torch.randperm(512)[:BATCH].tolist()
                images = recipe.make(found.train, rows, turn % VIEWS)
                for name, step in loops.items():
                    start = time.perf_counter()
                    step(images, labels[rows], rows)
                    if turn >= 2:
                        times[name].append(time.perf_counter() - start)
        base = times.pop("plain")
        if number == 0:
            table(("teacher", "plain, ms", *times), ["---"] * (2 + len(times)))
        ratios = [statistics.median(t / b for t, b in zip(mine, base)) for mine in times.values()]
        cost = f"{million_macs(teacher.network) / student:.1f} x"
        table((cost, f"{1e3 * statistics.median(base):.1f}", *(f"{r:.2f}" for r in ratios)))


def growth(measured):
    """Seconds and bytes of the cache from a thousand to a hundred thousand images."""
    teacher, recipe = teacher_of(TEACHERS[1]), Recipe(size=SIZE, views=1)
    macs = million_macs(teacher.network)
    print(f"\nThe cache of one view of each image: seconds with a teacher of {macs:.0f} million MACs, and")
    print("MB for other kinds of answers: classes, embedding, map\n")
    table(("images", "seconds", *KINDS), ["---"] * (2 + len(KINDS)))
    for count in SIZES:
        if count <= measured:
            with tempfile.TemporaryDirectory() as folder:
                cache = cached(photos(count), teacher, recipe, folder, ())
                stored = sum(p.stat().st_size for p in Path(folder).rglob("*.npy"))
            assert 0 <= stored - cache.bytes < 1000, "the bytes on disk are those that are promised"
            rate, said = cache.seconds / count, f"{cache.seconds:.1f}"
        else:
            said = f"{rate * count:.0f}, extrapolated"
        table((f"{count:,}", said, *(f"{count * bytes_a_view(k) / 1e6:,.2f}" for k in KINDS.values())))


def imagenet(views=8, images=1_281_167):
    """Hours and bytes for a set of ImageNet's size, from the forward passes of this machine."""
    print(f"\n{images:,} images, {views} views, 224 px: hours extrapolated from passes of batch 8\n")
    table(("teacher", "ms an image", "hours of this core", "GB, logits", "GB with embedding"), ["---"] * 5)
    for name in ("mobilenetv3_large_100", "resnet18", "resnet50"):
        net = timm.create_model(name).eval().to(memory_format=torch.channels_last)
        x = torch.zeros(8, 3, 224, 224).to(memory_format=torch.channels_last)
        times = []
        with torch.inference_mode():
            for _ in range(6):
                start = time.perf_counter()
                net(x)
                times.append((time.perf_counter() - start) / 8)
        cost, width = statistics.median(times[1:]), net.get_classifier().in_features
        kinds = ({"logits": (1000,)}, {"logits": (1000,), "embedding": (width,)})
        sizes = [f"{images * views * bytes_a_view(kind) / 1e9:.1f}" for kind in kinds]
        table((name, f"{1e3 * cost:.0f}", f"{images * views * cost / 3600:,.0f}", *sizes))


DIGESTS = {
    "crc32": zlib.crc32,
    "blake2b": lambda part: hashlib.blake2b(part).digest(),
    "sha256": lambda part: hashlib.sha256(part).digest(),
    "sha1": lambda part: hashlib.sha1(part).digest(),
}


def seconds_of(work, rounds=3):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def digests(gigabytes=1.0):
    """What it costs to see damage: of a gigabyte in shards, beside writing, reading and training."""
    count = round(gigabytes * 1e9 / SHARD_BYTES)
    shards = [np.frombuffer(os.urandom(SHARD_BYTES), np.float16) for _ in range(count)]
    total = sum(shard.nbytes for shard in shards) / 1e9
    print(f"\nSeconds for {total:.2f} GB in {count} shards of {SHARD_BYTES / 1e6:.0f} MB, median of 3\n")
    table(("what", "seconds", "GB a second"), ["---"] * 3)

    def told(what, work):
        found = seconds_of(work)
        table((what, f"{found:.2f}", f"{total / found:.2f}"))
        return found

    for name, digest in DIGESTS.items():
        told(name, lambda digest=digest: [digest(shard.view(np.uint8)) for shard in shards])
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.npy" for number in range(count)]

        def write(opened):
            for path, shard in zip(paths, shards):
                with opened(path) as file:
                    np.save(file, shard)

        told("written to disk", lambda: write(write_atomically))
        told("written with its seal", lambda: write(write_sealed))
        told("read, the system has it in memory", lambda: [path.read_bytes() for path in paths])
        checked = told("its seals checked", lambda: [check_seal(path) for path in paths]) / total
    step, images, rows = plain(), torch.zeros(BATCH, 3, SIZE, SIZE, dtype=torch.uint8), list(range(BATCH))
    labels = torch.zeros(BATCH, dtype=torch.int64)
    trained = seconds_of(lambda: step(images, labels, rows), rounds=20) / BATCH
    print(
        f"\nA plain step of the student above takes {1e6 * trained:.0f} microseconds an image. To check the"
    )
    print("answers to one view of it, once a run, takes, in microseconds:\n")
    for kind, shapes in KINDS.items():
        took = checked * bytes_a_view(shapes) / 1e9
        table((kind, f"{1e6 * took:.2f}", f"{100 * took / trained:.3f} % of a step"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--measured", type=int, default=3_000, help="largest cache that is really written")
    parser.add_argument("--digests", action="store_true", help="only what it costs to see damage")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {run_card('', 0)['processor']}")
    if options.digests:
        digests()
    else:
        steps(options.rounds)
        growth(options.measured)
        imagenet()
