"""Each example runs with the commands in its docstring."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from lrtui import EvalDone, Run, RunSpec, RunStarted, StepDone
from lrtui.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(task: str, **settings: Any) -> list[Any]:
    return list(Run(RunSpec(**{"task": f"{EXAMPLES / task}", **settings})).start())


def of(kind: type[Any], events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def last(events: list[Any]) -> EvalDone:
    assert events[-1].outcome == "done", events[-1]
    result: EvalDone = of(EvalDone, events)[-1]
    return result


def test_the_smallest_task_learns_its_spirals() -> None:
    events = run("my_task.py:Spirals", schedule="OneCycleLR(max_lr=0.03)", epochs=8)
    assert (last(events).accuracy or 0) > 0.95


def test_a_model_and_data_of_torchvision_are_trained() -> None:
    settings = {"schedule": "StepLR(1)", "epochs": 1, "batch_size": 32, "accumulate": 2}
    events = run("torchvision_model.py:MobileNet", **settings)
    started = of(RunStarted, events)[0]
    assert (started.batches_per_epoch, started.data["train"], started.data["test"]) == (2, 128, 32)
    result = last(events)
    assert set(result.metrics) == {"top2"}
    assert result.metrics["top2"] >= (result.accuracy or 0)


def test_a_regression_has_metrics_and_no_accuracy() -> None:
    settings = {"optimizer": "SGD(lr=0.05, momentum=0.9)", "schedule": "ReduceLROnPlateau(patience=0, metric='mae')"}
    events = run("regression.py:Curve", epochs=4, **settings)
    first, result = of(EvalDone, events)[0], last(events)
    assert result.accuracy is None
    assert result.metrics["mae"] < first.metrics["mae"]


def test_a_language_model_learns_to_write() -> None:
    schedule = (
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=10), CosineAnnealingLR()], milestones=[10], per='batch')"
    )
    settings = {"schedule": schedule, "optimizer": "AdamW(lr=0.005)", "clip_grad_norm": 1.0, "epochs": 1}
    events = run("language_model.py:Grammar", train_samples=2560, test_samples=128, **settings)
    # 27 characters by chance would be right once in 28 times
    assert (last(events).accuracy or 0) > 0.3
    lrs = [event.lrs[0] for event in of(StepDone, events)]
    assert lrs[0] == pytest.approx(0.0005)
    assert max(lrs) == lrs[10] == 0.005


def test_parameter_groups_have_separate_lrs_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    text = (EXAMPLES / "parameter_groups.py").read_text()
    words = shlex.split(re.search(r"lrtui (--task .*?\)')", text, re.DOTALL)[1].replace("\\\n", " "))  # type: ignore[index]
    words = [word.replace("examples/", f"{EXAMPLES}/") for word in words]
    assert main(["train", "ExponentialLR(gamma=0.5)", *words, "--epochs", "2"]) == 0
    out = capsys.readouterr().out
    assert "Train Epoch: 1 batch-0\tLoss: " in out
    assert re.findall(r"Learning Rate: (.*)", out) == ["0.003, 0.0003, 0.003", "0.0015, 0.00015, 0.0015"]


def test_groups_can_follow_different_schedules() -> None:
    optimizer = 'AdamW(lr=0.003, groups={"body*": {"lr": 0.0003}, "*.bias": {"weight_decay": 0}})'
    schedule = 'LambdaLR(["1", "0.5 ** epoch", "1"])'
    events = run("parameter_groups.py:FineTuning", optimizer=optimizer, schedule=schedule, epochs=3)
    assert of(RunStarted, events)[0].group_names == ("default", "body*", "*.bias")
    assert of(StepDone, events)[-1].lrs == (0.003, 0.0003 * 0.25, 0.003)
    assert (last(events).accuracy or 0) > 0.5


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.name)
def test_the_commands_in_every_example_are_valid(file: Path) -> None:
    text = re.sub(r"\\\n\s*", " ", file.read_text().split('"""')[1])
    commands = [line.strip() for line in text.splitlines() if line.strip().startswith("lrtui")]
    assert commands
    from lrtui.cli.options import check_notation
    from lrtui.run.spec import RunSpec as Spec

    for command in commands:
        words = shlex.split(command)[1:]
        assert str(file.relative_to(EXAMPLES.parent)) in command
        named = [word for word in words if "(" in word and not word.startswith(("Adam", "SGD"))]
        optimizer = next((word for word in words if word.startswith(("Adam", "SGD"))), "Adam(lr=0.01)")
        check_notation(Spec(schedule=named[0] if named else "StepLR(1)", optimizer=optimizer))
