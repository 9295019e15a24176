"""Series are recognized by the names that training frameworks and scripts give them, and by their values."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lrtui.run.errors import UsageError
from lrtui.sources.meaning import Meaning, SeriesMapping, read_mapping, recognize
from lrtui.sources.series_shape import SeriesShape


def shape(*values: float, first: int = 0, every: int = 1) -> SeriesShape:
    steps = np.arange(len(values), dtype=np.int64) * every + first
    return SeriesShape().extended(steps, np.array(values, dtype=np.float64))


LOSSES = shape(*[2.5 - step / 100 for step in range(100)])
TESTED = shape(2.4, 2.1, 1.9, 1.8, every=25, first=25)
FRACTIONS = shape(0.4, 0.6, 0.7, 0.68, every=25, first=25)
PERCENT = shape(40.0, 60.5, 70.25, 68.0, every=25, first=25)
LRS = shape(*[0.01 * 0.98**step for step in range(100)])
EPOCHS = shape(*[step // 25 for step in range(100)])
ONCE = shape(1.7, first=99)


def shapes(names: str) -> dict[str, SeriesShape]:
    """Return plausible shapes of series named in one text; a name may be followed by ":" and the sort of its values."""
    sorts = {
        "loss": LOSSES,
        "test": TESTED,
        "acc": FRACTIONS,
        "percent": PERCENT,
        "lr": LRS,
        "epoch": EPOCHS,
        "once": ONCE,
        "many": shape(*np.linspace(1, 2, 100)),
        "few": shape(3.0, 2.0, 2.5, 2.25, every=25, first=25),
        "count": shape(*range(100)),
        "trainacc": shape(*[step / 100 for step in range(100)]),
        "seconds": shape(31.5, 30.25, 33.1, 31.9),
    }
    found = {}
    for name in names.split(", "):
        name, _, sort = name.rpartition(":")
        found[name] = sorts[sort]
    return found


def expected(text: str) -> dict[str, object]:
    """Return the roles in "loss=a accuracy=b lr=c+d"; what is left out has no series."""
    roles: dict[str, object] = dict(loss=None, test_loss=None, accuracy=None, lr=(), epoch=None)
    for part in filter(None, text.split("; ")):
        role, _, name = part.partition("=")
        roles[role] = tuple(name.split("+")) if role == "lr" else name
    return roles


def roles(meaning: Meaning) -> dict[str, object]:
    return dict(
        loss=meaning.loss, test_loss=meaning.test_loss, accuracy=meaning.accuracy, lr=meaning.lrs, epoch=meaning.epoch
    )


def read_cases() -> dict[str, tuple[str, str]]:
    """Return the series and what they mean by framework, from blocks of a name, the meaning and the series."""
    cases = {}
    for block in (Path(__file__).parent / "framework_series.txt").read_text(encoding="utf-8").split("\n\n"):
        name, text, *series = block.strip().splitlines()
        cases[name.removeprefix("# ")] = " ".join(line.strip() for line in series), "" if text == "-" else text
    return cases


CASES = read_cases()


@pytest.mark.parametrize("case", CASES)
def test_series_of_real_frameworks_are_recognized(case):
    names, text = CASES[case]
    assert roles(recognize(shapes(names))) == expected(text)


def reason(meaning: Meaning, role: str) -> str:
    return "; ".join(f"{given.series}: {given.reason}" for given in meaning.reasons if given.role == role)


def test_at_least_sixty_sets_of_names_are_known():
    assert len(CASES) >= 60


def test_further_series_of_tests_are_told_apart_from_those_of_training():
    meaning = recognize(
        shapes(
            "loss:loss, eval_loss:test, eval_accuracy:acc, eval_f1:acc, test_loss:once, value_loss:loss, std_dev:many"
        )
    )
    assert meaning.tests == {"eval_f1", "test_loss"}


def test_an_accuracy_in_percent_is_scaled_to_a_fraction_and_said():
    fraction, percent = recognize(shapes("val_acc:acc")), recognize(shapes("val_acc:percent"))
    assert (fraction.accuracy_scale, percent.accuracy_scale) == (1.0, 0.01)
    assert reason(fraction, "accuracy") == "val_acc: named as a test accuracy"
    assert reason(percent, "accuracy") == (
        "val_acc: named as a test accuracy; its values are percent, and are divided by 100"
    )
    assert recognize({"val_acc": shape(1.0, 1.0000001)}).accuracy_scale == 1.0


def test_a_mapped_accuracy_in_percent_is_scaled_and_said():
    meaning = recognize(shapes("score:percent"), read_mapping(["accuracy=score"]))
    assert (meaning.accuracy, meaning.accuracy_scale) == ("score", 0.01)
    assert reason(meaning, "accuracy") == "score: given by --map; its values are percent, and are divided by 100"


def test_losses_that_could_be_meant_as_well_are_named():
    meaning = recognize(shapes("loss_d:loss, loss_g:loss, loss_a:loss, loss_b:loss, loss_c:loss"))
    assert reason(meaning, "loss") == (
        "loss_g: the first of 5 training losses; the others: loss_d, loss_a, loss_b and 1 more"
    )


def test_a_test_loss_is_never_the_training_loss():
    for name in (
        "val_loss",
        "Loss/val",
        "eval/loss",
        "validation/epoch_loss",
        "dev.loss",
        "testLoss",
        "train/eval_loss",
    ):
        meaning = recognize({name: LOSSES})
        assert (meaning.loss, meaning.test_loss) == (None, name)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("lr", shape(-0.1, 0.1)),
        ("train_loss", shape(*range(50))),
        ("val_acc", shape(-1.0, 0.5)),
        ("val_acc", shape(50.0, 150.0)),
        ("epoch", shape(0, 1, 0, 2)),
        ("epoch", shape(-1, 0, 1)),
        ("epoch", shape(math.nan)),
        ("time/epoch", shape(31.5, 32.0, 33.25)),
    ],
)
def test_values_that_do_not_fit_the_name_are_not_recognized(name, values):
    assert roles(recognize({name: values})) == expected("")


def test_the_epoch_and_the_lr_are_described():
    meaning = recognize(shapes("epoch:epoch, lr:lr"))
    assert (reason(meaning, "epoch"), reason(meaning, "lr")) == (
        "epoch: named as the epoch",
        "lr: named as a learning rate",
    )


def test_an_lr_above_10_is_recognized_only_if_there_is_no_other():
    large = shape(100.0, 200.0)
    assert recognize({"lr": large}).lrs == ("lr",)
    assert recognize({"lr": large, "opt/lr": LRS}).lrs == ("opt/lr",)


def test_a_diverged_loss_is_recognized():
    assert recognize({"loss": shape(*[math.nan] * 30), "lr": shape(*[math.nan] * 30)}).loss == "loss"


def test_a_series_without_values_is_not_recognized():
    assert roles(recognize({"loss": SeriesShape(), "val_loss": SeriesShape()})) == expected("")


def test_a_mapping_decides_before_names_do():
    names = shapes("loss:loss, custom:loss, val_loss:test, a:lr, b:lr, lr:lr, epoch:epoch, val_acc:acc")
    meaning = recognize(names, read_mapping(["loss=custom", "lr=b", "lr=a", "epoch=-", "test_loss=-"]))
    assert roles(meaning) == expected("loss=custom; lr=b+a; accuracy=val_acc")
    assert reason(meaning, "loss") == "custom: given by --map"
    assert reason(meaning, "epoch") == "None: none, by --map"
    assert meaning.tests == {"val_loss"}


def test_a_mapped_series_has_no_second_role():
    meaning = recognize(shapes("val_loss:loss, eval_loss:test"), read_mapping(["loss=val_loss"]))
    assert (meaning.loss, meaning.test_loss) == ("val_loss", "eval_loss")
    assert meaning.tests == frozenset()


def test_a_mapped_series_that_the_log_lacks_is_said_and_names_decide():
    meaning = recognize(shapes("loss:loss"), read_mapping(["loss=train/loss", "lr=my_lr"]))
    assert meaning.loss == "loss"
    assert reason(meaning, "loss") == (
        "loss: named as a training loss; this log has no series train/loss, which --map names"
    )
    assert reason(meaning, "lr") == "None: not found; this log has no series my_lr, which --map names"


def test_the_name_of_a_mapped_series_may_contain_an_equals_sign():
    assert read_mapping(["loss=loss/alpha=0.5"]) == SeriesMapping({"loss": ("loss/alpha=0.5",)})


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["loss"], "--map loss: write NAME=SERIES, such as loss=train/loss. "
         "NAME is loss, test_loss, accuracy, lr or epoch."),
        (["loss="], "--map loss=: write NAME=SERIES, such as loss=train/loss. "
         "NAME is loss, test_loss, accuracy, lr or epoch."),
        (["los=a"], "--map los=a: there is no los. Write loss, test_loss, accuracy, lr or epoch before the =."),
        (["loss=a", "loss=b"], "--map loss=b: loss is given twice, a and b."),
        (["lr=-", "lr=b"], "--map lr=b: lr is given twice, - and b."),
        (["loss=a", "lr=a"], "--map: the series a is given as loss and as lr."),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_read_is_refused(texts, message):
    with pytest.raises(UsageError) as refused:
        read_mapping(texts)
    assert str(refused.value) == message


def test_a_shape_is_the_same_in_parts_as_at_once():
    values = np.array([3.0, np.nan, 2.5, np.inf, 7.0, 7.0, 6.5])
    steps = np.arange(5, 12)
    whole = SeriesShape().extended(steps, values)
    for cut in range(len(values) + 1):
        parts = SeriesShape().extended(steps[:cut], values[:cut]).extended(steps[cut:], values[cut:])
        assert parts == whole
    assert whole == SeriesShape(7, 5, 11, 2.5, 7.0, is_whole=False, falls=True, last=6.5)
