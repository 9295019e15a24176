"""Which series of a log is the training loss, the test loss, the accuracy, the lr and the epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrtui.run.errors import UsageError
from lrtui.sources.series_names import SeriesName, series_name

if TYPE_CHECKING:
    from lrtui.sources.series_shape import SeriesShape

ROLES = ("loss", "test_loss", "accuracy", "lr", "epoch")
ROLE_LIST = f"{', '.join(ROLES[:-1])} or {ROLES[-1]}"
"""What a series can mean, as in `--map`."""

_LARGEST_FRACTION = 1.001
"""An accuracy above this is given in percent; rounding may lift a fraction a little above 1."""
_MOST_LRS = 64


@dataclass(frozen=True, slots=True)
class SeriesMapping:
    """What the user says that series mean.

    Args:
        series: names of series by role. A role that is missing is recognized, one without names has no series.
    """

    series: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recognized:
    """Why a series has a role.

    Args:
        role: one of `ROLES`.
        series: name of the series; None if the role has none.
        reason: a part of a sentence, such as "named as a training loss".
    """

    role: str
    series: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the series of a log mean.

    Args:
        loss: the training loss; like the others, None if there is none.
        test_loss: the test loss.
        accuracy: the test accuracy.
        lrs: the learning rates, one per parameter group.
        epoch: the epoch.
        tests: further series of tests.
        accuracy_scale: what the values of `accuracy` are multiplied by to be fractions.
        reasons: why, in the order of `ROLES`.
    """

    loss: str | None = None
    test_loss: str | None = None
    accuracy: str | None = None
    lrs: tuple[str, ...] = ()
    epoch: str | None = None
    tests: frozenset[str] = frozenset()
    accuracy_scale: float = 1.0
    reasons: tuple[Recognized, ...] = ()


def read_mapping(texts: Iterable[str]) -> SeriesMapping:
    """Return what the values of `--map` say.

    Args:
        texts: such as "loss=train/loss" or "accuracy=-"; only lr may be given several times.

    Raises:
        UsageError: if one of them can't be read; the message says what is wrong.
    """
    series: dict[str, tuple[str, ...]] = {}
    for text in texts:
        role, equals, name = text.partition("=")
        role, name = role.strip(), name.strip()
        if not equals or not role or not name:
            raise UsageError(f"--map {text}: write NAME=SERIES, such as loss=train/loss. NAME is {ROLE_LIST}.")
        if role not in ROLES:
            raise UsageError(f"--map {text}: there is no {role}. Write {ROLE_LIST} before the =.")
        names: tuple[str, ...] = () if name == "-" else (name,)
        if role not in series:
            series[role] = names
        elif role == "lr" and names and series[role]:
            series[role] = tuple(dict.fromkeys((*series[role], *names)))
        else:
            before = ", ".join(series[role]) or "-"
            raise UsageError(f"--map {text}: {role} is given twice, {before} and {name}.")
    for role, names in series.items():
        for name in names:
            others = [other for other in series if other != role and name in series[other]]
            if others:
                raise UsageError(f"--map: the series {name} is given as {role} and as {others[0]}.")
    return SeriesMapping(series)


def recognize(shapes: Mapping[str, SeriesShape], mapping: SeriesMapping | None = None) -> Meaning:
    """Return what the series of a log mean, by their names and values.

    Args:
        shapes: the values of each series in short, in the order of the log.
        mapping: what the user says they mean.
    """
    return _Recognition(shapes, mapping or SeriesMapping()).meaning()


class _Recognition:
    def __init__(self, shapes: Mapping[str, SeriesShape], mapping: SeriesMapping) -> None:
        self._shapes = shapes
        self._mapping = mapping
        self._names = {name: series_name(name) for name in shapes if shapes[name].count}
        self._used = {name for names in mapping.series.values() for name in names}
        self._reasons: list[Recognized] = []

    def meaning(self) -> Meaning:
        loss = self._one("loss", self._losses(is_test=False), "a training loss", "training losses")
        test_losses = self._losses(is_test=True, like=loss)
        test_loss = self._one("test_loss", test_losses, "a test loss", "test losses")
        accuracies = self._accuracies(loss, test_loss)
        accuracy = self._one("accuracy", accuracies, "a test accuracy", "test accuracies")
        lrs = self._lrs()
        epoch = self._one("epoch", self._epochs(), "the epoch", "series of epochs")
        roles = {loss, test_loss, accuracy, epoch, *lrs}
        return Meaning(
            loss=loss,
            test_loss=test_loss,
            accuracy=accuracy,
            lrs=lrs,
            epoch=epoch,
            tests=frozenset(name for name, words in self._names.items() if words.is_test and name not in roles),
            accuracy_scale=self._accuracy_scale(accuracy),
            reasons=tuple(self._reasons),
        )

    def _free(self) -> Iterable[tuple[str, SeriesName, SeriesShape]]:
        """Yield the series that have no role yet and can have one."""
        for name, words in self._names.items():
            if name not in self._used and not words.is_derived:
                yield name, words, self._shapes[name]

    def _mapped(self, role: str) -> tuple[tuple[str, ...] | None, str]:
        """Return the series that the user gave this role, None if it is to be recognized, and why."""
        given = self._mapping.series.get(role)
        if given is None:
            return None, ""
        if not given:
            self._reasons.append(Recognized(role, None, "none, by --map"))
            return (), ""
        here = tuple(name for name in given if name in self._shapes)
        if here:
            self._reasons += [Recognized(role, name, "given by --map" + self._scaling(role, name)) for name in here]
            return here, ""
        return None, f"; this log has no series {' or '.join(given)}, which --map names"

    def _one(self, role: str, ranked: Sequence[str], one: str, several: str) -> str | None:
        """Return the series with a role: the user's, else the first of the ranked ones."""
        mapped, note = self._mapped(role)
        if mapped is not None:
            return mapped[0] if mapped else None
        if not ranked:
            if note:
                self._reasons.append(Recognized(role, None, f"not found{note}"))
            return None
        chosen, others = ranked[0], ranked[1:]
        reason = f"named as {one}"
        if others:
            shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            reason = f"the first of {len(ranked)} {several}; the others: {shown}"
        self._used.add(chosen)
        self._reasons.append(Recognized(role, chosen, reason + self._scaling(role, chosen) + note))
        return chosen

    def _losses(self, *, is_test: bool, like: str | None = None) -> list[str]:
        found = []
        for place, (name, words, shape) in enumerate(self._free()):
            kind = words.loss_rank
            if words.is_test != is_test or kind is None or shape.is_counter:
                continue
            # of the losses of YOLO, val/box_loss belongs to train/box_loss
            is_other = like is not None and words.specific != series_name(like).specific
            found.append((shape.count, (kind, is_other, -shape.count, words.test_rank, len(words.words), place), name))
        most = max((count for count, *_ in found), default=0)
        # Trainer logs the mean of all losses once, at the end
        found.sort(key=lambda loss: (loss[0] == 1 and most >= 10, loss[1]))
        return [name for *_, name in found]

    def _accuracies(self, loss: str | None, test_loss: str | None) -> list[str]:
        found = []
        for name, words, shape in self._free():
            kind = words.accuracy_rank
            if kind is None or words.is_train or not (shape.minimum >= 0 and shape.maximum <= 100.5):
                continue
            if not words.is_test:
                # a name without "test" is the training accuracy if it is logged as often as the training loss
                is_tested = test_loss is not None and self._shapes[test_loss].count == shape.count
                if not is_tested and loss is not None and self._shapes[loss].count <= shape.count:
                    continue
            found.append((not words.is_test, kind, words.test_rank, -shape.count, len(words.words), name))
        return [key[-1] for key in sorted(found)]

    def _accuracy_scale(self, accuracy: str | None) -> float:
        shape = self._shapes.get(accuracy) if accuracy is not None else None
        return 0.01 if shape is not None and shape.maximum > _LARGEST_FRACTION else 1.0

    def _scaling(self, role: str, name: str) -> str:
        is_percent = role == "accuracy" and self._accuracy_scale(name) != 1.0
        return "; its values are percent, and are divided by 100" if is_percent else ""

    def _epochs(self) -> list[str]:
        found = []
        for name, words, shape in self._free():
            if not words.is_epoch or words.is_test or shape.falls or not shape.minimum >= 0:
                continue
            if "time" in words.words and not shape.is_whole:  # the seconds that an epoch took
                continue
            found.append((-shape.count, len(words.words), name))
        return [key[-1] for key in sorted(found)]

    def _lrs(self) -> tuple[str, ...]:
        mapped, note = self._mapped("lr")
        if mapped is not None:
            return mapped
        # the same lr logged per step and per epoch is one lr
        finest: dict[tuple[str, ...], tuple[int, str]] = {}
        for name, words, shape in self._free():
            if not words.is_lr or words.is_test or shape.minimum < 0:
                continue
            group = words.without_interval
            if group not in finest or finest[group][0] < shape.count:
                finest[group] = (shape.count, name)
        names = [name for _, name in finest.values()]
        usual = [name for name in names if not self._shapes[name].maximum >= 10]
        names = sorted(usual or names, key=lambda name: self._names[name].natural)[:_MOST_LRS]
        reason = "named as a learning rate" + ("" if usual else "; it is above 10")
        self._used.update(names)
        self._reasons += [Recognized("lr", name, reason + note) for name in names]
        if not names and note:
            self._reasons.append(Recognized("lr", None, f"not found{note}"))
        return tuple(names)
