"""The settings of a run, declared once: the command line, the settings form and the compare table derive from here."""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field, fields
from typing import Any

from lrtui.run.errors import UsageError

PRECISIONS = ("fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda", "mps")


def _option(default: Any, help_text: str, **metadata: Any) -> Any:
    """Declare a setting; with `aside=True` it has no part in what is computed."""
    return field(default=default, metadata={"help": help_text, **metadata})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything a user can set about a run; plain values, in notation where there is one.

    Raises:
        UsageError: for a value out of its range.
    """

    schedule: str = _option("ExponentialLR(gamma=0.1)", "schedule, as PyTorch writes it")
    task: str = _option("fashion-mnist", "what is trained: fashion-mnist, FILE.py:Name or package.module:Name")
    optimizer: str = _option("Adam(lr=0.01)", "optimizer, as PyTorch writes it")
    epochs: int = _option(10, "passes over the training data", minimum=1, maximum=1_000_000)
    batch_size: int = _option(64, "samples a step", minimum=1, maximum=1_000_000)
    accumulate: int = _option(
        1, "batches whose gradients make one optimizer step; schedules count steps", minimum=1, maximum=1_000_000
    )
    clip_grad_norm: float | None = _option(
        None, "scale the gradients down to this norm (default: never)", minimum=0.0, metavar="X", empty="never"
    )
    seed: int = _option(0, "of weights, data order and dropout", minimum=0, maximum=2**63 - 1)
    device: str = _option("auto", "auto takes cuda, mps or cpu, whichever is there first", choices=DEVICES)
    precision: str = _option(
        "fp32", "bf16 and fp16 compute the model in 16 bits (autocast), the weights stay fp32", choices=PRECISIONS
    )
    log_interval: int = _option(100, "batches between two log lines", minimum=1, maximum=1_000_000_000, aside=True)
    train_samples: int | None = _option(
        None, "training samples to use (default: all)", minimum=1, metavar="N", empty="all"
    )
    test_samples: int | None = _option(None, "test samples to use (default: all)", minimum=1, metavar="N", empty="all")
    data_dir: str | None = _option(
        None, "where the data set lies (default: the user's cache)", metavar="DIR", aside=True, empty="the user's cache"
    )
    store: str | None = _option(
        None,
        "where the run is kept (default: LRTUI_STORE, or .lrtui here); none keeps nothing",
        metavar="DIR|none",
        empty=".lrtui",
        aside=True,
    )
    checkpoint_seconds: float = _option(
        30.0, "seconds between two checkpoints, besides those at epochs' ends", minimum=0.0, metavar="S", aside=True
    )
    name: str | None = _option(None, "a name for the run", metavar="TEXT", aside=True)
    at: tuple[str, ...] = _option(
        (),
        "in mid-run; WHEN is epoch N, step N or test N; WHAT is SCHEDULE, SCHEDULE from base|current|start, lr=X, "
        "lr*X, lr=X group=N, undo, evaluate, checkpoint, extend N or stop",
        empty="nothing in mid-run",
        metavar="'WHEN: WHAT'",
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            check_option(item, getattr(self, item.name))

    def differences(self, other: RunSpec) -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ, name to (this run's value, the other's), in the order of declaration.

        Those that have no part in what is computed, such as a name, are left out.
        """
        counted = [item for item in fields(self) if not item.metadata.get("aside")]
        pairs = ((item.name, getattr(self, item.name), getattr(other, item.name)) for item in counted)
        return {name: (mine, theirs) for name, mine, theirs in pairs if mine != theirs}


def option_name(name: str) -> str:
    """Return the option as the command line spells it: `batch_size` is `--batch-size`."""
    return "--" + name.replace("_", "-")


def is_whole_number(item: Field[Any]) -> bool:
    """Say whether the setting is a count."""
    return "int" in str(item.type)


def is_number(item: Field[Any]) -> bool:
    """Say whether the setting is a number of any kind."""
    return is_whole_number(item) or "float" in str(item.type)


def is_list(item: Field[Any]) -> bool:
    """Say whether the setting is a list of texts; in one line a `;` parts them."""
    return "tuple" in str(item.type)


def option_text(item: Field[Any], value: Any) -> str:
    """Return the value as a form shows it; `read_option` reads it back."""
    if value is None:
        return ""
    return "; ".join(value) if is_list(item) else str(value)


def read_option(item: Field[Any], text: str) -> Any:
    """Return the value that a user's text stands for; empty text is None where a setting may be left out.

    Raises:
        UsageError: for text that is no such value, or one out of its range.
    """
    text = text.strip()
    if not text and "None" in str(item.type):
        return None
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


def check_option(item: Field[Any], value: Any) -> None:
    """Check one setting against what its declaration allows.

    Raises:
        UsageError: says the setting, the value and the range.
    """
    words = option_name(item.name)
    if value is None:
        return
    if choices := item.metadata.get("choices"):
        if value not in choices:
            raise UsageError(f"{words} takes {', '.join(choices)}, not {str(value)[:40]!r}")
    elif is_whole_number(item):
        low, high = item.metadata["minimum"], item.metadata.get("maximum", math.inf)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            limits = f"of at least {low:,}" if value is None or not isinstance(value, int) or value < low else ""
            raise UsageError(f"{words} takes a whole number {limits or f'of at most {high:,}'}, not {str(value)[:40]}")
    elif is_list(item):
        if not isinstance(value, tuple) or not all(isinstance(part, str) for part in value):
            raise UsageError(f"{words} takes a tuple of texts, not {str(value)[:40]}")
    elif is_number(item):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"{words} takes a number, not {str(value)[:40]}")
        if not (math.isfinite(value) and value > item.metadata["minimum"]):
            raise UsageError(f"{words} takes a finite number above {item.metadata['minimum']:g}, not {value:g}")
    elif not isinstance(value, str):
        raise UsageError(f"{words} takes text, not {str(value)[:40]}")
    elif item.name == "name" and any("\ud800" <= character <= "\udfff" for character in value):
        # an argument's bytes that are no text: no database takes them
        raise UsageError(f"{words} takes text, and {ascii(value)[:60]} has bytes in it that are none")
