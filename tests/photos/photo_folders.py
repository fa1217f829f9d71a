"""Small folders of generated photos for the tests: coloured stripes, one hue and slope a class."""

import numpy as np
from PIL import Image


def stripes(label, index, *, side=40):
    """An RGB picture (side, side + 8) whose hue and direction tell the class, with noise."""
    random = np.random.default_rng([label, index])
    y, x = np.mgrid[0:side, 0 : side + 8]
    wave = np.sin((x * np.cos(label) + y * np.sin(label)) / 2 + random.uniform(0, 6))
    hue = np.array([np.sin(label), np.sin(label + 2), np.sin(label + 4)])
    pixels = 128 + 50 * wave[..., None] + 40 * hue + random.normal(0, 20, (side, side + 8, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def make_photos(root, *, classes=3, each=10, parts=("",), side=40):
    """``root/part/class/n.jpg``, and the root again."""
    for number, part in enumerate(parts):
        for label in range(classes):
            folder = root / part / f"class {label}"
            folder.mkdir(parents=True)
            for index in range(each):
                stripes(label, index + 1000 * number, side=side).save(folder / f"{index:03}.jpg", quality=95)
    return root
