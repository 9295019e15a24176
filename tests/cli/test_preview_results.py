"""`lrtui preview --metrics`: a plateau schedule over results from numbers, a table or a recorded run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from training_runs import run_events, tiny_spec

from lrtui.__main__ import main
from lrtui.run.commands import EvaluateNow
from lrtui.run.event_json import event_to_json
from lrtui.run.events import EvalDone, StepDone

PLATEAU = "ReduceLROnPlateau(patience=0, factor=0.5)"


def previewed(
    path: Path, schedule: str, capsys: pytest.CaptureFixture[str], epochs: int = 4, batches: int = 1
) -> object:
    arguments = ["preview", schedule, "--metrics", str(path), "--json", "--optimizer", "SGD(lr=1.0)"]
    assert main([*arguments, "--epochs", str(epochs), "--batches-per-epoch", str(batches)]) == 0
    return [lrs[0] for lrs in json.loads(capsys.readouterr().out)["lrs"]]


@pytest.mark.parametrize(
    ("text", "schedule", "expected"),
    [
        ("0.5\n0.6\n\n0.4\n0.4\n", PLATEAU, [1.0, 1.0, 0.5, 0.5]),
        ("epoch, loss, when\n1, 0.5, noon\n2, 0.6, one\n3, 0.7, two\n4, 0.1, three\n", PLATEAU, [1.0, 1.0, 0.5, 0.25]),
        (
            "loss,accuracy\n0.5,0.8\n0.4,0.8\n0.3,0.9\n0.2,0.9\n",
            'ReduceLROnPlateau(mode="max", patience=0, factor=0.5)',
            [1.0, 1.0, 0.5, 0.5],
        ),
        # NaN is not an improvement
        ("0.5\nnan\n0.4\n0.3\n", PLATEAU, [1.0, 1.0, 0.5, 0.5]),
    ],
)
def test_the_schedule_is_stepped_with_the_result_of_each_epoch(
    text: str, schedule: str, expected: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results"
    path.write_text(text)
    assert previewed(path, schedule, capsys) == expected


def test_the_preview_over_the_record_of_a_run_has_the_lrs_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = "ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.5)"
    spec = tiny_spec(schedule=schedule, optimizer="SGD(lr=1.0)", epochs=4)
    # a plateau schedule does not follow tests on demand
    events = run_events(spec, {3: [EvaluateNow()], 12: [EvaluateNow()]})
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(event_to_json(event)) + "\n" for event in events))
    used = [event.lrs[0] for event in events if isinstance(event, StepDone)]
    assert len(set(used)) > 1
    assert sum(isinstance(event, EvalDone) for event in events) == 6
    assert previewed(path, schedule, capsys, batches=len(used) // 4) == used


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("0.5\nhalf\n", "line 2: 'half' is not a number"),
        ("accuracy\n0.5\n", "the results of epoch 1 have no loss, only accuracy"),
        ("loss\n0.5\n-\n", "the results of epoch 2 have no loss"),
        ("a,,b\n1,2,3\n", "line 1: not a header"),
        ('{"event": "step_done"}\n', "contains no test results"),
        ('{"event": "eval_done", "loss": 1}\n{"event"\n', "line 2: not a JSON object"),
        ("{" * 100_000, "line 1: not a JSON object"),
    ],
)
def test_a_file_without_results_is_refused_with_the_line_and_reason(
    text: str, arguments: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results"
    path.write_text(text)
    assert main(["preview", PLATEAU, "--metrics", str(path), "--epochs", "2", "--batches-per-epoch", "1"]) == 2
    assert arguments in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nowhere", ".", "binary"])
def test_a_binary_file_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    arguments = ["preview", PLATEAU, "--metrics", str(tmp_path / name), "--epochs", "2", "--batches-per-epoch", "1"]
    assert main(arguments) == 2
    assert "can't be read" in capsys.readouterr().err
