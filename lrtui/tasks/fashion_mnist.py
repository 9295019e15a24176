"""The case study: the tutorial's small CNN on Fashion-MNIST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.tasks.fashion_mnist_files import Arrays, find_files
from lrtui.tasks.task import DataRequest, DataSource, Say

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
    test_batch_size = 500
    """Large enough to be fast, small enough for a command to be answered between two batches."""

    def __init__(self) -> None:
        self._request = DataRequest()
        self._arrays: Arrays | None = None

    def prepare(self, request: DataRequest, say: Say) -> DataSource:
        """Find the data at the first place that has it whole, and say which it is.

        Raises:
            DataError: where not even the bundled sample can be read.
        """
        found = find_files(request.data_dir, say)
        self._request, self._arrays = request, found.arrays
        return DataSource("Fashion-MNIST", found.source, found.where)

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images, float32 (samples, 1, 28, 28), normalised, and classes, int64 (samples,)."""
        images, labels, _, _ = self._found()
        return _first(images, labels, self._request.train_samples)

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the test set in the same form."""
        _, _, images, labels = self._found()
        return _first(images, labels, self._request.test_samples)

    def _found(self) -> Arrays:
        if self._arrays is None:
            self.prepare(DataRequest(), lambda _: None)
        assert self._arrays is not None
        return self._arrays

    def model(self) -> torch.nn.Module:
        """Return the tutorial's network: 1,199,882 parameters, log-probabilities of ten classes."""
        import torch
        from torch import nn

        from lrtui.tasks.dropout import ByteDropout

        network = nn.Sequential(
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
        # lets the convolutions of every backend skip a transposition; it changes no number's meaning
        return network.to(memory_format=torch.channels_last)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean negative log-likelihood."""
        from torch.nn.functional import nll_loss

        return nll_loss(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return whether each sample has its own class as the likeliest."""
        return {"accuracy": outputs.argmax(dim=1) == targets}


def _first(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], wanted: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first samples, as many as wanted; the data set's own order is a random one."""
    import torch

    # the engine would take as many too, but preparing all of them takes a fifth of a second
    images, labels = images[:wanted], labels[:wanted]
    # the operations and their order are those of ToTensor and Normalize, so that the numbers are the same to the bit
    inputs = torch.from_numpy(images.copy()).unsqueeze(1).to(torch.float32).div_(255)
    inputs.sub_(MEAN).div_(DEVIATION)
    return inputs, torch.from_numpy(labels.astype("int64"))
