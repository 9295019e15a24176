"""The code of an attached run has the lr of the run, but for a scheduler that only the script has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from generated_code import lrs_of
from torch.optim import lr_scheduler as pytorch

import lrtui
from lrtui.attached.run import AttachedRun
from lrtui.cli.stored_runs import find, reading
from lrtui.engine.resume import interrupted_run, plan_branch, plan_resume
from lrtui.engine.run_code import code_of_stored
from lrtui.run.commands import Command, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import Stopped, UsageError

EPOCHS, BATCHES = 3, 4


class Trained:
    """An attached run that trains nothing.

    Args:
        folder: folder of the store.
        make: makes the script's scheduler; None for a script that sets the lr itself.
        commands: by the steps before which they come.
        lengths: arguments of `lrtui.attach`.
    """

    def __init__(
        self,
        folder: Path,
        make: Callable[[Any], Any] | None,
        commands: Mapping[int, Command],
        lengths: Mapping[str, int],
        per: str = "batch",
    ) -> None:
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
        scheduler = make(optimizer) if make else None
        run = lrtui.attach(optimizer, scheduler, store=str(folder), **lengths)
        assert isinstance(run, AttachedRun)
        self.lrs: list[list[float]] = []
        optimizer.register_step_pre_hook(lambda *_: self.lrs.append([group["lr"] for group in optimizer.param_groups]))
        for step in range(EPOCHS * BATCHES):
            if step in commands:
                run._publisher.inbox.send(commands[step])
            if scheduler is None:
                optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            try:
                optimizer.step()
            except Stopped:
                break
            run.log(loss=1.0)
            ends = (step + 1) % BATCHES == 0
            if scheduler is not None and (per == "batch" or ends):
                scheduler.step()
            if ends:
                run.log_eval(loss=1.0)
        run.finish()
        with reading(folder) as connection:
            self.code = code_of_stored(connection, find(connection, "last"))


KNOWN = {"epochs": EPOCHS, "batches_per_epoch": BATCHES}
COMMANDS = {
    2: ScaleLr(0.5),
    5: SwitchSchedule('StepLR(step_size=2, gamma=0.5, per="batch")', "current"),
    7: SetLr(0.3),
    8: UndoLr(),
    10: SwitchSchedule('ExponentialLR(gamma=0.9, per="batch")', "base"),
}


@pytest.mark.parametrize("lengths", [KNOWN, {}])
def test_the_code_of_a_schedule_that_can_be_written_has_every_lr(tmp_path: Path, lengths: Mapping[str, int]) -> None:
    trained = Trained(tmp_path, lambda optimizer: pytorch.OneCycleLR(optimizer, 0.2, total_steps=12), COMMANDS, lengths)
    assert lrs_of(trained.code) == trained.lrs


@pytest.mark.parametrize("lengths", [KNOWN, {}])
def test_a_schedule_per_epoch_has_the_epochs_of_the_script(tmp_path: Path, lengths: Mapping[str, int]) -> None:
    trained = Trained(tmp_path, lambda optimizer: pytorch.StepLR(optimizer, 1, 0.5), {}, lengths, "epoch")
    assert lrs_of(trained.code) == trained.lrs == [[0.1]] * 4 + [[0.05]] * 4 + [[0.025]] * 4
    said = "the length of the run was not given: this code makes the 12 steps so far"
    assert (said in trained.code) == (not lengths)


def test_the_code_says_where_the_script_has_set_another_lr_beside_its_scheduler(tmp_path: Path) -> None:
    said = "at step 3 the script's lr was 0.03, and not 0.1 as in this code"
    steps: list[int] = []

    def changed_by_hand(optimizer: Any) -> Any:
        def set_lr(*_: Any) -> None:
            if len(steps) == 3:
                optimizer.param_groups[0]["lr"] = 0.03

        optimizer.register_step_pre_hook(set_lr)
        optimizer.register_step_post_hook(lambda *_: steps.append(0))
        return pytorch.StepLR(optimizer, 6, 0.5)

    assert said in Trained(tmp_path, changed_by_hand, {}, KNOWN).code
    # the hook of another script has no effect from here on
    assert "the script's lr was" not in Trained(tmp_path, changed_by_hand, {5: ScaleLr(0.5)}, KNOWN).code


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda optimizer: pytorch.LambdaLR(optimizer, lambda step: 1 / (1 + step)),
            "put the script's own LambdaLR here",
        ),
        (None, "put the script's own lr here"),
    ],
)
def test_a_scheduler_that_only_the_script_has_is_a_placeholder_before_exact_changes(
    tmp_path: Path, make: Any, text: str
) -> None:
    trained = Trained(tmp_path, make, COMMANDS, KNOWN)
    code = trained.code
    assert text in code
    lrs = lrs_of(code)
    assert lrs[:2] == [[0.1]] * 2
    assert lrs[2:5] == [[0.05]] * 3
    assert lrs[5:] == trained.lrs[5:]
    assert trained.lrs[5] == pytest.approx([0.1 / 6 / 2])
    if make:
        # in its place
        own = code.replace("lambda step: 1.0", "lambda step: 1 / (1 + step)")
        assert lrs_of(own) == trained.lrs


def test_a_run_of_a_script_is_not_resumed_or_branched(tmp_path: Path) -> None:
    Trained(tmp_path, None, {1: Stop()}, KNOWN)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection, connection:
        connection.execute("UPDATE runs SET state = 'lost'")
    for plan in (
        lambda: plan_resume(tmp_path, "last", epochs=9),
        lambda: plan_branch(tmp_path, "last", 1, "lr*0.5"),
    ):
        with pytest.raises(UsageError, match="alone has its model and data: start the script again"):
            plan()
    assert interrupted_run(tmp_path) is None
