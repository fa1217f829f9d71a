"""Students for images of digits, written to be read."""

import torch.nn.functional as F
from torch import nn


class TinyCNN(nn.Module):
    """Three strided convolutions, a mean over places, a linear classifier.

    At 10 classes and one channel: 1,702 parameters at width 4, 6,274 at 8, 24,058 at 16,
    94,186 at 32. Takes any image size of 8 or more.
    """

    def __init__(self, width=8, *, in_chans=1, num_classes=10):
        super().__init__()
        widths = (in_chans, width, 2 * width, 4 * width)
        self.stages = nn.ModuleList(stage(a, b) for a, b in zip(widths, widths[1:]))
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


def stage(in_chans, out_chans):
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


STUDENTS = {"tiny_cnn": TinyCNN, "mlp": MLP}
