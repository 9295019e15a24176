"""The states of a run, and its events: frozen values that cross from the training thread to their readers.

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
Mode = Literal["max", "min"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a run."""

    seq: int
    step: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer(Event):
    """An event that can answer a command: it was obeyed, or refused."""

    # the events of two identical runs are equal, although their commands have different ids
    command_id: str = field(default="", compare=False)
    """`id` of the command; empty if no command caused the event, or the run's script gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """Training starts or resumes; has everything that is needed to repeat the run."""

    spec: RunSpec
    """All settings; the schedule has its lengths filled in."""
    settings_known: bool = True
    """False for a log without settings: then only `spec.epochs` is valid, and `spec.schedule` if it isn't empty."""
    device: str
    torch_threads: int
    """Number of torch threads; on a CPU, results are reproducible only with the same number."""
    data: Mapping[str, str | int]
    """`name`, `source` and `where` of the data, and the numbers of samples `train` and `test`."""
    parameter_count: int
    batches_per_epoch: int
    total_steps: int | None
    """Steps of the whole run; None for a log of unknown length."""
    group_names: tuple[str, ...]
    group_lrs: tuple[float, ...]
    resumed_from: int | None = None
    """Step of the checkpoint; steps after it are superseded."""
    resumed_seq: int | None = None
    """Seq of the last event before the checkpoint; later ones are superseded."""
    parent: str | None = None
    best: str | None = None
    """Name of the metric that decides which result is the best; None for the accuracy, or the loss without one."""
    mode: Mode | None = None
    """Whether a high or a low value of that metric is better; None without `best`."""
    output: str | None = None
    """File with the output of the command that the run is part of, relative to the store's folder; None if `lrtui run`
    did not start it."""
    logs_epochs: bool = False
    """Whether the log that a run is known from has the epochs of its steps; no key in JSON otherwise."""
    processes: int = 1
    """How many processes train the run together; no key in JSON for a single one."""

    @property
    def has_every_loss(self) -> bool:
        """Whether a loss of NaN is the loss of its step; otherwise the step has none: a script may log every tenth."""
        return self.settings_known

    def name_of_group(self, index: int) -> str:
        """Return the name of a parameter group, also of one that was added during the run."""
        return self.group_names[index] if index < len(self.group_names) else f"group {index}"

    @property
    def knows_epochs(self) -> bool:
        """Whether the number of steps per epoch is known; a script may not say it."""
        return not self.spec.is_attached or self.total_steps is not None or self.batches_per_epoch > 1

    @property
    def names_epochs(self) -> bool:
        """Whether the run itself counts epochs; in a log that does not, each test ends one."""
        return self.knows_epochs or self.logs_epochs or not self.spec.is_log


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(Event):
    """One optimizer step was made."""

    epoch: int
    """From 1."""
    batch: int
    """Within the epoch, from 0."""
    loss: float
    """NaN also at a step whose loss is not known, unless `RunStarted.has_every_loss`."""
    lrs: tuple[float, ...]
    """The lrs of this step, one per parameter group; more than before, once a script has added a group."""
    metrics: Mapping[str, float] = field(default_factory=lambda: NO_METRICS)
    """Further values of this step by name, such as a gradient norm; NaN is the same as no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationStarted(CommandAnswer):
    """An evaluation on the test set starts."""

    epoch: int
    command: str = ""
    """The command that asked for it, as text; empty for the test at the end of an epoch, and for a periodic one."""
    scripted: bool = False
    """Whether the run's script gave the command, not the user."""
    periodic: bool = False
    """Whether it is a test within an epoch, after the steps of `--test-every`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalDone(Event):
    """An evaluation on the test set ended."""

    epoch: int
    loss: float | None
    """None if a script logs no test loss; then it has no key in JSON."""
    accuracy: float | None
    """Fraction of correct test samples, in [0, 1]; None if the task has no accuracy."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds_taken: float
    averaged: bool = False
    """Whether the averaged model was evaluated, not the model itself."""

    @property
    def all_metrics(self) -> dict[str, float]:
        """The accuracy and the loss, if there are any, and the task's further metrics, by name."""
        accuracy = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {**self.metrics, **accuracy, **({} if self.loss is None else {"loss": self.loss})}


@dataclass(frozen=True, slots=True)
class DeadLayer:
    """A layer with dead units: they get no gradient, so that no lr revives them.

    Args:
        name: name of the module, as in `named_modules`.
        dead: number of dead units.
        units: number of all units.
    """

    name: str
    dead: int
    units: int

    @property
    def share(self) -> float:
        """Fraction of dead units, in [0, 1]."""
        return self.dead / self.units


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDone(Event):
    """An epoch and its test ended."""

    epoch: int
    lrs: tuple[float, ...]
    """The lrs of the epoch's last step, one per parameter group."""
    samples_per_second: float
    dead_layer: DeadLayer | None = None
    """The layer with the largest fraction of units that got no gradient in the epoch's last steps; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSwitched(CommandAnswer):
    """Another schedule applies from the next step on."""

    schedule: str
    """Its notation, with lengths filled in."""
    anchor: str
    lrs: tuple[float, ...]
    lrs_before: tuple[float, ...]
    """The lrs before the switch, which the anchor `current` starts from."""
    command: str = ""
    """The command that asked for it, as text."""
    scripted: bool = False
    """Whether the run's script gave the command, not the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LrSet(CommandAnswer):
    """The lr was changed by something other than a step of the schedule."""

    lrs_before: tuple[float, ...]
    lrs_after: tuple[float, ...]
    scale: tuple[float, ...]
    """Factors of the unscaled lr, one per parameter group."""
    by: Literal["user", "undo", "plateau"]
    command: str = ""
    """The command that asked for it, as text; empty for a plateau."""
    scripted: bool = False
    """Whether the run's script gave the command, not the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(CommandAnswer):
    """Training is paused; commands are still obeyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(CommandAnswer):
    """Training continues after a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(CommandAnswer):
    """A checkpoint was written."""

    path: str
    reason: str
    """`epoch`, `time`, `pause`, `stop`, `change` or `command`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(CommandAnswer):
    """The run was made longer."""

    epochs: int
    """New length of the whole run."""
    total_steps: int
    command: str = ""
    """The command that asked for it, as text."""
    scripted: bool = False
    """Whether the run's script gave the command, not the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """A message for the user."""

    level: Level
    code: str
    """Identifies the subject for programs: `importing`, `data`, `not-finite` ..."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused(CommandAnswer):
    """A command was refused."""

    command: str
    """The command as text."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(CommandAnswer):
    """The last event of a run until it is resumed."""

    outcome: Outcome
    error: str | None = None
