"""PyTorch code for the schedule of a run: from its settings, its state, or the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.events import ScheduleSwitched
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.export_code import ScaleChange, ScheduleChange, Timeline, torch_code
from lrtui.schedules.export_code.timeline import timeline_of
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import spec_as_done
from lrtui.schedules.simulate import recorded_results
from lrtui.text.format import counted

if TYPE_CHECKING:
    from lrtui.store.reader import StoredRun
    from lrtui.store.store_feed import Ancestor


def code_of_spec(spec: RunSpec, batches_per_epoch: int, *, tried: bool = False, notes: Sequence[str] = ()) -> str:
    """Return the code of a run that has not started.

    Args:
        spec: its settings, `at` included.
        batches_per_epoch: optimizer steps per epoch.
        tried: build and step the schedule first, so that errors of PyTorch are raised here. Imports torch and the
            user's files.
        notes: further comment lines at the head of the code.

    Raises:
        NotationError: if a schedule or optimizer can't be parsed or, with `tried`, built.
    """
    if tried or spec.at:
        timeline = _simulated(spec, batches_per_epoch)
    else:
        horizon = Horizon.of(spec, batches_per_epoch)
        filled, _ = fill_in(parse_schedule(spec.schedule), horizon)
        timeline = Timeline(
            first=ScheduleChange(filled, "base"),
            optimizer=parse_optimizer(spec.optimizer),
            epochs=horizon.epochs,
            batches_per_epoch=batches_per_epoch,
            max_steps=horizon.max_steps,
            accumulate=spec.accumulate,
            clip_grad_norm=spec.clip_grad_norm,
        )
    return torch_code(replace(timeline, notes=(*_notes("", timeline, spec), *notes)))


def code_of_run(title: str, state: RunState, before: Sequence[Ancestor] = ()) -> str:
    """Return the code of a run that has started, with its switches and nudges and the rest of its `at` script.

    Args:
        title: title of the run.
        state: state of the run.
        before: the ancestors of a branch, the oldest first. Without them the code starts at the branch.

    Raises:
        UsageError: if the run has not started, or its schedule is unknown.
    """
    if state.started is not None and not state.started.spec.schedule:
        raise UsageError(f"the schedule of {title} is not known: there is no code for it")
    timeline = None
    for ancestor in before:
        timeline = timeline_of(ancestor.state, timeline)
    timeline = timeline_of(state, timeline)
    if timeline is None or state.started is None:
        if state.outcome is not None:
            raise UsageError(f"{title} ended before its first step: there is no code for it")
        raise UsageError(f"{title} has not started, so the number of batches per epoch is not known yet")
    timeline = _with_remaining_commands(timeline, state)
    notes = list(_notes(title, timeline, state.started.spec))
    if state.started.total_steps is None:
        notes.append(
            f"the length of the run was not given: this code makes the {counted(timeline.total_steps, 'step')} so far"
        )
    if difference := _difference_of_script(state):
        notes.append(difference)
    if before:
        notes.append(f"branched from run #{before[-1].number} after step {state.first_step:,}; the same up to there")
    if timeline.start_step:
        notes.append(
            f"the run before step {timeline.start_step:,} is unknown; start with the weights of its checkpoint"
        )
    return torch_code(replace(timeline, notes=tuple(notes)))


def code_of_stored(connection: sqlite3.Connection, run: StoredRun) -> str:
    """Return the code of a stored run and its ancestors.

    Raises:
        UsageError: if the run has not started, or its schedule is unknown.
        sqlite3.Error: if the store can't be read.
    """
    from lrtui.store.store_feed import ancestors, summarized_state

    return code_of_run(f"run {run.title}", summarized_state(connection, run.id), ancestors(connection, run.id))


def _with_remaining_commands(timeline: Timeline, state: RunState) -> Timeline:
    """Return the timeline with the remaining commands of the `at` script, whose effect depends on the lr."""
    repeated, started = spec_as_done(state), state.started
    if repeated is None or started is None or state.first_step or state.status == "done":
        return timeline
    # no line of the script is still to come
    if len(repeated.at) == len(state.commands):
        return timeline
    return _simulated(repeated, started.batches_per_epoch, recorded_results([state]))


def _difference_of_script(state: RunState) -> str:
    """Return where the lr of a script was another than its schedule gives, before any command; empty if nowhere.

    A script may write the lr itself beside its scheduler, step it at moments of its own, or make other steps than it
    has said.
    """
    started = state.started
    if started is None or not started.spec.is_attached or state.first_step:
        return ""
    schedule = parse_schedule(started.spec.schedule)
    if any(part.is_of_script for part in schedule.walk()):
        return ""
    # takes seconds, since it imports torch
    import numpy as np

    from lrtui.schedules.simulate import simulate

    whole = Horizon.of(started.spec, started.batches_per_epoch)
    horizon = whole if started.total_steps is not None else Horizon.so_far(state)
    by_user = [each for each in state.changes if isinstance(each, ScheduleSwitched) or each.by != "plateau"]
    try:
        lrs = simulate(schedule, parse_optimizer(started.spec.optimizer), horizon, metrics=recorded_results([state]))
    except LrtuiError:
        # the code itself fails in the same way
        return ""
    start, end = state.lrs[0].known_from, min([*(change.step for change in by_user), state.step, len(lrs)])
    for group, series in enumerate(state.lrs[: lrs.shape[1]]):
        recorded = series.values[: end - start]
        # an lr that is a tensor has single precision
        differs = ~np.isclose(recorded, lrs[start:end, group], rtol=1e-6, atol=0) & np.isfinite(recorded)
        if differs.any():
            step = start + int(differs.argmax())
            return (
                f"at step {step:,} the script's lr was {float(recorded[step - start])!r}, and not "
                f"{float(lrs[step, group])!r} as in this code: the script has set it itself, or has stepped its "
                "scheduler at other moments"
            )
    return ""


def _simulated(spec: RunSpec, batches_per_epoch: int, results: list[Mapping[str, float]] | None = None) -> Timeline:
    # imports torch, which most code does not need
    from lrtui.training.script_simulation import SimulatedScript

    return SimulatedScript(spec, batches_per_epoch, results or ()).run()


def _notes(title: str, timeline: Timeline, spec: RunSpec) -> tuple[str, ...]:
    lengths = f"{counted(timeline.epochs, 'epoch')} of {counted(timeline.batches_per_epoch, 'step')}"
    if timeline.max_steps is not None:
        lengths = f"{counted(timeline.max_steps, 'step')}, {timeline.batches_per_epoch:,} an epoch"
    notes = [f"{f'{title}: ' if title else ''}{spec.schedule}", f"{spec.optimizer}, {lengths}"]
    changes = [change for point in timeline.points for change in point.changes]
    switches = sum(isinstance(change, ScheduleChange) for change in changes)
    scalings = sum(isinstance(change, ScaleChange) for change in changes)
    if changes:
        kinds = [counted(switches, "schedule change")] * bool(switches)
        kinds += [counted(scalings, "lr change")] * bool(scalings)
        notes.append(f"with {' and '.join(kinds)}")
    schedules = [
        timeline.first.schedule,
        *(change.schedule for change in changes if isinstance(change, ScheduleChange)),
    ]
    if followed := sorted({schedule.metric for schedule in schedules if schedule.metric is not None}):
        notes.append(f"the lr follows the test {' and '.join(followed)}; with other results it differs")
    if any(schedule.is_of_script for schedule in schedules):
        notes.append("the lr of the script's own scheduler is only known where it was recorded: put it in its place")
    if spec.precision != "fp32":
        notes.append(f"the run used {spec.precision} autocast, which this script leaves out")
    if timeline.optimizer.has_flag("capturable"):
        notes.append("capturable=True: PyTorch refuses it on the CPU, so move the model to a CUDA device first")
    return (*notes, *timeline.notes)
