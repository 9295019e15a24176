"""The settings of the run on screen, or of the next run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.widget import Widget

from lrtui.run.events import RunStarted
from lrtui.run.source import LogDescription
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.text.format import counted, cut, printable
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.machine_line import MachineLine
from lrtui.tui.panes.wrapped import wrapped
from lrtui.tui.run_list.source_runs import label_of, log_of
from lrtui.tui.view import Scene, View, waiting_for_logs

NAME_WIDTH = 10


def settings_lines(spec: RunSpec, state: RunState | None, log: LogDescription | None = None) -> list[tuple[str, str]]:
    """Return the settings as (name, value) pairs.

    Args:
        log: the log of a run that is known from it alone.
    """
    started = state.started if state else None
    if spec.is_log:
        return log_lines(spec, state, log)
    if state:
        spec = state.as_trained(spec)
    schedule = state.schedule if state and state.schedule else spec.schedule
    lines = [("schedule", schedule)]
    if started and started.total_steps is not None:
        lines.append(("", f"{counted(started.total_steps, 'step')}, {started.batches_per_epoch:,} per epoch"))
    if started and not started.settings_known and not spec.is_attached:
        return [("schedule", schedule or "unknown"), *lines[1:]]
    if state and state.scale and any(scale != 1 for scale in state.scale):
        lines.append(("nudged", "lr x " + ", ".join(f"{scale:.4g}" for scale in state.scale)))
    if started and spec.is_attached:
        return [*lines, *_script_lines(started), *_command_lines(spec, state)]
    lines.append(("optimizer", spec.optimizer))
    lines.append(("task", spec.task))
    if started and started.data:
        tested = f"+ {started.data['test']:,} test" if started.data["test"] else "samples, no test data"
        lines.append(("data", f"{started.data['train']:,} train {tested}, {started.data['source']}"))
    if started and started.parameter_count:
        lines.append(("model", counted(started.parameter_count, "parameter")))
    accumulated = f" x {spec.accumulate} per step" if spec.accumulate > 1 else ""
    lines.append(("epochs", f"{_epochs(spec, started)}   batch size {spec.batch_size}{accumulated}"))
    if spec.clip_grad_norm is not None:
        lines.append(("gradients", f"clipped to norm {spec.clip_grad_norm:g}"))
    device = (started and started.device) or spec.device
    processes = started.processes if started else spec.nproc
    together = f"   {_processes(processes, spec)}" if processes > 1 else ""
    lines.append(("device", f"{device}{together}   {spec.precision}   seed {spec.seed}"))
    lines += _command_lines(spec, state)
    return lines


def _processes(number: int, spec: RunSpec) -> str:
    return counted(number, "process") + (f" ({spec.parallel})" if spec.parallel != "ddp" else "")


MEANING_TITLES = {"loss": "loss", "test_loss": "test loss", "accuracy": "accuracy", "lr": "lr", "epoch": "epoch"}

MAX_SETTINGS = 200
"""Maximum number of characters of a log's own settings."""


def log_lines(spec: RunSpec, state: RunState | None, log: LogDescription | None) -> list[tuple[str, str]]:
    """Return what is known of the log of a run: format, path, which series is which and why, its own settings."""
    lines = [
        ("log", f"{log.format}, read-only" if log else "read-only"),
        ("path", printable(log.path if log else spec.script)),
    ]
    started = state.started if state else None
    if started and started.total_steps is not None:
        lines.append(("length", counted(started.total_steps, "step")))
    for found in log.recognized if log else ():
        title = MEANING_TITLES.get(found.meaning, found.meaning)
        # further lrs stand below the first
        title = "" if lines[-1][0] == title else title
        lines.append((title, printable(f"{found.name}: {found.reason}" if found.reason else found.name)))
    if state and state.metrics:
        lines.append(("metrics", f"{len(state.metrics):,} more"))
    if log and log.settings:
        settings = ", ".join(f"{name} {value}" for name, value in log.settings.items())
        lines.append(("settings", cut(printable(settings), MAX_SETTINGS)))
    if state and state.schedule:
        lines.append(("schedule", state.schedule))
    return lines


def _script_lines(started: RunStarted) -> list[tuple[str, str]]:
    """Return what is known of a script's run besides its schedule."""
    spec = started.spec
    values = {
        "optimizer": spec.optimizer.removeprefix("task:") if spec.optimizer.startswith("task:") else "",
        "script": spec.script,
        "model": counted(started.parameter_count, "parameter") if started.parameter_count else "",
        "epochs": "" if started.total_steps is None else f"{spec.epochs}",
        "batches": f"{spec.accumulate} per step" if spec.accumulate > 1 else "",
        "device": started.device,
        "output": started.output or "",
    }
    return [(name, value) for name, value in values.items() if value]


def _epochs(spec: RunSpec, started: RunStarted | None) -> str:
    spec = started.spec if started else spec
    if spec.max_steps is None:
        return str(spec.epochs)
    return (
        f"until step {spec.max_steps:,}"
        if spec.epochs_follow
        else f"{spec.epochs}, at most {counted(spec.max_steps, 'step')}"
    )


MAX_COMMANDS = 3
"""Maximum number of commands given during the run that are shown."""


def _command_lines(spec: RunSpec, state: RunState | None) -> list[tuple[str, str]]:
    """Return the commands given during the run, latest last, in the format of `--at`; before a run, those of `at`."""
    done = None
    if state is not None:
        # takes 20 ms to import, and is not needed before a run
        from lrtui.schedules.script import spec_as_done

        done = spec_as_done(state)
    commands = (done or spec).at
    more = len(commands) - MAX_COMMANDS
    shown = commands if more <= 1 else (f"{more} earlier ones", *commands[-MAX_COMMANDS:])
    return [("at" if index == 0 else "", line) for index, line in enumerate(shown)]


def next_line(scene: Scene) -> list[tuple[str, str]]:
    """Return the line of the next run's schedule, if it differs from that of the run on screen.

    While a run is in progress, it is left out until the user has chosen one, or the run's schedule was switched: the
    question before the next run names it.
    """
    schedule, run = scene.next_schedule, scene.run
    if not schedule or run is None or run.spec.is_attached:
        return []
    # earlier versions did not record the command of a switch
    was_switched = bool(run.state.last_switch and run.state.last_switch.command)
    if scene.session.live is not None and not scene.view.has_chosen_schedule and not was_switched:
        return []
    return [("next run", schedule)]


class Settings(Widget):
    """Names and values, with the values wrapped to the width."""

    DEFAULT_CSS = """
    Settings { height: auto; padding: 0 1; color: $foreground; }
    """

    _lines: Sequence[tuple[str, str]] = ()

    def update(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show these lines if they have changed."""
        if lines != self._lines:
            height, self._lines = self.size.height, lines
            width = self.content_size.width
            # to lay out the whole screen takes longer than to draw it
            self.refresh(layout=not width or self._wrapped(width).plain.count("\n") + 1 != height)

    def render(self) -> Text:
        """Return the lines, wrapped to the present width."""
        return self._wrapped(self.content_size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the number of lines at this width."""
        return self._wrapped(width).plain.count("\n") + 1

    def _wrapped(self, width: int) -> Text:
        text = Text()
        for name, value in self._lines:
            for part in wrapped(value, width - NAME_WIDTH):
                text.append(f"{name:<{NAME_WIDTH}}", "dim")
                text.append(f"{part}\n")
                name = ""
        text.rstrip()
        return text


class SettingsPane(Vertical):
    """The settings of the run on screen; before the first run, those of the next run."""

    DEFAULT_CSS = """
    SettingsPane { height: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Frame("Settings")
        yield Settings()
        yield MachineLine()

    def show_machine(self, view: View) -> None:
        """Show the latest sample of the machine's load, if the user wants to see it."""
        monitor = view.machine if view.shows_machine else None
        self.query_one(MachineLine).show(monitor.latest if monitor is not None else None)

    def show(self, scene: Scene) -> None:
        """Draw the settings if they have changed."""
        run = scene.run
        if run is None and scene.view.watched:
            self.query_one(Frame).show("")
            self.query_one(Settings).update([("watching", waiting_for_logs(scene.view))])
            return
        lines = settings_lines(
            run.spec if run else scene.view.spec, run.state if run else None, log_of(run) if run else None
        )
        # below the schedule and its number of steps
        place = 2 if len(lines) > 1 and not lines[1][0] else 1
        lines[place:place] = next_line(scene)
        self.query_one(Frame).show("e edits" if run is None else label_of(run))
        self.query_one(Settings).update(lines)
