"""The values of training that a line of output shows: loss, lr, epoch, step, accuracy, and those of a test.

Nothing here knows earlier lines; `output_events` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_TEXT = 1000
"""Characters of a line that are looked at."""

MAX_SETTINGS = 5
"""A line with more values than this, a lr among them but no loss, lists settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineValues:
    """The values in one line; None for what it does not have.

    Args:
        loss: of training.
        epoch: as the script counts; a fraction for a script that logs fractions of epochs.
        step: number of a step over all epochs.
        position: number of a batch within the epoch, or within a progress bar.
        metrics: further values of the step, by name.
        test_loss: loss of a test.
        accuracy: of a test, in [0, 1].
        test_metrics: further values of the test, by name.
    """

    loss: float | None = None
    lr: float | None = None
    epoch: float | None = None
    step: int | None = None
    position: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    test_loss: float | None = None
    accuracy: float | None = None
    test_metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def has_step(self) -> bool:
        """Whether the line describes a training step."""
        return self.loss is not None or any("loss" in name.lower() for name in self.metrics)

    @property
    def has_test(self) -> bool:
        """Whether the line has the result of a test."""
        return self.test_loss is not None or self.accuracy is not None


NUMBER = r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf|NaN|Infinity)"

_PAIR = re.compile(
    # two words at most: "test loss", "learning rate"
    r"(?<![\w./@-])['\"]?(?P<name>[A-Za-z][\w/@]*(?:[ -][A-Za-z][\w/@]*)?)['\"]?"
    r"(?:\s*[:=]\s*|\s+)['\"]?(?:(?:torch\.)?tensor\(|np\.float\d+\()?"
    rf"(?P<value>{NUMBER})(?P<end>\s?%|/\d+)?(?![\w/%]|\.\d)"
)
"""A name and its number: `loss: 0.5`, `lr=1e-3`, `'loss': 0.5`, `val loss 2.1`, `Accuracy: 9123/10000`."""

_TEST = r"(?:val|valid|validation|eval|evaluation|test|testing|dev)"
_LOSS = re.compile(r"(?:(?:train|training|running|batch|total|step|mean|mini|ce)[ _/-])?loss(?:_step|_epoch)?\Z", re.I)
_AVERAGE_LOSS = re.compile(r"(?:avg|average)[ _]?loss\Z", re.I)
_TEST_LOSS = re.compile(
    rf"(?:(?:{_TEST}[ _/-])(?:avg_|average_|set )?loss|set loss)(?:_epoch|/dataloader_idx_0)?\Z", re.I
)
_OTHER_LOSS = re.compile(r"(?:[A-Za-z]\w*_loss|loss_[A-Za-z]\w*)\Z", re.I)
_NO_LOSS = re.compile(r"(?:best|min|lowest|max|packet)[ _]|loss_(?:scale|weight|fn|func|function|type|name|coef)", re.I)
_LR = re.compile(r"(?:(?:current|new)[ _])?(?:lr|learning[ _]rate)\Z", re.I)
_ACCURACY = re.compile(
    r"(?:(?:train|training|batch|running)[ _/])?(?:acc|accuracy|acc@1|top1|categorical_accuracy)\Z", re.I
)
_TEST_ACCURACY = re.compile(rf"{_TEST}[ _/-](?:acc|accuracy|acc@1|top1)(?:_epoch)?\Z", re.I)
_TEST_METRIC = re.compile(
    rf"{_TEST}[_/](?P<metric>f1|auc|perplexity|ppl|precision|recall|miou|bleu|mae|mse|rmse)\Z", re.I
)
_METRIC = re.compile(r"(?:grad_norm|gradnorm|perplexity|ppl)\Z", re.I)

_TEST_LINE = re.compile(rf"\W*(?:{_TEST}(?:[ _](?:set|results?|error|dataloader\b.*))?|evaluate)\b\s*[:|\[]", re.I)
"""The start of a line about a test."""

_TEST_PROGRESS = re.compile(r"\W*\w+: \[\s*\d+/\d+\]")

_TRAIN_LINE = re.compile(r"\W*train", re.I)

_EPOCH = re.compile(
    r"(?<![\w.-])['\"]?epoch['\"]?\s*[:=]?\s*['\"]?\[?\s*(?P<epoch>\d{1,9}(?:\.\d+)?)(?![\w%]|\.\d)", re.I
)
_TIMM = re.compile(r"\s*Train: (?P<epoch>\d{1,9}) \[\s*(?P<position>\d{1,12})/\d+")
_STEP = re.compile(
    r"(?<![\w.-])['\"]?(?:global[ _]step|step|iter|iteration|it|batch)['\"]?\s*[:=#]?\s*['\"]?"
    r"\[?\s*(?P<step>\d{1,12})(?:\s*/\s*(?P<total>\d+))?(?![\w%/]|\.\d)",
    re.I,
)
_BAR = re.compile(
    # tqdm, Keras with either kind of bar, the brackets of PyTorch's ImageNet example
    r"(?<!\d)(?P<position>\d{1,12})/(?P<total>\d+)\s*(?:\[\d+:\d\d|\[[=>.]|━|- \d+m?s)"
    r"|\]\[\s*(?P<batch>\d{1,12})/\d+\s*\]"
)
_RICH_BAR = re.compile(r"(?<!\d)(?P<position>\d{1,12})/\d+\s+\d+:\d\d:\d\d\b")
_ADJUSTED = re.compile(rf"learning rate of group 0 (?:to|from \S+ to) (?P<lr>{NUMBER})", re.I)
_SUMMARY = re.compile(r"train_runtime|samples_per_second['\"]?: .*train_loss")
"""The last line of transformers' Trainer, whose loss is the mean of the run."""


def read_line(text: str) -> LineValues | None:
    """Return the values of a line of output; None if it shows none."""
    text = text[:MAX_TEXT]
    # nearly all lines without values are passed over here
    if not any(character.isdigit() or character in "nN" for character in text) or _SUMMARY.search(text):
        return None
    found: dict[str, float] = {}
    metrics: dict[str, float] = {}
    test_metrics: dict[str, float] = {}
    is_test = _TEST_LINE.match(text) is not None
    pairs = list(_PAIR.finditer(text))
    for pair in pairs:
        _take(pair, text, is_test, found, metrics, test_metrics)
    if match := _ADJUSTED.search(text):
        found["lr"] = float(match["lr"])
    bar = _RICH_BAR.search(text) or _BAR.search(text)
    if is_test and (bar or _TEST_PROGRESS.match(text)):
        # the result comes at the end
        return None
    _place(text, bar, found)
    is_of_test = is_test or "test_loss" in found or "average_loss" in found
    is_of_step = "loss" in found or bool(metrics) or _TRAIN_LINE.match(text) is not None
    if "accuracy" in found and is_of_step and not is_of_test:
        # an accuracy beside the loss of a step is that of the batch
        metrics["accuracy"] = found.pop("accuracy")
    if "average_loss" in found:
        average = found.pop("average_loss")
        found.setdefault("test_loss" if is_test or "accuracy" in found else "loss", average)
    elif is_test and "loss" in found:
        found.setdefault("test_loss", found.pop("loss"))
    if "test_accuracy" in found:
        if "accuracy" in found:
            metrics["accuracy"] = found["accuracy"]
        found["accuracy"] = found.pop("test_accuracy")
    if "loss" in found and "test_loss" in found and "step" in found and "epoch" not in found:
        # estimates of both losses, between two steps
        test_metrics["train_loss"] = found.pop("loss")
    values = _values(found, metrics, test_metrics)
    if not (values.has_step or values.has_test) and len(pairs) > MAX_SETTINGS:
        return None
    is_empty = not (values.has_step or values.has_test or values.lr is not None or values.epoch is not None)
    return None if is_empty else values


def _take(
    pair: re.Match[str],
    text: str,
    is_test: bool,
    found: dict[str, float],
    metrics: dict[str, float],
    test_metrics: dict[str, float],
) -> None:
    """Sort a name and its number into what they stand for."""
    name, end = pair["name"], (pair["end"] or "").strip()
    kind = _kind(name)
    if not kind:
        # the first of two words belongs to the text before: "Epoch 3 loss 0.5", "then loss 0.5"
        name = re.split(r"[ -]", name)[-1]
        kind = _kind(name) if name != pair["name"] and not _NO_LOSS.match(pair["name"]) else ""
    has_sign = any(sign in text[pair.start("name") + len(pair["name"]) : pair.start("value")] for sign in ":=")
    is_number = not pair["value"].lstrip("+-").isdigit()
    if not kind or (not has_sign and not is_number and "accuracy" not in kind):
        return
    value = float(pair["value"])
    if "accuracy" in kind:
        fraction = _fraction(value, end, pair["value"])
        if fraction is not None:
            found.setdefault(kind, fraction)
    elif end:
        # a share or a count is not a loss
        return
    elif kind == "metric":
        metrics.setdefault(name, value)
    elif kind == "test_metric":
        test_metrics.setdefault(name, value)
    else:
        found.setdefault(kind, value)


def _kind(name: str) -> str:
    """Return what a name stands for; empty for any other."""
    if _NO_LOSS.match(name):
        return ""
    for kind, pattern in _KINDS:
        if pattern.match(name):
            return kind
    return ""


_KINDS = (
    ("loss", _LOSS),
    ("average_loss", _AVERAGE_LOSS),
    ("test_loss", _TEST_LOSS),
    ("lr", _LR),
    ("accuracy", _ACCURACY),
    ("test_accuracy", _TEST_ACCURACY),
    ("test_metric", _TEST_METRIC),
    ("metric", _METRIC),
    ("metric", _OTHER_LOSS),
)
"""What names stand for; the first pattern that matches decides."""


def _fraction(value: float, end: str, text: str) -> float | None:
    """Return an accuracy in [0, 1]; None if it is no accuracy."""
    if end.startswith("/"):
        total = int(end[1:])
        fraction = value / total if total else -1.0
    else:
        # without the rounding error of the division
        fraction = float(f"{value / 100:.12g}") if end or value > 1 else value
    return fraction if 0 <= fraction <= 1 else None


def _place(text: str, bar: re.Match[str] | None, found: dict[str, float]) -> None:
    """Find the epoch, the step and the position."""
    timm = _TIMM.match(text)
    if timm:
        found["epoch"], found["position"] = float(timm["epoch"]), float(timm["position"])
        return
    if epoch := _EPOCH.search(text):
        found["epoch"] = float(epoch["epoch"])
    if bar:
        found["position"] = float(bar["position"] or bar["batch"])
    step = _STEP.search(text)
    if step and not bar:
        is_position = step["total"] is not None or step[0].lower().lstrip("'\"").startswith("batch")
        found["position" if is_position and epoch else "step"] = float(step["step"])


def _values(found: Mapping[str, float], metrics: Mapping[str, float], test_metrics: Mapping[str, float]) -> LineValues:
    step, position = found.get("step"), found.get("position")
    return LineValues(
        loss=found.get("loss"),
        lr=found.get("lr"),
        epoch=found.get("epoch"),
        step=None if step is None else int(step),
        position=None if position is None else int(position),
        metrics=metrics,
        test_loss=found.get("test_loss"),
        accuracy=found.get("accuracy"),
        test_metrics=test_metrics,
    )
