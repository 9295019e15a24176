"""The cockpit on logs of other programs: which run is shown, what its keys do, and how its metrics are chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from rich.cells import cell_len
from store_runs import store_events
from textual.widgets import Input, OptionList, Static
from waiting import wait_for

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.opening import WatchedLogs
from lrtui.run.events import EvalDone
from lrtui.run.feed import FeedItem, ListFeed, StepBlock
from lrtui.run.source import LogDescription, RecognizedSeries, RunId, RunSource, RunSummary, run_started
from lrtui.run.spec import LOG, RunSpec
from lrtui.tui.panes.chart_pane import lowest_chart
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.header import Header
from lrtui.tui.panes.metrics import AccuracyPane, metric_names
from lrtui.tui.panes.settings import Settings
from lrtui.tui.run_list.log_labels import fitted_labels, log_labels
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.run_list.source_runs import label_of
from lrtui.tui.run_list.watcher import SourceWatcher
from lrtui.tui.screens.metrics import MetricsScreen
from lrtui.tui.view import Scene, View

READ_ONLY = "This run is read-only: lrtui watches its log."

METRICS = [f"grad/layer{number}" for number in range(38)] + ["throughput", "val/f1"]


class LogsSource(RunSource):
    """A folder with logs, of every tenth step each."""

    def __init__(self, folder: str, *keys: str, knows: str = "everything") -> None:
        self.name, self._knows = folder, knows
        self._runs: list[RunSummary] = []
        self.add(*keys)

    def add(self, *keys: str, state: str = "done") -> None:
        found = (
            RecognizedSeries("loss", "train/loss", "named as a training loss"),
            RecognizedSeries("lr", "lr-Adam", "named as a learning rate"),
        )
        self._runs = [
            *self._runs,
            *(
                RunSummary(
                    id=RunId(self.name, key),
                    state=state,  # type: ignore[arg-type]
                    created=1000.0 + place,
                    step=200,
                    lrs=[0.1, 0.01],
                    read_only=READ_ONLY,
                    log=LogDescription("tensorboard", f"{self.name}/{key}", found, {"layers": 18}),
                )
                for place, key in enumerate(keys, start=len(self._runs))
            ),
        ]

    def runs(self) -> Sequence[RunSummary]:
        return self._runs

    def feed(self, key: int | str) -> ListFeed:
        spec = RunSpec(task=f"{LOG}:{self.name}/{key}", schedule="", epochs=1)
        started = run_started(spec=spec, group_names=("lr-Adam",), group_lrs=(0.1,))
        steps = np.arange(200)
        logged = np.where(steps % 10 == 0, 1.0, np.nan)
        block = StepBlock(
            first_step=0,
            seqs=1 + steps,
            epochs=np.ones(200, dtype=np.int64),
            batches=steps,
            seconds=steps / 10,
            loss=logged * (3 - steps / 100),
            lrs=(0.1 * 0.99**steps,),
            metrics={name: logged * place for place, name in enumerate(METRICS[:-1])},
        )
        test = EvalDone(
            seq=201,
            step=200,
            seconds=20.0,
            epoch=1,
            loss=1.5,
            accuracy=0.75,
            metrics={"val/f1": 0.5},
            seconds_taken=0.0,
        )
        items: list[FeedItem] = [started, block, test]
        if self._knows != "everything":
            nothing = np.full(200, np.nan)
            has_loss, has_lr = self._knows == "loss", self._knows == "lr"
            block = replace(
                block,
                loss=block.loss if has_loss else nothing,
                lrs=block.lrs if has_lr else (nothing,),
                metrics={},
            )
            items = [started, block]
        return ListFeed(items)


Watch = Callable[..., PlayedApp]


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Returns a function that makes a cockpit on sources, beside a store with a run that is newer than all logs."""
    monkeypatch.chdir(tmp_path)
    store_events(tmp_path, recorded_run(60, outcome="stopped"))

    def app(*sources: LogsSource, only: str = "") -> PlayedApp:
        view = View(RunSpec(store=str(tmp_path)), watched=("runs",), metric_pattern=only)
        return PlayedApp(PlayedSession(), view, watched=WatchedLogs(("runs",), lambda: sources, only))

    return app


def list_text(app: PlayedApp) -> str:
    return "\n".join(line.plain for line in app.cockpit.query_one(RunList).lines)


def shown_steps(app: PlayedApp) -> int:
    run = app.cockpit.scene.run
    return run.state.step if run is not None else 0


async def test_a_log_that_is_found_while_the_cockpit_is_imported_is_in_the_first_frame(tmp_path: Path) -> None:
    source = LogsSource("/logs", "run_16", "run_17")
    watched = WatchedLogs(("runs",), lambda: [source])
    watcher = SourceWatcher(watched.open)
    watcher.start()
    wait_for(lambda: watcher.readings)
    view = View(RunSpec(store=str(tmp_path)), watched=watched.paths)
    app, drawn = PlayedApp(PlayedSession(), view, watched=watched, watcher=watcher), list[str]()
    show = Header.show

    def noted(header: Header, scene: Scene) -> None:
        drawn.append(label_of(scene.run) if scene.run is not None else "")
        show(header, scene)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Header, "show", noted)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: shown_steps(app) == 200)
    assert drawn[0] == "run_17"


async def test_the_newest_log_is_on_screen_with_what_was_recognized_beside_the_runs_of_the_store(watch: Watch) -> None:
    source = LogsSource("/logs", "experiments/2026/run_16/version_0", "experiments/2026/run_17/version_0")
    app = watch(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: shown_steps(app) == 200)
        run = app.cockpit.scene.run
        assert run is not None
        assert run.spec.script == "/logs/experiments/2026/run_17/version_0"
        await until(pilot, lambda: "run_16/version_0" in list_text(app) and "#1 Step" in list_text(app))
        await pilot.pause(0.3)
        lines = list_text(app)
        assert "run_17/version_0" in lines
        assert "#1 Step" in lines
        header = app.cockpit.query_one(Header).render().plain.splitlines()
        assert header[0].startswith(" lrtui  experiments/2026/run_17/version_0 · tensorboard log, read-only")
        assert header[1] == " 200 steps in 20s"
        settings = app.cockpit.query_one(Settings).render().plain
        assert "tensorboard, read-only" in settings
        assert "train/loss: named as a" in settings
        assert "layers 18" in settings
        assert "batch" not in settings
        assert "seed" not in settings
        # one that is written now replaces it, until the user chooses
        source.add("later", state="running")
        await until(pilot, lambda: "later" in app.cockpit.query_one(Header).render().plain)
        await until(pilot, lambda: shown_steps(app) == 200)
        live = app.cockpit.scene.situation
        assert live.live is not None
        assert all(ACTIONS_BY_NAME[name].requirement(live) == READ_ONLY for name in ("restart", "settings", "stop"))
        await press(pilot, "5", "up")
        source.add("latest", state="running")
        await until(pilot, lambda: "latest" in list_text(app))
        assert "latest" not in app.cockpit.query_one(Header).render().plain


async def test_what_a_log_lacks_is_said_in_words_and_the_lowest_chart_has_the_x_axis(watch: Watch) -> None:
    for knows, empty, axis in (
        ("loss", ("No learning rate is known of this run.", "No test results and no other metrics yet."), "loss"),
        ("lr", ("No loss is known of this run.", "No test results and no other metrics yet."), "lr"),
    ):
        app = watch(LogsSource("/logs", "a", knows=knows))
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda app=app: shown_steps(app) == 200)  # type: ignore[misc]

            def texts(app: PlayedApp = app) -> set[str]:
                return {str(pane.render()) for pane in app.cockpit.query(".-empty > .empty").results(Static)}

            await until(pilot, lambda: texts() == set(empty))  # noqa: B023
            await pilot.pause(0.3)
            assert texts() == set(empty)
            assert lowest_chart(app.cockpit.scene) == axis


async def test_a_log_that_names_no_epochs_is_described_by_steps(watch: Watch) -> None:
    app = watch(LogsSource("/logs", "a"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: shown_steps(app) == 200)
        rule = app.cockpit.query_one(AccuracyPane).query_one(Frame)
        await until(pilot, lambda: "best 0.7500, step 200" in rule.render().plain)
        run = app.cockpit.scene.run
        assert run is not None
        steps = [line.text for line in run.state.log.lines if line.kind == "step"]
        assert [step.partition(" Learning")[0] for step in steps] == [
            "Train Step: 0\tLoss: 3.000000",
            "Train Step: 100\tLoss: 2.000000",
        ]


async def test_before_a_log_is_found_the_screen_says_what_it_waits_for(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # another test of this process may have imported torch
    monkeypatch.setattr("lrtui.tui.screens.cockpit.sys", SimpleNamespace(modules={}))
    source = LogsSource("/logs")
    app = watch(source)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "#1" in list_text(app))
        header = app.cockpit.query_one(Header).render().plain
        assert "No logs in runs yet: runs are shown as soon as one is written." in header
        assert not any("Press r" in str(pane.render()) for pane in app.cockpit.query(".empty"))
        assert app.asked == []
        source.add("first")
        await until(pilot, lambda: shown_steps(app) == 200)


async def test_keys_that_change_a_run_say_that_a_log_is_read_only(watch: Watch) -> None:
    app = watch(LogsSource("/logs", "a"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: shown_steps(app) == 200)
        for key in ("r", "s", "space", "x", "e", "plus", "equals_sign", "u", "f", "b"):
            await press(pilot, key)
            assert READ_ONLY in message(app), key
            assert app.screen is app.cockpit
            # any other message replaces it
            await press(pilot, "escape")
            assert READ_ONLY not in message(app)


async def test_other_keys_work_on_logs(watch: Watch, tmp_path: Path) -> None:
    app = watch(LogsSource("/logs", "a/version_0", "b/version_0"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: shown_steps(app) == 200)
        await press(pilot, "y")
        assert "the schedule of run b/version_0 is unknown" in message(app)
        await press(pilot, "1", "E")
        assert "saved lrtui-run-b-version_0-lr.svg" in message(app)
        await press(pilot, "m", "5", "down", "m", "c")
        await until(pilot, lambda: type(app.screen).__name__ == "CompareScreen")
        await press(pilot, "escape", "slash", *"version")
        await until(pilot, lambda: "#1" not in list_text(app))
        assert "a/version_0" in list_text(app)


async def test_one_of_many_metrics_is_chosen_by_a_pattern(watch: Watch) -> None:
    app = watch(LogsSource("/logs", "a"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: shown_steps(app) == 200)
        assert len(metric_names(app.cockpit.scene)) == 41
        await press(pilot, "p", *"layer1")
        assert isinstance(app.screen, MetricsScreen)
        assert len(app.screen.query_one(OptionList).options) == 11
        await press(pilot, "down", "enter")
        assert app.screen is app.cockpit
        # the accuracy is always among them
        assert len(metric_names(app.cockpit.scene)) == 12
        assert app.cockpit.focused_pane == "accuracy"
        title = app.cockpit.query_one(AccuracyPane).query_one(Frame).render().plain
        assert "grad/layer10" in title
        assert "p: layer1 (12 of 41)" in title
        await press(pilot, "3")
        assert app.view.metric == "grad/layer11"
        await press(pilot, "p")
        assert app.screen.query_one(Input).value == "layer1"
        await press(pilot, *["backspace"] * 6, "x", "y", "enter")
        assert isinstance(app.screen, MetricsScreen)
        await press(pilot, "escape")
        assert app.view.metric_pattern == "layer1"


async def test_the_pattern_of_the_command_line_decides_which_metrics_have_panes(watch: Watch) -> None:
    app = watch(LogsSource("/logs", "a"), only="val* !val/x")
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: shown_steps(app) == 200)
        assert metric_names(app.cockpit.scene) == ["accuracy", "val/f1"]
        await until(pilot, lambda: bool(app.cockpit.query("#metric-0")))


def test_labels_leave_out_the_folders_that_all_logs_are_in() -> None:
    one = RunId("/logs", "experiments/2026/a")
    assert log_labels([one]) == {one: "experiments/2026/a"}
    ids = [RunId("/logs", f"experiments/2026/run_{number}/version_0") for number in (16, 17)]
    assert list(log_labels(ids).values()) == ["run_16/version_0", "run_17/version_0"]
    # one of them is a folder of the other
    ids = [RunId("/logs", "a"), RunId("/logs", "a/b")]
    assert list(log_labels(ids).values()) == ["a", "a/b"]
    # in two folders that were given
    ids = [RunId("/logs/x", "run"), RunId("/logs/y", "run")]
    assert list(log_labels(ids).values()) == ["x/run", "y/run"]


def test_long_labels_differ_when_they_are_cut() -> None:
    first, second, third = (RunId("/logs", key) for key in ("a", "b", "c"))
    labels = {first: "experiment_with_a_long_name/version_0", second: "short/version_0", third: "x" * 30 + "漢字"}
    fitted = fitted_labels(labels, 16)
    assert fitted[first] == "…_name/version_0"
    assert fitted[second] == "short/version_0"
    assert all(cell_len(label) <= 16 for label in fitted.values())
    alike = {first: "alpha_" + "x" * 30, second: "beta_" + "x" * 30}
    assert list(fitted_labels(alike, 16).values()) == ["alph…xxxxxxxxxxx", "beta…xxxxxxxxxxx"]
