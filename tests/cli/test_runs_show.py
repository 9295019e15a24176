"""`lrtui runs show`: one run as text, charts and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from attached_runs import UNKNOWN_LENGTH, attached_run
from command_line import CommandLine, without_accuracy
from recorded_runs import recorded_run
from store_runs import ignore, new_recorder, store_events
from waiting import SECONDS

from lrtui.run.events import CommandRefused, Event, Notice, StepDone
from lrtui.store.connection import open_for_writing
from lrtui.store.writer import Writer


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


def block(lines: list[str], title: str) -> list[str]:
    """Return the lines below a title, up to the next empty one."""
    start = lines.index(title) + 1
    return lines[start : lines.index("", start)]


def test_settings_that_differ_from_the_defaults_come_first(lrtui: CommandLine) -> None:
    lrtui.record(100, name="try", outcome="done", schedule="StepLR(3)", seed=7, at=("step 5: lr*2", "epoch 2: undo"))
    lines = lrtui("runs", "show", "try").lines
    assert lines[0] == "#1 try: ✓ done, 2 of 10 epochs, 100 of 500 steps, 4s"
    settings = block(lines, "settings")
    assert settings[:3] == ["  schedule  StepLR(3)", "  seed      7", "  at        step 5: lr*2; epoch 2: undo"]
    assert settings[3].startswith("  defaults: task=fashion-mnist, optimizer=Adam(lr=0.01), epochs=10")


def test_the_environment_is_shown(lrtui: CommandLine) -> None:
    parent = lrtui.record(100, outcome="done")
    lrtui.record(100, outcome="failed")
    branch = lrtui.branch(parent, "0000000054-step-50.pt")
    lines = lrtui("runs", "show", str(parent)).lines
    origin = dict(line.strip().split("  ", 1) for line in block(lines, "environment"))
    assert origin["data"].strip() == "Tiny from bundled sample, 3,200 training and 1,000 test samples"
    assert origin["device"].strip() == "cpu, 2 threads"
    assert origin["parameters"].strip() == "1,199,882"
    assert "torch 2" in origin["versions"]
    assert origin["branches"].strip() == f"#{branch}"
    assert {"created", "finished", "command line", "directory"} <= set(origin)
    assert f"#{parent}, from step 50" in lrtui("runs", "show", str(branch)).out
    assert "RuntimeError: broken" in lrtui("runs", "show", "2").out


def test_step_metrics_have_a_column_and_a_chart_and_are_in_the_json(lrtui: CommandLine) -> None:
    lrtui.record(
        150,
        edit=lambda event: (
            replace(event, metrics={"grad_norm": float(event.epoch)})
            if isinstance(event, StepDone) and event.epoch != 2
            else event
        ),
    )
    answer = lrtui("runs", "show", "1")
    lines = block(answer.lines, "lr at each epoch's end")
    assert lines[0].split()[-2:] == ["mean", "grad_norm"]
    assert [line.split()[-1] for line in lines[1:]] == ["1.0000", "—", "3.0000"]
    assert "grad_norm (means)" in answer.out
    record = json.loads(lrtui("runs", "show", "1", "--json").out)
    means = [{"epoch": 1, "mean": 1.0}, {"epoch": 3, "mean": 3.0}]
    assert record["step_metrics_of_epochs"] == {"grad_norm": means}


def test_the_lr_of_every_epoch_has_a_column_per_group(lrtui: CommandLine) -> None:
    lrtui.record(150, groups=2)
    lines = block(lrtui("runs", "show", "1").lines, "lr at each epoch's end")
    assert lines[0].split() == ["epoch", "lr", "default", "lr", "fc*", "test", "accuracy", "test", "loss"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["1", "0.01", "0.001"],
        ["2", "0.005", "0.0005"],
        ["3", "0.0025", "0.00025"],
    ]


def test_changes_refusals_and_warnings_are_shown_with_their_steps(lrtui: CommandLine) -> None:
    events: list[Event] = recorded_run(200, switch_at=60, nudge_at=80)
    at = {"step": 200, "seconds": 8.0}
    events.append(CommandRefused(seq=len(events), command="undo", reason="nothing to undo", **at))  # type: ignore[arg-type]
    for level in ("info", "warning", "error"):
        events.append(Notice(seq=len(events), level=level, code="x", text=f"a word of {level}", **at))  # type: ignore[arg-type]
    store_events(lrtui.folder, events)
    lines = lrtui("runs", "show", "last").lines
    assert block(lines, "changes during the run") == [
        "  step 60  switched to CosineAnnealingLR(T_max=6) from base: lr 0.003",
        "  step 80  lr 0.003 -> 0.00375 (user)",
    ]
    assert block(lines, "refused") == ["  step 200  refused: undo: nothing to undo"]
    assert block(lines, "warnings") == ["  step 200  warning: a word of warning", "  step 200  error: a word of error"]
    assert "(now CosineAnnealingLR(T_max=6))" in block(lines, "settings")[0]
    record = json.loads(lrtui("runs", "show", "last", "--json").out)
    assert [change["event"] for change in record["changes"]] == ["schedule_switched", "lr_set"]
    assert [notice["level"] for notice in record["notices"]] == ["warning", "error"]
    assert record["refusals"][0]["reason"] == "nothing to undo"
    assert [done["lrs"] for done in record["lr_of_epochs"]] == [[0.01], [0.00375], [0.00375], [0.00375]]


def test_best_and_last_results_have_all_metrics_of_the_task(lrtui: CommandLine) -> None:
    lrtui.record(450, edit=without_accuracy)
    lines = block(lrtui("runs", "show", "1").lines, "results on the test set")
    assert lines[0].split() == ["epoch", "step", "loss", "mae"]
    assert lines[1].split() == ["best", "5", "250", "0.2235", "0.1117"]
    assert lines[2].split()[:3] == ["last", "9", "450"]
    assert json.loads(lrtui("runs", "show", "1", "--json").out)["best"]["metrics"] == {
        "mae": pytest.approx(0.1117, abs=1e-4)
    }


def test_lr_and_losses_are_drawn(lrtui: CommandLine) -> None:
    lrtui.record(100)
    out = lrtui("runs", "show", "1").out
    assert "learning rate\n" in out
    assert "training loss (means)   o test loss" in out
    assert out.count("epoch\n") == 2
    assert "\x1b" not in out


def test_a_run_that_never_started_is_shown_without_charts(lrtui: CommandLine) -> None:
    writer = Writer(lrtui.folder, ignore)
    new_recorder(writer)
    answer = lrtui("runs", "show", "last")
    assert answer.status == 0
    assert answer.lines[0] == "#1: … waiting, 0 of 10 epochs, 0 steps, 0s"
    assert "learning rate\n" not in answer.out
    assert json.loads(lrtui("runs", "show", "1", "--json").out)["best"] is None
    assert writer.close(SECONDS)


@pytest.mark.parametrize("steps", [1, 2, 49])
@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e308, 0.0])
def test_extreme_losses_and_few_steps_are_drawn(steps: int, loss: float, lrtui: CommandLine) -> None:
    lrtui.record(steps, edit=lambda event: replace(event, loss=loss) if isinstance(event, StepDone) else event)
    answer = lrtui("runs", "show", "1")
    assert answer.status == 0
    assert ("training loss" in answer.out) is math.isfinite(loss)
    assert json.loads(lrtui("runs", "show", "1", "--json").out)["step"] == steps


def test_lrs_that_are_not_finite_are_drawn(lrtui: CommandLine) -> None:
    lrtui.record(20, edit=lambda event: replace(event, lrs=(math.nan,)) if isinstance(event, StepDone) else event)
    assert lrtui("runs", "show", "1").status == 0


def test_a_note_keeps_its_lines_and_control_characters_are_escaped(lrtui: CommandLine) -> None:
    lrtui.record(100)
    connection = open_for_writing(lrtui.folder)
    connection.execute("UPDATE runs SET note = ?, error = ?", ("one\ntwo \x1b]0;title\x07", "worse\x1b[2J"))
    connection.close()
    assert lrtui("runs", "show", "1").lines[1:4] == ["  worse\\x1b[2J", "  one", "  two \\x1b]0;title\\x07"]


def test_an_unknown_run_is_refused_with_a_list_of_runs(lrtui: CommandLine) -> None:
    lrtui.record(10, name="bell\x07")
    answer = lrtui("runs", "show", "7")
    assert answer.status == 2
    assert "there is no run '7'" in answer.err
    assert "1 bell\\x07" in answer.err
    assert lrtui("runs", "show", "\udcff").status == 2


def test_of_a_script_only_what_it_has_told_is_shown(lrtui: CommandLine) -> None:
    store_events(lrtui.folder, attached_run(60, UNKNOWN_LENGTH, has_length=False, outcome="done"), UNKNOWN_LENGTH)
    lines = lrtui("runs", "show", "1").lines
    assert [line.split()[0] for line in block(lines, "settings")] == ["schedule", "task", "optimizer"]
    assert "of ? epochs, 60 steps" in lines[0]
    axes = [line.strip() for line in lines if line.strip() in ("epoch", "step")]
    assert set(axes) == {"step"}
