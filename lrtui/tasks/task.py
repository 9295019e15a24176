"""What a task has to offer to be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class DataRequest:
    """Which data a run wants.

    Args:
        data_dir: where to look first, and where to download to; None for the user's cache directory.
        train_samples: how many training samples will be used, the first ones; None for all.
        test_samples: the same for the test set.
    """

    data_dir: str | None = None
    train_samples: int | None = None
    test_samples: int | None = None


@dataclass(frozen=True, slots=True)
class DataSource:
    """Which data it is.

    Args:
        name: of the data set.
        source: where it came from, in a word or two.
        where: the folder or address.
    """

    name: str
    source: str
    where: str


Say = Callable[[str], None]
"""Takes a line of narration."""

Data = Any
"""Training or test data, in one of these forms:

- a pair of tensors (inputs, targets), samples along the first dimension of both: the fast path, kept on the device;
- a `torch.utils.data.Dataset` of pairs: batched by the run's `--batch-size`, training data in a new order each epoch;
- a `torch.utils.data.DataLoader`, or any iterable with a length that can be gone through again and again, of batches
  that are pairs: taken as it is, order and batch size being its own affair.
"""


class Task(Protocol):
    """A model, its data and its loss: any object with these four methods, all called from the training thread.

    It may have more, all of it optional:

    - `metrics(outputs, targets)` returns a mapping from names to what the test set is judged by. A tensor with a
      value a sample (or a sample and position; of any shape, bool or number) is averaged over all its elements on the
      whole test set; a 0-d tensor is a batch's mean, weighted by its samples. One named `accuracy`, a share in
      [0, 1], is what best results are told by; without it the lowest test loss is.
    - `prepare(request, say)` is called first, with a `DataRequest`: the place to find or download data. `say` takes
      narration, a line at a time. It may return a `DataSource`.
    - `name`, else the name of the class.
    - `test_batch_size`: samples of the test set at once, in place of `--batch-size`.
    - `training_samples`, a whole number known without loading anything: lets `lrtui preview` know an epoch's length.
    """

    def model(self) -> torch.nn.Module:
        """Return a fresh model.

        Called once a run, after the seed is set: weights drawn from torch's global generator follow it.
        """
        ...

    def training_data(self) -> Data:
        """Return the training data, in one of the forms of `Data`."""
        ...

    def test_data(self) -> Data:
        """Return the test data, in one of the forms of `Data`."""
        ...

    def loss(self, outputs: Any, targets: Any) -> torch.Tensor:
        """Return the mean loss of a batch, 0-d.

        Args:
            outputs: what the model made of the batch's inputs.
            targets: the batch's targets, on the outputs' device.
        """
        ...
