"""The settings of a run. The command line, the settings form and the comparison table derive from `RunSpec`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache
from typing import Any

from lrtui.run.arguments import check_argument
from lrtui.run.errors import UsageError

SCRIPT = "script"
"""Stands in notations for the module of what only a script has that lrtui is attached to: `script:train.py`."""

LOG = "log-file"
"""Stands in notations for the task of a run that is known from its log alone: `log-file:runs/17`; no module's name."""

PRECISIONS = ("fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda", "mps")
PARALLEL = ("ddp", "fsdp2")

MAX_PROCESSES = 4096
"""The largest number of processes of one run."""

MAX_EPOCHS = 1_000_000

OF_SCRIPTS = ("task", "schedule", "optimizer", "epochs", "accumulate", "name", "store")
"""The settings that may be known of a run of the user's own script; the others have their defaults."""

OF_LOGS = ("task", "schedule", "epochs", "name", "store")
"""The settings that may be known of a run from its log."""


class _Default(int):
    """A default value that can be told from the same number given by the user."""


DEFAULT_EPOCHS = _Default(10)


MAX_COUNT = 10**12
"""The largest count that is accepted where there is no smaller limit: more steps than any run has, no overflow."""


def _option(default: Any, help_text: str, **metadata: Any) -> Any:
    """Declare a setting; `aside=True` means that it does not affect the results."""
    return field(default=default, metadata={"help": help_text, **metadata})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """All settings of a run, as plain values; schedule and optimizer in notation.

    Raises:
        UsageError: for a value out of its range.
    """

    schedule: str = _option("ExponentialLR(gamma=0.1)", "schedule, as PyTorch writes it")
    task: str = _option(
        "fashion-mnist", "what is trained: a name that lrtui info lists, FILE.py:Name or package.module:Name"
    )
    optimizer: str = _option("Adam(lr=0.01)", "optimizer, as PyTorch writes it")
    epochs: int = _option(
        DEFAULT_EPOCHS,
        "passes over the training data; with --max-steps alone, as many as its steps need",
        minimum=1,
        maximum=MAX_EPOCHS,
        empty="10, or as many as max steps needs",
        optional=True,
    )
    max_steps: int | None = _option(
        None,
        "optimizer steps after which the run ends, with a test; with --epochs, whichever comes first",
        minimum=1,
        maximum=MAX_COUNT,
        metavar="N",
        empty="all steps of the epochs",
    )
    test_every: int | None = _option(
        None,
        "optimizer steps between two tests, besides the test at the end of each epoch, which schedules follow",
        minimum=1,
        maximum=MAX_COUNT,
        metavar="N",
        empty="at the end of each epoch",
        aside=True,
    )
    batch_size: int = _option(64, "samples per batch", minimum=1, maximum=1_000_000)
    accumulate: int = _option(
        1,
        "batches per optimizer step, by gradient accumulation; schedules count optimizer steps",
        minimum=1,
        maximum=1_000_000,
    )
    clip_grad_norm: float | None = _option(
        None,
        "maximum norm of the gradients, which are scaled down to it (default: no clipping)",
        minimum=0.0,
        metavar="X",
        empty="never",
    )
    seed: int = _option(0, "random seed of weights, data order and dropout", minimum=0, maximum=2**63 - 1)
    device: str = _option(
        "auto", "device to train on; auto takes the first of cuda, mps and cpu that is available", choices=DEVICES
    )
    precision: str = _option(
        "fp32", "bf16 and fp16 run the model in 16 bits (autocast) and keep the weights in fp32", choices=PRECISIONS
    )
    nproc: int = _option(
        1,
        "processes that train the run together, each on a share of every batch; one per GPU on CUDA",
        minimum=1,
        maximum=MAX_PROCESSES,
        aside=True,
    )
    parallel: str = _option(
        "ddp",
        "with several processes: ddp keeps the whole model in each; fsdp2 divides its weights among them",
        choices=PARALLEL,
        aside=True,
    )
    log_interval: int = _option(100, "batches per log line", minimum=1, maximum=1_000_000_000, aside=True)
    train_samples: int | None = _option(
        None, "training samples to use (default: all)", minimum=1, maximum=MAX_COUNT, metavar="N", empty="all"
    )
    test_samples: int | None = _option(
        None, "test samples to use (default: all)", minimum=1, maximum=MAX_COUNT, metavar="N", empty="all"
    )
    data_dir: str | None = _option(
        None, "folder of the data set (default: the user's cache)", metavar="DIR", aside=True, empty="the user's cache"
    )
    store: str | None = _option(
        None,
        "folder to record the run in (default: LRTUI_STORE, or .lrtui here); none records nothing",
        metavar="DIR|none",
        empty=".lrtui",
        aside=True,
    )
    checkpoint_seconds: float = _option(
        30.0,
        "seconds between checkpoints, in addition to one at the end of each epoch",
        minimum=0.0,
        metavar="S",
        aside=True,
    )
    name: str | None = _option(None, "a name for the run", metavar="TEXT", aside=True)
    at: tuple[str, ...] = _option(
        (),
        "changes during the run; WHEN is epoch N, step N or test N; WHAT is SCHEDULE, "
        "SCHEDULE from base|current|start, lr=X, lr*X, lr=X group=N, undo, evaluate, checkpoint, extend N or stop",
        empty="none",
        metavar="'WHEN: WHAT'",
    )

    def __post_init__(self) -> None:
        if isinstance(self.epochs, _Default):
            object.__setattr__(self, "epochs", int(DEFAULT_EPOCHS) if self.max_steps is None else MAX_EPOCHS)
        for item in fields(self):
            value = getattr(self, item.name)
            check_argument("RunSpec", item.name, value, *_accepted(item))
            check_option(item, value)

    @property
    def is_attached(self) -> bool:
        """Whether they describe a script that lrtui was attached to or whose log it reads: lrtui can't train them."""
        return self.task.startswith((f"{SCRIPT}:", f"{LOG}:"))

    @property
    def script(self) -> str:
        """The name of the script's file, or the path of its log; empty for a run that lrtui trains."""
        return self.task.partition(":")[2] if self.is_attached else ""

    @property
    def is_log(self) -> bool:
        """Whether they describe a run that is known from its log alone."""
        return self.task.startswith(f"{LOG}:")

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the settings that are known: all, or of a script or a log those that it has told."""
        if not self.is_attached:
            return _names()
        of_script = OF_LOGS if self.is_log else OF_SCRIPTS
        unknown = {"" if self.optimizer.startswith("task:") else "optimizer", "" if self.schedule else "schedule"}
        return tuple(name for name in of_script if name not in unknown)

    @property
    def epochs_follow(self) -> bool:
        """Whether the number of epochs follows from the number of steps, and isn't known yet."""
        return self.max_steps is not None and self.epochs == MAX_EPOCHS

    @property
    def length(self) -> str:
        """The length of the run in words: `10 epochs`, `500 steps`, `2 epochs, at most 500 steps`."""
        epochs = f"{self.epochs:,} epoch{'s' * (self.epochs != 1)}"
        if self.max_steps is None:
            return epochs
        steps = f"{self.max_steps:,} step{'s' * (self.max_steps != 1)}"
        return steps if self.epochs_follow else f"{epochs}, at most {steps}"

    def total_steps(self, batches_per_epoch: int) -> int:
        """Return the optimizer steps of the whole run.

        Args:
            batches_per_epoch: optimizer steps per epoch.
        """
        steps = self.epochs * batches_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def extended_to(self, epochs: int, total_steps: int) -> RunSpec:
        """Return the settings of the run with another length."""
        limit = None if self.max_steps is None else max(self.max_steps, total_steps)
        return replace(self, epochs=epochs, max_steps=limit)

    def differences(self, other: RunSpec) -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ, as name to (own value, other's value), in the order of declaration.

        Settings that do not affect the results, such as a name, are left out.
        """
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in COMPARED)
        return {name: (mine, theirs) for name, mine, theirs in pairs if mine != theirs}


COMPARED = tuple(item.name for item in fields(RunSpec) if not item.metadata.get("aside"))
"""The settings that affect the results, in the order of declaration."""


def named_schedule(schedule: str, task: str) -> str:
    """Return a schedule that the user has named, as the settings of a run have it.

    The text of the default leaves the choice to a task that has a schedule of its own; with the module's name it does
    not.

    Args:
        task: notation of the task.
    """
    return _named(schedule, RunSpec().schedule, "torch.optim.lr_scheduler", task)


def named_optimizer(optimizer: str, task: str) -> str:
    """Return an optimizer that the user has named, likewise for a task that has `optimizer(model)`."""
    return _named(optimizer, RunSpec().optimizer, "torch.optim", task)


def _named(text: str, default: str, module: str, task: str) -> str:
    return text if text != default or task == RunSpec().task else f"{module}.{text}"


def option_name(name: str) -> str:
    """Return the command-line option of a setting: `--batch-size` for `batch_size`."""
    return "--" + name.replace("_", "-")


def is_whole_number(item: Field[Any]) -> bool:
    """Return whether the setting is an integer."""
    return "int" in str(item.type)


def is_number(item: Field[Any]) -> bool:
    """Return whether the setting is a number."""
    return is_whole_number(item) or "float" in str(item.type)


def is_list(item: Field[Any]) -> bool:
    """Return whether the setting is a list of strings, separated by `;` in a form."""
    return "tuple" in str(item.type)


def option_text(item: Field[Any], value: Any) -> str:
    """Return the text of a value in a form; `read_option` reads it back."""
    if value is None or (item.name == "epochs" and value == MAX_EPOCHS):
        return ""
    return "; ".join(value) if is_list(item) else str(value)


def read_option(item: Field[Any], text: str) -> Any:
    """Return the value of a user's text; empty text is None if the setting is optional.

    Raises:
        UsageError: for invalid text, or a value out of its range.
    """
    text = text.strip()
    if not text and ("None" in str(item.type) or item.metadata.get("optional")):
        return item.default
    value: Any = text
    if is_list(item):
        value = tuple(part.strip() for part in text.split(";") if part.strip())
    elif is_number(item) and not is_whole_number(item):
        try:
            value = float(text) if len(text) <= 40 else None
        except ValueError:
            value = None
        if value is None:
            raise UsageError(f"{option_name(item.name)} takes a number, not {text[:40]!r}")
    elif is_whole_number(item):
        try:
            value = int(text.replace("_", "").replace(",", "")) if len(text) <= 40 else None
        except ValueError:
            value = None
        if value is None:
            raise UsageError(f"{option_name(item.name)} takes a whole number, not {text[:40]!r}")
    check_option(item, value)
    return value


@cache
def _names() -> tuple[str, ...]:
    return tuple(item.name for item in fields(RunSpec))


@cache
def _accepted(item: Field[Any]) -> tuple[tuple[type, ...], str]:
    """Return the types that a setting may have, and what it must be, for a message."""
    kinds: tuple[type, ...] = (str,)
    expected = f"text, such as {item.default!r}" if isinstance(item.default, str) else "text"
    if is_list(item):
        kinds, expected = (tuple,), 'a tuple of strings, such as ("epoch 3: lr*0.5",)'
    elif "bool" in str(item.type):
        kinds, expected = (bool,), "True or False"
    elif is_whole_number(item):
        kinds, expected = (int,), "a whole number"
    elif is_number(item):
        kinds, expected = (int, float), "a number"
    return ((*kinds, type(None)), f"{expected}, or None") if "None" in str(item.type) else (kinds, expected)


def check_option(item: Field[Any], value: Any) -> None:
    """Check the value of a setting against its declaration.

    Raises:
        UsageError: names the setting, the value and the range.
    """
    option = option_name(item.name)
    if value is None:
        return
    if choices := item.metadata.get("choices"):
        if value not in choices:
            raise UsageError(f"{option} takes {', '.join(choices)}, not {str(value)[:40]!r}")
    elif is_whole_number(item):
        low, high = item.metadata["minimum"], item.metadata.get("maximum", math.inf)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            limit = f"at most {high:,}" if isinstance(value, int) and value > high else f"at least {low:,}"
            raise UsageError(f"{option} takes a whole number of {limit}, not {str(value)[:40]}")
    elif is_list(item):
        if not isinstance(value, tuple) or not all(isinstance(part, str) for part in value):
            raise UsageError(f"{option} takes a tuple of strings, not {str(value)[:40]}")
    elif is_number(item):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"{option} takes a number, not {str(value)[:40]}")
        if not (math.isfinite(value) and value > item.metadata["minimum"]):
            raise UsageError(f"{option} takes a finite number above {item.metadata['minimum']:g}, not {value:g}")
    elif not isinstance(value, str):
        raise UsageError(f"{option} takes text, not {str(value)[:40]}")
    elif item.name == "name" and any("\ud800" <= character <= "\udfff" for character in value):
        # undecodable bytes of an argument become surrogates, which SQLite refuses
        raise UsageError(f"{option} takes text, not undecodable bytes: {ascii(value)[:60]}")


def trained_group(lrs: Sequence[float]) -> int:
    """Return the index of the first parameter group that is not frozen at lr 0; 0 if all are, or there is none.

    Where there is room for a single lr, that group's is shown.
    """
    return next((index for index, lr in enumerate(lrs) if lr > 0), 0)


def trained_lr(lrs: Sequence[float]) -> float:
    """Return the lr of the first parameter group that is not frozen at lr 0."""
    return lrs[trained_group(lrs)]
