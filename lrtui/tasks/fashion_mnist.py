"""The case study: the tutorial's small CNN on Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import DataError
from lrtui.tasks.datasets import DataSet
from lrtui.tasks.idx import read_idx
from lrtui.tasks.task import DataRequest, DataSource, Say

if TYPE_CHECKING:
    import torch

MEAN, DEVIATION = 0.1307, 0.3081
"""The tutorial's normalization; the values are MNIST's, not Fashion-MNIST's, and are not corrected here."""

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Training images and labels, test images and labels; images have the shape (samples, 28, 28)."""


def read_files(folder: Path) -> Arrays:
    """Return the arrays of the four files.

    Raises:
        DataError: for a file that is missing, truncated or corrupt, or labels that do not fit the images.
    """
    train_images, train_labels, test_images, test_labels = (read_idx(folder / name) for name in NAMES)
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        if labels.ndim != 1 or images.shape != (len(labels), 28, 28) or not len(labels):
            raise DataError(f"{folder}: images of shape {images.shape} do not fit labels of shape {labels.shape}")
    return train_images, train_labels, test_images, test_labels


FASHION_MNIST: DataSet[Arrays] = DataSet(
    name="Fashion-MNIST",
    # torchvision's address and checksums. Debian compresses the files again, so its checksums differ
    files={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    urls=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    folder="FashionMNIST/raw",
    read=read_files,
    packages=(("Debian package", Path("/usr/share/datasets/fashion-mnist")),),
    # chosen by make_sample.py
    sample=Path(__file__).parent / "data",
    advice="Debian has it as dataset-fashion-mnist; --data-dir names a folder that holds the four files",
)

NAMES = tuple(FASHION_MNIST.files)


class FashionMnist:
    """Ten classes of clothes, 28x28 grey; two convolutions, two linear layers, negative log-likelihood."""

    name = "fashion-mnist"
    training_samples = 60_000
    test_batch_size = 500
    """Large enough to be fast, small enough for commands to be answered soon, between two batches."""

    @property
    def data_set(self) -> DataSet[Arrays]:
        """Where the data comes from."""
        return FASHION_MNIST

    def __init__(self) -> None:
        self._request = DataRequest()
        self._arrays: Arrays | None = None

    def prepare(self, request: DataRequest, say: Say) -> DataSource:
        """Find the data, and return where it comes from.

        Raises:
            DataError: if not even the bundled sample can be read.
        """
        found = FASHION_MNIST.find(request.data_dir, say)
        self._request, self._arrays = request, found.content
        return DataSource(FASHION_MNIST.name, found.source, found.where)

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images, float32 (samples, 1, 28, 28), normalized, and classes, int64 (samples,)."""
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
            # the tutorial has its ReLU before the pooling: the maximum of four, cut off at 0, is the same either way,
            # and so is its gradient, but this way ReLU has four times fewer values
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
        # saves the convolutions of every backend a transposition, and changes no result
        return network.to(memory_format=torch.channels_last)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean negative log-likelihood."""
        from torch.nn.functional import nll_loss

        return nll_loss(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return whether the most likely class of each sample is the right one."""
        return {"accuracy": outputs.argmax(dim=1) == targets}


def _first(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], limit: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first `limit` samples; the data set is in random order already."""
    import torch

    # the engine applies the limit, too, but preparing all samples takes a fifth of a second
    images, labels = images[:limit], labels[:limit]
    # the operations and their order are those of ToTensor and Normalize, so that results are bit-identical
    inputs = torch.from_numpy(images.copy()).unsqueeze(1).to(torch.float32).div_(255)
    inputs.sub_(MEAN).div_(DEVIATION)
    return inputs, torch.from_numpy(labels.astype("int64"))
