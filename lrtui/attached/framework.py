"""What a framework that runs the training loop gives to `attach`, and the commands that it carries out itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from lrtui.run.commands import EvaluateNow, Extend, SaveCheckpoint


class Framework(Protocol):
    """A framework's trainer; each method raises UsageError with the reason if it can't do what is asked."""

    def evaluate(self, command: EvaluateNow) -> None:
        """Run a test at the next place where the framework can."""
        ...

    def save_checkpoint(self, command: SaveCheckpoint) -> None:
        """Save a checkpoint at the next place where the framework can."""
        ...

    def extend(self, command: Extend) -> None:
        """Let the loop make more epochs."""
        ...


@dataclass(frozen=True)
class FrameworkLoop:
    """The training loop of a framework.

    Args:
        framework: carries out commands.
        start_step: optimizer steps done before, where training continues from a checkpoint.
        max_steps: optimizer steps of the whole run; None if its epochs are whole.
        unit: after what the schedulers are stepped; None to find out.
        is_regular: whether they are stepped after each of these; the lr to come is unknown otherwise.
    """

    framework: Framework
    start_step: int = 0
    max_steps: int | None = None
    unit: Literal["batch", "epoch"] | None = None
    is_regular: bool = True
