"""What a task has to offer to be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class DataRequest:
    """Which data a run wants.

    Args:
        data_dir: where to look first, and where to download to; None for the user's cache directory.
        train_samples: how many training samples to use, the first ones; None for all.
        test_samples: the same for the test set.
    """

    data_dir: str | None = None
    train_samples: int | None = None
    test_samples: int | None = None


@dataclass(frozen=True, slots=True)
class DataDescription:
    """Which data it is.

    Args:
        name: of the data set.
        source: where it came from, in a word or two.
        where: the folder or address.
        train: training samples in use.
        test: test samples in use.
    """

    name: str
    source: str
    where: str
    train: int
    test: int

    def as_json(self) -> dict[str, str | int]:
        """Return the fields as plain values, as the event RunStarted carries them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class InMemory:
    """Samples that fit into memory, prepared once: the fast path.

    Args:
        inputs: shape (samples, ...).
        targets: shape (samples, ...).
    """

    inputs: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, indices: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the inputs and targets of these samples."""
        return self.inputs[indices], self.targets[indices]

    def to(self, device: torch.device) -> InMemory:
        """Return the samples on that device."""
        return InMemory(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True, slots=True)
class TaskData:
    """Training and test samples, and which they are."""

    train: InMemory
    test: InMemory
    description: DataDescription


class Task(Protocol):
    """A model, its data and its loss.

    All methods are called from the training thread. `model` is called after the seed is set, once a run; it draws its
    weights from torch's global generator, so that the same seed gives the same model.
    """

    name: str
    training_samples: int
    """How many training samples there are when all are used; known without loading them."""
    has_accuracy: bool
    """Whether `correct` means something; if not, it is never called."""

    def load(self, request: DataRequest, say: Callable[[str], None]) -> TaskData:
        """Return the data.

        Args:
            request: which part of it, and where to look.
            say: takes narration, a line at a time: which data it is, from where; progress.

        Raises:
            DataError: where none can be had.
        """
        ...

    def model(self) -> torch.nn.Module:
        """Return a fresh model."""
        ...

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch, 0-d."""
        ...

    def correct(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return how many samples of a batch are right, 0-d, on the outputs' device."""
        ...
