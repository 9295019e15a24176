"""Starts branches of stored runs, and offers to resume a run that was interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.run.commands import SwitchSchedule
from lrtui.run.errors import LrtuiError
from lrtui.text.format import duration
from lrtui.tui.run_list.source_runs import key_of

# importing the store, the schedules and the dialogs takes 60 ms, which would delay the first frame
if TYPE_CHECKING:
    from lrtui.engine.resume import ResumePlan
    from lrtui.run.state import RunState
    from lrtui.tui.screens.branch_point import EpochEnd
    from lrtui.tui.screens.cockpit import CockpitScreen
    from lrtui.tui.screens.picker.state import RaceChoice
    from lrtui.tui.startup import StartupState

Result = TypeVar("Result")

ENDINGS = {"lost": "was lost: its process died.", "stopped": "was stopped.", "failed": "failed."}
"""How a run that can be resumed has ended, by status."""


class BranchController:
    """The action `branch`, and the offer to resume.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit, self._view = cockpit, cockpit.view

    def start(self, plan: ResumePlan) -> None:
        """Resume a stored run, or start a branch of one."""
        try:
            run = self._cockpit.session.start(plan.spec, plan)
        except LrtuiError as error:
            self._cockpit.say(str(error))
            return
        first = plan.commands[0] if plan.is_branch else None
        self._view.remember(first.schedule if isinstance(first, SwitchSchedule) else plan.run.schedule)
        self._view.select(run.number)

    # -- resume -------------------------------------------------------------------------------------------------------

    def offer_resume(self, found: StartupState, *, can_ask: bool) -> None:
        """Offer to resume the run that was interrupted, if there is one.

        Args:
            can_ask: whether no dialog is open, so that a question can be asked.
        """
        plan = found.interrupted
        if plan is None:
            return
        what = "was lost: its process died" if plan.run.state == "lost" else "was interrupted"
        if self._cockpit.session.live is not None or not can_ask:
            from lrtui.store.location import store_option

            self._cockpit.say(
                f"Run {plan.run.title} {what}. Resume it with: lrtui resume {plan.run.id}{store_option(plan.folder)}"
            )
            return
        self._ask_to_resume(plan, f"{what}.", found.user_files)

    def resume(self) -> None:
        """Offer to resume the run on screen, which has ended before its last step."""
        run = self._cockpit.scene.run
        folder = run.store_folder if run is not None else None
        if run is None or folder is None:
            return
        key, status = str(key_of(run)), run.state.status

        def plan() -> tuple[ResumePlan, tuple[str, ...]]:
            from lrtui.engine.resume import describe_user_files, plan_offered_resume

            planned = plan_offered_resume(folder, key)
            return planned, tuple(describe_user_files(planned))

        self._in_thread(plan, lambda planned: self._ask_to_resume(planned[0], ENDINGS[status], planned[1]))

    def _ask_to_resume(self, plan: ResumePlan, what: str, user_files: Sequence[str]) -> None:
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        total = f" of {plan.run.total_steps:,}" if plan.run.total_steps else ""
        progress = f"saved at step {plan.file.step:,}{total} after {duration(plan.run.seconds)}"
        lines = [
            f"Run {plan.run.title} {what}",
            f"{plan.run.schedule[:70]}, {progress}.",
            *(
                [f"The checkpoint of step {plan.damaged.step:,} is damaged; this is the one before it."]
                if plan.damaged
                else []
            ),
            *user_files,
        ]

        def on_answer(answer: str | None) -> None:
            if answer is not None:
                self.start(plan)

        choices = (Choice("enter", "resume it here", "resume"), Choice("escape", "not now", None))
        # another process can resume the run meanwhile, and only one run can be in progress here
        summaries, session = self._cockpit.source_runs, self._cockpit.session

        def is_open() -> bool:
            listed = next((run for run in summaries.summaries.values() if run.id.key == plan.run.id), None)
            return session.live is None and (listed is None or not listed.is_live)

        self._cockpit.app.push_screen(ConfirmScreen("\n".join(lines), choices, is_open), on_answer)

    # -- branch -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Ask for the epoch and the schedule of a branch, or offer the advised branch."""
        run, advice = self._cockpit.scene.run, self._view.advice
        if run is None or advice is None or advice.branch_epoch is None:
            self._ask_for_epoch()
            return
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        epoch, schedule, folder = advice.branch_epoch, advice.command.text, run.store_folder

        def on_answer(answer: str | None) -> None:
            if answer == "advised" and folder is not None:
                self._start_branch(folder, int(key_of(run)), epoch, schedule)
            elif answer is not None:
                self._ask_for_epoch()

        choices = (
            Choice("enter", f"branch after epoch {epoch} with {schedule}", "advised"),
            Choice("c", "choose the epoch and the schedule", "choose"),
            Choice("escape", "not now", None),
        )
        question = f"Run {key_of(run)}: {advice.text}.\nBranch from the end of epoch {epoch} with half the lr?"
        screen = ConfirmScreen(question, choices, lambda: advice.still_applies(run.state))
        self._cockpit.app.push_screen(screen, on_answer)

    def _ask_for_epoch(self) -> None:
        from lrtui.tui.screens.branch_point import BranchPointScreen

        run = self._cockpit.scene.run
        if run is None:
            return
        store, key = run.store_folder, ACTIONS_BY_NAME["branch"].key(self._view.keys)
        if store is None:
            self._cockpit.say(f"{key}: can't branch from run {key_of(run)}: it is not stored")
            return
        # not `run.number`, which differs if this process trains a run with the same number in another store
        number = int(key_of(run))
        try:
            ends = _epoch_ends(store, number, run.state)
        except LrtuiError as error:
            self._cockpit.say(f"{key}: can't branch from run {number}: {error}")
            return
        if not ends:
            reason = "it has no checkpoint of an epoch before its last"
            self._cockpit.say(f"{key}: can't branch from run {number}: {reason}")
            return

        def on_epoch(end: EpochEnd | None) -> None:
            if end is not None:
                from lrtui.store.store_feed import state_at

                self._in_thread(
                    partial(state_at, store, number, end.seq), partial(self._pick, store, number, end.epoch)
                )

        self._cockpit.app.push_screen(BranchPointScreen(number, ends), on_epoch)

    def _pick(self, folder: Path, number: int, epoch: int, state: RunState) -> None:
        from lrtui.tui.screens.picker.screen import PickerScreen
        from lrtui.tui.screens.picker.state import PickerChoice, PickerContext

        started = state.started
        if started is None:
            return
        spec = replace(started.spec, schedule=state.schedule)
        context = PickerContext(self._view, spec, started.batches_per_epoch, live=state, key=number, branch_epoch=epoch)

        def on_choice(choice: PickerChoice | RaceChoice | None) -> None:
            if isinstance(choice, PickerChoice):
                self._start_branch(folder, number, epoch, f"{choice.schedule} from {choice.anchor}")

        self._cockpit.app.push_screen(PickerScreen(context, self._cockpit.ask), on_choice)

    def _start_branch(self, folder: Path, number: int, epoch: int, schedule: str) -> None:
        def plan() -> tuple[ResumePlan, list[str]]:
            from lrtui.engine.resume import describe_user_files, plan_branch

            planned = plan_branch(folder, str(number), epoch, schedule)
            return planned, list(describe_user_files(planned))

        def start(planned: tuple[ResumePlan, list[str]]) -> None:
            resume_plan, files = planned
            self.start(resume_plan)
            if files:
                self._cockpit.say("; ".join(files))

        self._in_thread(plan, start)

    def _in_thread(self, read: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Read the store in a thread, so that keys keep working; then call `then` with the result in the UI thread."""

        def run() -> None:
            try:
                result = read()
            except LrtuiError as error:
                self._cockpit.app.call_later(self._cockpit.say, str(error))
            else:
                self._cockpit.app.call_later(then, result)

        threading.Thread(target=run, name="branch", daemon=True).start()


def _epoch_ends(folder: Path, number: int, state: RunState) -> tuple[EpochEnd, ...]:
    """Return the epoch ends that have a checkpoint, except that of the last epoch, after which no steps remain."""
    from lrtui.engine.resume import epoch_ends
    from lrtui.run.evaluations import epoch_results
    from lrtui.tui.screens.branch_point import EpochEnd

    ends = epoch_ends(folder, number, state)
    epochs = state.started.spec.epochs if state.started else 0
    results, metric = epoch_results(state), state.objective.metric
    return tuple(
        EpochEnd(done.epoch, ends[done.epoch].step, ends[done.epoch].seq, done.lrs, results.get(done.epoch), metric)
        for done in state.epochs
        if done.epoch in ends and done.epoch < epochs
    )
