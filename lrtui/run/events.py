"""What a run says: frozen values that cross from the training thread to whoever listens.

Every event carries `seq` (per run, from 0, no gaps), `step` (optimizer steps done before it) and `seconds` (training
time since the run began: monotonic, evaluation included, pauses excluded).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from lrtui.run.spec import RunSpec

Status = Literal["waiting", "running", "paused", "done", "stopped", "failed", "diverged", "lost"]

LIVE: tuple[Status, ...] = ("waiting", "running", "paused")
"""States of a run that is still training."""

GLYPHS: dict[Status, str] = {
    "waiting": "…",
    "running": "●",
    "paused": "‖",
    "done": "✓",
    "stopped": "■",
    "failed": "✗",
    "diverged": "!",
    "lost": "?",
}
"""A glyph for each state, so that none is shown by colour alone."""


NO_METRICS: Mapping[str, float] = MappingProxyType({})
"""Shared by all steps without metrics, so that the field takes no memory."""

Outcome = Literal["done", "stopped", "failed", "diverged"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a run said."""

    seq: int
    step: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer(Event):
    """An event that can answer a command: it was obeyed, or refused."""

    # which command object asked is no part of what happened: two runs that did the same are equal
    command_id: str = field(default="", compare=False)
    """`id` of the command; empty if nothing or the run's script asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The first batch is next; everything that is needed to repeat the run is known."""

    spec: RunSpec
    """All settings, the schedule with its lengths filled in."""
    device: str
    torch_threads: int
    """Threads torch computes with: on a CPU the same number gives the same numbers."""
    data: Mapping[str, str | int]
    """name, source, where, and the number of samples under `train` and `test`."""
    parameter_count: int
    batches_per_epoch: int
    total_steps: int
    group_names: tuple[str, ...]
    group_lrs: tuple[float, ...]
    resumed_from: int | None = None
    """The checkpoint's step; the story after it is void."""
    resumed_seq: int | None = None
    """The last event that still holds: what was told after the checkpoint is told anew."""
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(Event):
    """One batch went through the optimizer."""

    epoch: int
    """From 1."""
    batch: int
    """In the epoch, from 0."""
    loss: float
    lrs: tuple[float, ...]
    """What this step used, one per parameter group."""
    metrics: Mapping[str, float] = field(default_factory=lambda: NO_METRICS)
    """Further values of this step by name, such as a gradient norm; NaN is the same as no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationStarted(CommandAnswer):
    """The test set is being gone through."""

    epoch: int
    command: str = ""
    """The command that asked for it, in words; nothing for the test at an epoch's end."""
    scripted: bool = False
    """Whether the run's script asked for it, and not a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalDone(Event):
    """The whole test set was evaluated."""

    epoch: int
    loss: float
    accuracy: float | None
    """Share of the test set that was right, in [0, 1]; None where the task has no accuracy."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds_taken: float
    averaged: bool = False
    """Whether the averaged model was evaluated, instead of the model itself."""

    @property
    def all_metrics(self) -> dict[str, float]:
        """The loss, the accuracy where there is one, and the task's further metrics, by name."""
        accuracy = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {**self.metrics, **accuracy, "loss": self.loss}


@dataclass(frozen=True, slots=True)
class DeadLayer:
    """A layer some of whose units get no gradient any more, so that no lr brings them back.

    Args:
        name: of the module, as `named_modules` has it.
        dead: how many of its units.
        units: how many it has.
    """

    name: str
    dead: int
    units: int

    @property
    def share(self) -> float:
        """Of its units, in [0, 1]."""
        return self.dead / self.units


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDone(Event):
    """An epoch and its test are over."""

    epoch: int
    lrs: tuple[float, ...]
    """What the epoch's last step used, one per parameter group: the tutorial's `lrs`."""
    samples_per_second: float
    dead_layer: DeadLayer | None = None
    """The layer with the largest share of units that got no gradient in the epoch's last steps; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSwitched(CommandAnswer):
    """Another schedule holds from the next step on."""

    schedule: str
    """Notation, filled in."""
    anchor: str
    lrs: tuple[float, ...]
    lrs_before: tuple[float, ...]
    """What the anchor `current` builds on."""
    command: str = ""
    """The command that asked for it, in words."""
    scripted: bool = False
    """Whether the run's script asked for it, and not a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LrSet(CommandAnswer):
    """The lr was changed by something else than the schedule's own course."""

    lrs_before: tuple[float, ...]
    lrs_after: tuple[float, ...]
    scale: tuple[float, ...]
    """What the schedule's raw lr is multiplied with, one per parameter group."""
    by: Literal["user", "undo", "plateau"]
    command: str = ""
    """The command that asked for it, in words; nothing for a plateau's."""
    scripted: bool = False
    """Whether the run's script asked for it, and not a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(CommandAnswer):
    """Training waits; commands are still taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(CommandAnswer):
    """Training goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(CommandAnswer):
    """All that is needed to go on from here is on disk."""

    path: str
    reason: str
    """`epoch`, `time`, `pause`, `stop`, `change` or `command`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(CommandAnswer):
    """The run has been made longer."""

    epochs: int
    """Of the whole run, as it is now."""
    total_steps: int
    command: str = ""
    """The command that asked for it, in words."""
    scripted: bool = False
    """Whether the run's script asked for it, and not a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something the user should know, in words."""

    level: Level
    code: str
    """What the notice is about, for programs: `importing`, `data`, `not-finite` ..."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused(CommandAnswer):
    """A command that can't be done now, and why."""

    command: str
    """The command in words."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(CommandAnswer):
    """The last event of a run until it is resumed."""

    outcome: Outcome
    error: str | None = None
