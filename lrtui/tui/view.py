"""What the user looks at: changed by actions, read by panes; knows no widget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray

from lrtui.analysis.advice.advice import Advice
from lrtui.engine.session import Session
from lrtui.plotting.layers import LINE_COLOURS
from lrtui.run.commands import SwitchSchedule
from lrtui.run.series import Series
from lrtui.run.spec import RunSpec
from lrtui.tui.pending import Pending
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.run_list.stored_runs import StoredRuns
from lrtui.tui.screens.picker.candidates import PickerCandidates
from lrtui.tui.viewport import Viewport

SMOOTHINGS = (100, 500, 0, 20)
"""Spans of the smoothed training loss in steps, in the order that the key goes through; 0 is none."""


@dataclass(slots=True)
class View:
    """The user's choices about the screen.

    Args:
        spec: settings of the next run, as the user gave them.
    """

    spec: RunSpec
    selected: int | None = None
    """Number of the run on screen."""
    marked: list[int] = field(default_factory=list)
    """Numbers of the runs that are drawn over it."""
    log_axes: set[str] = field(default_factory=set)
    """Names of the panes whose y axis is logarithmic."""
    smoothing: int = SMOOTHINGS[0]
    metric: str = "accuracy"
    """What the pane of the accuracy shows, where the task's tests measure more."""
    viewport: Viewport = field(default_factory=Viewport)
    """Which part of the x axis the charts show, in what units, and where the cursor is."""
    recent: list[str] = field(default_factory=list)
    """Schedules chosen in this session, the latest first."""
    candidates: PickerCandidates = field(default_factory=PickerCandidates)
    """Schedules that the picker keeps to be seen beside the one that is being chosen."""
    queue: list[RunSpec] = field(default_factory=list)
    """Settings of the runs that start, one after the other, when the one under way is over."""
    pending: Pending = field(default_factory=Pending)
    """Commands that no event has answered yet."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """The keys that the user has given to actions, by the action's name."""
    bell: bool = False
    """Whether the terminal's bell rings when a run is over."""
    ascii: bool = False
    """Whether the terminal has no characters beyond ASCII."""
    places: dict[int, int] = field(default_factory=dict)
    """By number of the runs drawn, which colour and letter each has; it keeps them for as long as it is drawn."""
    advice: Advice | None = None
    """What the line above the footer says; None while it says nothing."""
    version: int = 0
    """Grows with every choice: whoever drew version n has nothing to redraw."""
    versions: Counter[str] = field(default_factory=Counter)
    """By pane, grows in its place with every choice that the charts of that pane alone show."""

    def changed(self) -> None:
        """Say that a choice was made."""
        self.version += 1

    @property
    def proposal(self) -> SwitchSchedule | None:
        """The schedule that is advised, and its anchor: what the picker begins with."""
        return self.advice.proposal if self.advice else None

    @property
    def drawn(self) -> set[int]:
        """Numbers of the runs that are drawn: the one on screen and those marked."""
        return {*self.marked, *(() if self.selected is None else (self.selected,))}

    def select(self, number: int) -> None:
        """Put a run on screen."""
        self.selected = number
        self._give_places()
        self.changed()

    def remember(self, schedule: str) -> None:
        """Put a schedule at the front of the recent ones."""
        self.recent = [schedule, *(other for other in self.recent if other != schedule)][:10]
        self.changed()

    def toggle_log_axis(self, pane: str) -> None:
        """Make the pane's y axis logarithmic, or linear again."""
        self.log_axes ^= {pane}
        self.versions[pane] += 1

    def toggle_mark(self, number: int) -> None:
        """Draw the run over the one on screen, or no longer."""
        if number in self.marked:
            self.marked.remove(number)
        else:
            self.marked.append(number)
        self._give_places()
        self.changed()

    def place_of(self, number: int) -> int:
        """Return which of the colours and letters a run has, from 0."""
        return self.places.get(number, number - 1)

    def _give_places(self) -> None:
        """Give each run that has come to be drawn its usual place, or where another has that, the next free one."""
        drawn = self.drawn
        self.places = {number: place for number, place in self.places.items() if number in drawn}
        for number in sorted(drawn - self.places.keys()):
            taken, usual = set(self.places.values()), (number - 1) % LINE_COLOURS
            places = chain(range(usual, LINE_COLOURS), range(usual), count(LINE_COLOURS))
            self.places[number] = next(place for place in places if place not in taken)

    def next_smoothing(self) -> int:
        """Go to the next span and return it."""
        self.smoothing = SMOOTHINGS[(SMOOTHINGS.index(self.smoothing) + 1) % len(SMOOTHINGS)]
        self.versions["loss"] += 1
        return self.smoothing


@dataclass(frozen=True, slots=True)
class Future:
    """The lr that is to come.

    Args:
        start_step: step of the first row.
        lrs: raw lr, float64, shape (steps, parameter groups), before the scale.
    """

    start_step: int
    lrs: NDArray[np.float64]
    _series: dict[int, Series] = field(default_factory=dict, init=False, repr=False, compare=False)

    def series(self, group: int) -> Series:
        """Return one group's lr; made once, so that a drawing costs the same however long the run is."""
        if group not in self._series:
            self._series[group] = Series(np.ascontiguousarray(self.lrs[:, group]))
        return self._series[group]


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a pane draws from: the runs, the user's choices and what was forecast.

    Args:
        preview: lr of the next run's schedule over that whole run, shown while no run is on screen.
        futures: forecast of each run that has one, by number.
        one_pane: whether panes are shown one at a time, each with an x axis of its own.
        columns: how many the charts have beside their labels.
        stored: the runs of the store.
    """

    session: Session
    view: View
    preview: Future | None = None
    preview_batches_per_epoch: int = 0
    futures: Mapping[int, Future] = field(default_factory=dict)
    one_pane: bool = False
    columns: int = 72
    stored: StoredRuns = field(default_factory=StoredRuns)

    @property
    def runs(self) -> list[ShownRun]:
        """The runs of this process, and those of the store whose story is followed; each once."""
        own = {run.number for run in self.session.runs}
        return [*self.session.runs, *(run for number, run in self.stored.runs.items() if number not in own)]

    @property
    def run(self) -> ShownRun | None:
        """The run on screen, or None before the first."""
        return next((run for run in self.runs if run.number == self.view.selected), None)

    @property
    def marked(self) -> list[ShownRun]:
        """The runs that are marked, in the order they were; those that are gone are left out."""
        runs = {run.number: run for run in self.runs}
        return [runs[number] for number in self.view.marked if number in runs]

    @property
    def shown(self) -> list[ShownRun]:
        """The runs that are drawn: those marked, then the one on screen, which so lies on top."""
        marked = [run for run in self.marked if run is not self.run]
        return [*marked, self.run] if self.run else marked

    @property
    def commanded(self) -> ShownRun | None:
        """The run that commands go to: the one on screen where it goes on in another process, else this process's."""
        run = self.stored.runs.get(self.view.selected or 0)
        return run if run is not None and run is self.run and run.is_live else self.session.live

    def choices_for(self, pane: str) -> tuple[object, ...]:
        """Return a value that differs whenever the user chose something that the pane draws otherwise."""
        return (self.view.version, self.view.versions[pane], self.one_pane)

    @property
    def progress(self) -> tuple[object, ...]:
        """A value that differs whenever what is drawn has moved on by itself."""
        return (
            tuple((run.number, id(run), run.state.version) for run in self.runs),
            id(self.preview),
            tuple((number, id(future)) for number, future in self.futures.items()),
        )
