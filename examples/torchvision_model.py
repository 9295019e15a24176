"""A model and a data set of torchvision: MobileNetV3 on made-up images (FakeData), so that it runs anywhere.

    lrtui --task examples/torchvision_model.py:MobileNet --batch-size 32 --epochs 3 --accumulate 2

With real images in place of FakeData (and weights="DEFAULT" in place of None) this is fine-tuning. The pixels of
FakeData are noise and its classes mean nothing: the loss falls as the training images are learnt by heart, and the
test's accuracy stays at that of guessing.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, models, transforms

CLASSES = 4


class MobileNet:
    name = "mobilenet on made-up images"

    def model(self) -> nn.Module:
        return models.mobilenet_v3_small(weights=None, num_classes=CLASSES)

    # a Dataset: lrtui makes the batches, --batch-size at a time, in a new order each epoch
    def training_data(self) -> Dataset[tuple[torch.Tensor, int]]:
        return images(128, seed=0)

    # a DataLoader: taken as it is, with workers, batch size and all
    def test_data(self) -> DataLoader[tuple[torch.Tensor, int]]:
        return DataLoader(images(32, seed=1), batch_size=16)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets, label_smoothing=0.1)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        in_first_two = (outputs.topk(2, dim=1).indices == targets.unsqueeze(1)).any(dim=1)
        return {"accuracy": outputs.argmax(dim=1) == targets, "top2": in_first_two}


def images(count: int, seed: int) -> Dataset[tuple[torch.Tensor, int]]:
    """Return so many images of 64x64 pixels with a class each."""
    return datasets.FakeData(count, (3, 64, 64), CLASSES, transforms.ToTensor(), random_offset=seed)
