"""`View` is what the user has chosen, kept from key to key; `Scene` is what one frame draws from. No widgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING

from lrtui.analysis.advice.advice import Advice
from lrtui.engine.session import Session
from lrtui.plotting.layers import LINE_COLOURS
from lrtui.requirements import RESUMABLE, Situation
from lrtui.run.commands import SwitchSchedule
from lrtui.run.spec import RunSpec
from lrtui.tasks.registry import expected_batches_per_epoch
from lrtui.text.format import printable
from lrtui.tui.forecast import Future
from lrtui.tui.pending import PendingCommands
from lrtui.tui.run_list.source_runs import ShownRun, SourceRun, SourceRuns, key_of, race_of
from lrtui.tui.run_list.watcher import SourceWatcher
from lrtui.tui.screens.picker.candidates import PickerCandidates
from lrtui.tui.x_axis import Viewport

# imported after the first frame
if TYPE_CHECKING:
    from lrtui.analysis.checks import Finding
    from lrtui.engine.machine_load import MachineMonitor
    from lrtui.engine.notification import Notifier
    from lrtui.tui.screens.picker.shapes import Shapes

UNKNOWN_BATCHES = 100
"""Batches per epoch of a preview if the task's number is unknown before a run; the lr of each epoch is still right."""


def preview_batches_per_epoch(spec: RunSpec) -> int:
    """Return the steps per epoch that the next run is previewed with."""
    return expected_batches_per_epoch(spec) or UNKNOWN_BATCHES


def waiting_for_logs(view: View) -> str:
    """Return what stands on screen before a log has been found."""
    return f"No logs in {', '.join(map(printable, view.watched))} yet: runs are shown as soon as one is written."


SMOOTHINGS = (100, 500, 0, 20)
"""Spans of the smoothed training loss in steps, through which the key cycles; 0 means no smoothing."""


@dataclass(slots=True)
class View:
    """The user's choices: changed by keys, kept for as long as the cockpit is open.

    Args:
        spec: settings of the next run, as the user gave them.
    """

    spec: RunSpec
    opened_with: RunSpec = field(init=False)
    """The settings of the next run before the user changed any."""
    selected: int | None = None
    """Number of the run on screen."""
    output: str = ""
    """The output of the command that the run on screen is part of, as the store names it; empty for none."""
    pinned: list[int] = field(default_factory=list)
    """Numbers of the runs that are always drawn."""
    log_axes: set[str] = field(default_factory=set)
    """Names of the panes whose y axis is logarithmic."""
    smoothing: int = SMOOTHINGS[0]
    metric: str = ""
    """Name of the metric that the user chose for the accuracy pane; empty for the first."""
    metric_pattern: str = ""
    """Which metrics have panes besides the accuracy, see `name_matches`; empty for all."""
    watched: tuple[str, ...] = ()
    """Where logs of other programs are watched, as the user gave it; empty if none are."""
    viewport: Viewport = field(default_factory=Viewport)
    """The visible part of the x axis, its unit, and the cursor."""
    recent: list[str] = field(default_factory=list)
    """Schedules chosen in this session, the latest first."""
    candidates: PickerCandidates = field(default_factory=PickerCandidates)
    """Schedules that the picker shows beside the one being chosen."""
    shapes: Shapes | None = None
    """The curves in the picker's list; None before it was first open."""
    queue: list[RunSpec] = field(default_factory=list)
    """Settings of the queued runs, which start one after the other when the current run ends."""
    pending: PendingCommands = field(default_factory=PendingCommands)
    """Commands without an answer so far."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """The user's own keys, by action name."""
    bell: bool = False
    """Whether the terminal bell rings when a run ends."""
    ascii: bool = False
    """Whether to draw with ASCII only."""
    shows_machine: bool = True
    """Whether the load of the machine is shown, if there is a monitor."""
    machine: MachineMonitor | None = None
    """Samples the load of the machine."""
    notifier: Notifier | None = None
    """Sends notifications of the ends of runs and of advice."""
    places: dict[int, int] = field(default_factory=dict)
    """Index of colour and letter by run number; a run keeps its index for as long as it is drawn."""
    advice: Advice | None = None
    """The advice in the line above the footer, or None."""
    version: int = 0
    """Increases with every choice; a pane that has drawn this version is up to date."""
    versions: Counter[str] = field(default_factory=Counter)
    """By pane; increases with every choice that affects only that pane's chart."""

    def __post_init__(self) -> None:
        self.opened_with = self.spec

    def changed(self) -> None:
        """Mark that a choice was made."""
        self.version += 1

    @property
    def has_chosen_schedule(self) -> bool:
        """Whether the user has changed the next run's schedule."""
        return self.spec.schedule != self.opened_with.schedule

    @property
    def proposal(self) -> SwitchSchedule | None:
        """The advised schedule and anchor, which the picker shows first."""
        return self.advice.proposal if self.advice and not self.advice.is_for_next_run else None

    @property
    def drawn(self) -> set[int]:
        """Numbers of the runs that are drawn: the one on screen and the pinned ones."""
        return {*self.pinned, *(() if self.selected is None else (self.selected,))}

    def select(self, number: int) -> None:
        """Put a run on screen."""
        self.selected = number
        self._assign_places()
        self.changed()

    def remember(self, schedule: str) -> None:
        """Put a schedule at the front of the recent ones."""
        self.recent = [schedule, *(other for other in self.recent if other != schedule)][:10]
        self.changed()

    def toggle_log_axis(self, pane: str) -> None:
        """Toggle between a linear and a logarithmic y axis."""
        self.log_axes ^= {pane}
        self.versions[pane] += 1

    def toggle_pin(self, number: int) -> bool:
        """Pin or unpin a run; return whether it is pinned now."""
        pinned = number not in self.pinned
        if pinned:
            self.pinned.append(number)
        else:
            self.pinned.remove(number)
        self._assign_places()
        self.changed()
        return pinned

    def place_of(self, number: int) -> int:
        """Return the index of a run's colour and letter, from 0."""
        return self.places.get(number, _usual_place(number))

    def _assign_places(self) -> None:
        """Assign each newly drawn run its preferred index, or the next free one if that is in use."""
        drawn = self.drawn
        self.places = {number: place for number, place in self.places.items() if number in drawn}
        # negative numbers count down, so the run that was listed first comes first by absolute value
        for number in sorted(drawn - self.places.keys(), key=lambda number: (number < 0, abs(number))):
            taken, usual = set(self.places.values()), _usual_place(number) % LINE_COLOURS
            places = chain(range(usual, LINE_COLOURS), range(usual), count(LINE_COLOURS))
            self.places[number] = next(place for place in places if place not in taken)

    def next_smoothing(self) -> int:
        """Switch to the next span and return it."""
        self.smoothing = SMOOTHINGS[(SMOOTHINGS.index(self.smoothing) + 1) % len(SMOOTHINGS)]
        self.versions["loss"] += 1
        return self.smoothing


def _usual_place(number: int) -> int:
    """Return the preferred index of a run; 0 for a run with a negative number, which the user doesn't see."""
    return max(0, number - 1)


@dataclass(frozen=True)
class Scene:
    """What the panes draw in one frame: the runs, the user's choices and the forecasts.

    A new scene is made for each frame and each key. That is cheap: a property is computed when it is first read.

    Args:
        preview: lr of the next run's schedule over that whole run, shown while no run is on screen.
        futures: forecast of each run that has one, by number.
        replaced: lr that each switched run would have had without its last switch, by number.
        one_pane: whether one pane is shown at a time, each with an x axis of its own.
        columns: width of the charts without their labels; 0 without a cursor, since only the cursor needs it.
        source_runs: the runs of sources, which other processes train or have trained.
        finding: the most severe finding on the next run's schedule, if there is one.
        better: lr of the schedule that the finding proposes.
    """

    session: Session
    view: View
    preview: Future | None = None
    futures: Mapping[int, Future] = field(default_factory=dict)
    replaced: Mapping[int, Future] = field(default_factory=dict)
    one_pane: bool = False
    columns: int = 0
    source_runs: SourceRuns = field(default_factory=lambda: SourceRuns(SourceWatcher()))
    finding: Finding | None = None
    better: Future | None = None

    @cached_property
    def runs(self) -> list[ShownRun]:
        """The runs of this process, and those of sources whose events are followed; each once."""
        numbers = {run.number for run in self.session.runs}
        return [*self.session.runs, *(run for number, run in self.source_runs.runs.items() if number not in numbers)]

    @cached_property
    def preview_batches_per_epoch(self) -> int:
        """Steps per epoch of the preview."""
        return preview_batches_per_epoch(self.view.spec)

    @cached_property
    def run(self) -> ShownRun | None:
        """The run on screen, or None before the first."""
        return next((run for run in self.runs if run.number == self.view.selected), None)

    @cached_property
    def next_schedule(self) -> str:
        """The next run's schedule; empty if it is that of the run on screen, or that run has not started."""
        run, schedule = self.run, self.view.spec.schedule
        if run is None or run.state.started is None:
            return ""
        switch = run.state.last_switch
        # as the user wrote it; the schedule in force has its lengths filled in
        as_given = switch.command.rpartition(" from ")[0] if switch else run.spec.schedule
        return "" if schedule in (run.state.schedule, as_given) else schedule

    @cached_property
    def pinned(self) -> list[ShownRun]:
        """The pinned runs that still exist, in the order in which they were pinned."""
        runs = {run.number: run for run in self.runs}
        return [runs[number] for number in self.view.pinned if number in runs]

    @cached_property
    def shown(self) -> list[ShownRun]:
        """The runs that are drawn: the pinned ones, then on top the one on screen."""
        pinned = [run for run in self.pinned if run is not self.run]
        return [*pinned, self.run] if self.run else pinned

    @cached_property
    def command_target(self) -> ShownRun | None:
        """The run that receives commands: the one on screen if another process trains it, else this process's."""
        run = self.source_runs.runs.get(self.view.selected or 0)
        return run if run is not None and run is self.run and run.is_live else self.session.live

    @cached_property
    def situation(self) -> Situation:
        """The situation, which determines the available actions."""
        run, live = self.run, self.command_target
        return Situation(
            run.state if run else None,
            live.state if live else None,
            len(self.pinned),
            is_stored=run is not None and run.is_recorded,
            is_training=self.session.live is not None,
            pending=self.view.pending.of(live) if live else (),
            read_only=live.summary.read_only if isinstance(live, SourceRun) else "",
            key=key_of(run) if run else "",
            race=race_of(live) if live else 0,
            shown_race=(race_of(run) if run else 0) or self.source_runs.newest_race,
            has_checkpoint=run is not None and _can_be_resumed(run),
            of_log=_why_read_only(run) if run is not None else "",
        )

    @cached_property
    def progress(self) -> tuple[object, ...]:
        """A value that changes whenever the runs or the forecasts have progressed."""
        return (
            tuple((run.number, id(run), run.state.version) for run in self.runs),
            id(self.preview),
            id(self.better),
            self.finding,
            tuple((number, id(future)) for number, future in [*self.futures.items(), *self.replaced.items()]),
        )


def _why_read_only(run: ShownRun) -> str:
    """Return why a run takes no commands, if it is known from its log alone; empty if it is not."""
    if not run.spec.is_log:
        return ""
    if isinstance(run, SourceRun) and not run.is_recorded:
        return run.summary.read_only
    return f"Run {key_of(run)} is read-only: it was imported from a log."


def _can_be_resumed(run: ShownRun) -> bool:
    """Return whether a run has ended before its last step, and has a checkpoint."""
    # the folder is listed only for a run that could be resumed
    folder = run.store_folder if run.state.status in RESUMABLE else None
    if folder is None:
        return False
    # importing the store takes 20 ms, which would delay the first frame
    from lrtui.store.reader import has_checkpoint

    return has_checkpoint(folder, int(key_of(run)))
