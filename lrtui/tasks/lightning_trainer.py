"""Stands in for Lightning's Trainer where a module asks for the length of the run, the epoch or the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TrainerStandIn:
    """What a LightningModule finds as `self.trainer`.

    Args:
        datamodule: the data module, if there is one.
    """

    def __init__(self, datamodule: Any) -> None:
        self.datamodule = datamodule
        self.max_epochs = self.num_training_batches = self.estimated_stepping_batches = 0
        self.max_steps = -1
        self.accumulate_grad_batches = self.world_size = self.num_devices = self.num_nodes = 1
        self.is_global_zero = self.training = True
        self.global_rank = self.local_rank = self.node_rank = 0
        self.sanity_checking = self.testing = self.fast_dev_run = False
        self.logger = self.progress_bar_callback = None
        self.loggers: list[Any] = []
        self.callbacks: list[Any] = []
        self.optimizers: list[Any] = []
        self.start()

    def start(self) -> None:
        """Start a run."""
        self._batches = 0

    def next_batch(self) -> bool:
        """Move to the next batch of the training data; return whether it is the first of an epoch."""
        self._batches += 1
        return self.batch == 0

    @property
    def global_step(self) -> int:
        """Batches that the module was trained on before this one."""
        return max(0, self._batches - 1)

    @property
    def batch(self) -> int:
        """The batch of the epoch, from 0."""
        return self.global_step % max(1, self.num_training_batches)

    @property
    def current_epoch(self) -> int:
        """The epoch, from 0."""
        return self.global_step // max(1, self.num_training_batches)

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches."""
        return {"batches": self._batches}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Load what `state_dict` returned."""
        self._batches = state["batches"]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"self.trainer.{name} is not available: lrtui trains in place of Lightning's Trainer")
