"""The case study: the tutorial's small CNN on Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lrtui.tasks.fashion_mnist_files import find_files
from lrtui.tasks.task import DataDescription, DataRequest, InMemory, TaskData

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

MEAN, DEVIATION = 0.1307, 0.3081
"""What the tutorial normalises with; they are MNIST's, not Fashion-MNIST's, and are kept."""


class FashionMnist:
    """Ten kinds of clothes, 28x28 grey; two convolutions, two linear layers, negative log-likelihood."""

    name = "fashion-mnist"
    training_samples = 60_000
    has_accuracy = True

    def load(self, request: DataRequest, say: Callable[[str], None]) -> TaskData:
        """Return the data, normalised, from the first place that has it; says which it is."""
        found = find_files(request.data_dir, say)
        train_images, train_labels, test_images, test_labels = found.arrays
        train = _first(train_images, train_labels, request.train_samples, "training", say)
        test = _first(test_images, test_labels, request.test_samples, "test", say)
        say(f"data: Fashion-MNIST from {found.source} ({found.where}), {len(train):,} + {len(test):,} images")
        return TaskData(train, test, DataDescription("Fashion-MNIST", found.source, found.where, len(train), len(test)))

    def model(self) -> torch.nn.Module:
        """Return the tutorial's network: 1,199,882 parameters, log-probabilities of ten classes."""
        from torch import nn

        from lrtui.tasks.dropout import ByteDropout

        return nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3),
            # the tutorial has its ReLU before the pooling: the greatest of four, cut off at 0, is the same either way,
            # and so is its gradient, but this way there are four times fewer values to cut
            nn.MaxPool2d(2),
            nn.ReLU(),
            ByteDropout(0.25),
            nn.Flatten(),
            nn.Linear(9216, 128),
            nn.ReLU(),
            ByteDropout(0.5),
            nn.Linear(128, 10),
            nn.LogSoftmax(dim=1),
        )

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean negative log-likelihood."""
        from torch.nn.functional import nll_loss

        return nll_loss(outputs, targets)

    def correct(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return how many samples have their own class as the likeliest."""
        return (outputs.argmax(dim=1) == targets).sum()


def _first(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], wanted: int | None, what: str, say: Callable[[str], None]
) -> InMemory:
    """Return the first samples, as many as wanted; the data set's own order is a random one."""
    import torch

    if wanted is not None and wanted > len(labels):
        say(f"{wanted:,} {what} samples were asked for and there are {len(labels):,}: all are used")
    images, labels = images[:wanted], labels[:wanted]
    # the operations and their order are those of ToTensor and Normalize, so that the numbers are the same to the bit
    inputs = torch.from_numpy(images.copy()).unsqueeze(1).to(torch.float32).div_(255)
    inputs.sub_(MEAN).div_(DEVIATION)
    return InMemory(inputs, torch.from_numpy(labels.astype("int64")))
