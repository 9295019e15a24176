"""Advice on a log on screen: what to do in the next run, without a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession

from lrtui.analysis.advice.advice import Advice
from lrtui.opening import WatchedLogs
from lrtui.run.commands import ScaleLr
from lrtui.run.events import EpochDone, EvalDone
from lrtui.run.feed import FeedItem, ListFeed, StepBlock
from lrtui.run.source import LogDescription, RunId, RunSource, RunSummary, run_started
from lrtui.run.spec import LOG, RunSpec
from lrtui.tui.panes.advice_line import AdviceLine, advice_line
from lrtui.tui.view import View

EPOCH = 20


class DeadLog(RunSource):
    """A log of ten epochs whose lr is dead after the third, and whose results stay as they are from the fourth on."""

    def __init__(self, folder: str) -> None:
        self.name = folder
        log = LogDescription("jsonl", f"{folder}/a", (), {})
        self._runs = [RunSummary(id=RunId(folder, "a"), state="done", step=10 * EPOCH, log=log)]

    def runs(self) -> Sequence[RunSummary]:
        return self._runs

    def feed(self, key: int | str) -> ListFeed:
        spec = RunSpec(task=f"{LOG}:{self.name}/{key}", schedule="", epochs=1)
        items: list[FeedItem] = [replace(run_started(spec=spec, group_lrs=(0.1,)), settings_known=False)]
        for epoch in range(10):
            first, seq, steps = epoch * EPOCH, epoch * (EPOCH + 2), np.arange(EPOCH)
            loss = np.full(EPOCH, max(0.4, 1.0 - 0.2 * epoch))
            lr = np.full(EPOCH, 0.1 if epoch < 3 else 1e-5)
            numbers = np.full(EPOCH, epoch + 1)
            items.append(StepBlock(first, 1 + seq + steps, numbers, steps, (first + steps) / 10, loss, (lr,)))
            at = {"step": first + EPOCH, "seconds": 1.0 * first, "epoch": epoch + 1}
            items += [
                EvalDone(seq=1 + seq + EPOCH, loss=float(loss[0]), accuracy=None, seconds_taken=0.0, **at),
                EpochDone(seq=2 + seq + EPOCH, lrs=(float(lr[0]),), samples_per_second=0.0, **at),
            ]
        return ListFeed(items)


def line(app: PlayedApp) -> str:
    shown = app.cockpit.query_one(AdviceLine)
    return shown.render().plain if shown.display else ""


async def test_the_line_says_what_to_do_in_the_next_run_and_names_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    view = View(RunSpec(store="none"), watched=("runs",))
    app = PlayedApp(PlayedSession(), view, watched=WatchedLogs(("runs",), lambda: [DeadLog("/logs")], ""))
    async with app.run_test(size=(200, 36)) as pilot:
        await until(pilot, lambda: bool(line(app)))
        assert line(app).startswith(" ▲ schedule exhausted: ")
        assert "in the next run, use a schedule that ends with the run, such as CosineAnnealingLR()" in line(app)
        # the picker does not propose it for a run that it can't be switched in
        assert app.view.proposal is None
        run = app.cockpit.scene.run
        assert run is not None
        noted = [entry.text for entry in run.state.log.lines if "advice: schedule exhausted" in entry.text]
        assert len(noted) == 1
        assert "in the last 100 of 200 steps the lr was 1e-05 or lower" in noted[0]
        await press(pilot, "escape")
        await until(pilot, lambda: not line(app))
        await pilot.pause(0.3)
        # it stays dismissed
        assert not line(app)


@pytest.mark.parametrize("width", [20, 60, 80, 120, 200])
def test_the_line_without_a_key_fits_any_width(width: int) -> None:
    advice = Advice(
        code="plateau",
        title="plateau",
        brief="no progress at this lr",
        text="neither the test results nor the training loss improved in the last 4 epochs, at lr 0.1",
        action="",
        effect="in the next run, lower the lr from epoch 9 on",
        command=ScaleLr(0.3),
        step=1,
    )
    text = advice_line(advice, "", "esc", width).plain
    assert text.startswith(" ▲ plateau")
    assert len(text) < width
    assert ("no progress at this lr" in text) is (20 < width < 200)
    assert ("   in the next run" in text) is (width > 80)
    assert "    " not in text
