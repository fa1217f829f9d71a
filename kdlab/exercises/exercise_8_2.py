"""Exercise 8.2: the stored answer to what the student sees."""

import torch

from kdlab.exercises.core import Exercise, Mistake, value


def _stored(photos, views, classes=3):
    random = torch.Generator().manual_seed(photos + views)
    return 3 * torch.randn(photos, views, classes, generator=random)


def _look_up(stored, images, epoch):
    return stored[images, epoch % stored.shape[1]]


def _places(stored, images):
    return torch.arange(len(images))


def _drawn_anew(stored, images, epoch):
    random = torch.Generator().manual_seed(epoch + 1)
    return stored[images, torch.randint(stored.shape[1], (len(images),), generator=random)]


def _case(photos, views, images, epoch):
    return lambda: (_stored(photos, views), torch.tensor(images), epoch)


EXERCISE = Exercise(
    id="8.2",
    title="Look it up",
    reference=_look_up,
    observe=value,
    cases={
        "photos 3 and 1, epoch 1 of 2 views": _case(4, 2, [3, 1], 1),
        "photos 5, 0 and 2, epoch 7 of 3 views": _case(6, 3, [5, 0, 2], 7),
        "photos 4, 2, 6 and 1, epoch 6 of 4 views": _case(7, 4, [4, 2, 6, 1], 6),
    },
    mistakes=[
        Mistake(
            "keyed by the image only",
            (
                lambda stored, images, epoch: stored[images, 0],
                lambda stored, images, epoch: stored[images, -1],
            ),
            "The student sees another crop in each epoch, and is given the answer to one and the same.",
        ),
        Mistake(
            "keyed by the view only",
            (
                lambda stored, images, epoch: stored[_places(stored, images), epoch % stored.shape[1]],
                lambda stored, images, epoch: stored[: len(images), epoch % stored.shape[1]],
            ),
            "A row of the batch is no photo: the order is drawn anew in each epoch. The number of the photo is in `images`.",
        ),
        Mistake(
            "a view under another seed",
            (_drawn_anew,),
            "A view that is drawn again is another view. Its number must be the one that the student's pixels were made with.",
        ),
        Mistake(
            "the mean over all views",
            (lambda stored, images, epoch: stored[images].mean(dim=1),),
            "The mean smooths what differs between views, and belongs to none of them.",
        ),
        Mistake(
            "the view one epoch off",
            (
                lambda stored, images, epoch: stored[images, (epoch - 1) % stored.shape[1]],
                lambda stored, images, epoch: stored[images, (epoch + 1) % stored.shape[1]],
            ),
            "Epochs and views both count from 0: epoch 0 shows view 0.",
        ),
        Mistake(
            "the rows sorted",
            (lambda stored, images, epoch: _look_up(stored, images.sort().values, epoch),),
            "The rows must stand in the order of the batch, or each photo gets another's answer.",
        ),
    ],
    right="The photo and the view together are the key, and both follow from numbers.",
    see="The teacher speaks once",
)
