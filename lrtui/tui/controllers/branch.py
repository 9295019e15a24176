"""Stored runs go on: one that broke off, and branches of those that have checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.engine.session import Session
from lrtui.run.commands import SwitchSchedule
from lrtui.run.errors import LrtuiError
from lrtui.text.numbers import duration
from lrtui.tui.forecast import Question
from lrtui.tui.listener import Listener
from lrtui.tui.opening import Opening
from lrtui.tui.view import Scene, View

# they read the store and schedules, and the dialogs draw: 60 ms that the first frame does not wait for
if TYPE_CHECKING:
    from lrtui.engine.resume import ResumePlan
    from lrtui.run.state import RunState
    from lrtui.tui.screens.branch_point import EpochEnd
    from lrtui.tui.screens.picker.choice import RaceChoice


class BranchController:
    """Offers to resume, and branches.

    Args:
        session: the runs.
        view: the user's choices.
        screen: shows messages and dialogs.
        ask: asks for a curve.
        scene: returns what is on screen.
    """

    def __init__(
        self,
        session: Session,
        view: View,
        screen: Listener,
        ask: Callable[[str, Question], None],
        scene: Callable[[], Scene],
    ) -> None:
        self._session, self._view, self._screen, self._ask, self._scene = session, view, screen, ask, scene

    def start(self, plan: ResumePlan) -> None:
        """Let a stored run, or a branch of one, go on here."""
        try:
            run = self._session.start(plan.spec, plan)
        except LrtuiError as error:
            self._screen.say(str(error))
            return
        first = plan.commands[0] if plan.is_branch else None
        self._view.remember(first.schedule if isinstance(first, SwitchSchedule) else plan.run.schedule)
        self._view.select(run.number)

    # -- a run that broke off -----------------------------------------------------------------------------------------

    def offer(self, opening: Opening, *, free: bool) -> None:
        """Offer to resume the run that broke off.

        Args:
            free: whether the cockpit is on top, so that a question can be asked.
        """
        plan = opening.interrupted
        if plan is None:
            return
        what = "was lost: its process died" if plan.run.state == "lost" else "was interrupted"
        if self._session.live is not None or not free:
            self._screen.say(f"run {plan.run.title} {what}; lrtui resume {plan.run.id} goes on")
            return
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        of = f" of {plan.run.total_steps:,}" if plan.run.total_steps else ""
        lines = [
            f"Run {plan.run.title} {what}.",
            f"{plan.run.schedule[:70]}, saved at step {plan.file.step:,}{of}, {duration(plan.run.seconds)} into it.",
            *opening.user_files,
        ]
        choices = (Choice("enter", "resume it here", "resume"), Choice("escape", "not now", None))

        def answered(answer: str | None) -> None:
            if answer is not None:
                self.start(plan)

        self._screen.app.push_screen(ConfirmScreen("\n".join(lines), choices), answered)

    # -- branches -----------------------------------------------------------------------------------------------------

    def do_branch(self) -> None:
        run, advice = self._scene().run, self._view.advice
        if run is None or advice is None or advice.branch_epoch is None:
            self._ask_where()
            return
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        epoch, words, folder = advice.branch_epoch, advice.command.text, run.store_folder

        def answered(answer: str | None) -> None:
            if answer == "advised" and folder is not None:
                self._in_thread(lambda: self._branch(folder, run.number, epoch, words))
            elif answer is not None:
                self._ask_where()

        choices = (
            Choice("enter", f"branch after epoch {epoch}, with {words}", "advised"),
            Choice("c", "choose another epoch and a schedule", "choose"),
            Choice("escape", "not now", None),
        )
        question = f"Run #{run.number}: {advice.text}.\nBack to the end of epoch {epoch}, and on with the lr halved?"
        self._screen.app.push_screen(ConfirmScreen(question, choices), answered)

    def _ask_where(self) -> None:
        from lrtui.engine.resume import epoch_ends
        from lrtui.tui.screens.branch_point import BranchPointScreen, EpochEnd

        run = self._scene().run
        if run is None:
            return
        folder = run.store_folder
        ends = epoch_ends(folder, run.number, run.state) if folder is not None else {}
        epochs = run.state.started.spec.epochs if run.state.started else 0
        results = {result.epoch: result for result in run.state.evaluations if not result.averaged}
        there = [
            EpochEnd(done.epoch, ends[done.epoch].step, ends[done.epoch].seq, done.lrs, results.get(done.epoch))
            for done in run.state.epochs
            if done.epoch in ends and done.epoch < epochs
        ]
        if folder is None or not there:
            why = "it has no checkpoint of an epoch's end with epochs after it"
            key = ACTIONS_BY_NAME["branch"].key(self._view.keys)
            self._screen.say(f"{key}: run #{run.number} can't be branched from: {why if folder else 'nothing is kept'}")
            return
        place: Path = folder

        def chosen(end: EpochEnd | None) -> None:
            if end is not None:
                self._in_thread(lambda: self._look_back(place, run.number, end))

        self._screen.app.push_screen(BranchPointScreen(run.number, run.state.schedule, tuple(there)), chosen)

    def _look_back(self, folder: Path, run: int, end: EpochEnd) -> Callable[[], None]:
        from lrtui.engine.resume import state_at

        state = state_at(folder, run, end.seq)
        return lambda: self._pick(folder, run, end, state)

    def _pick(self, folder: Path, run: int, end: EpochEnd, state: RunState) -> None:
        from lrtui.tui.screens.picker.choice import PickerChoice, PickerContext
        from lrtui.tui.screens.picker.screen import PickerScreen

        started = state.started
        if started is None:
            return
        context = PickerContext(
            schedule=state.schedule,
            optimizer=started.spec.optimizer,
            epochs=started.spec.epochs,
            batches_per_epoch=started.batches_per_epoch,
            live=state,
            number=run,
            recent=tuple(self._view.recent),
            branch_epoch=end.epoch,
            accumulate=started.spec.accumulate,
            candidates=self._view.candidates,
        )

        def picked(choice: PickerChoice | RaceChoice | None) -> None:
            if isinstance(choice, PickerChoice):
                self._in_thread(lambda: self._branch(folder, run, end.epoch, f"{choice.schedule} from {choice.anchor}"))

        self._screen.app.push_screen(PickerScreen(context, self._ask), picked)

    def _branch(self, folder: Path, run: int, epoch: int, schedule: str) -> Callable[[], None]:
        from lrtui.engine.resume import describe_user_files, plan_branch

        plan = plan_branch(folder, str(run), epoch, schedule)
        files = describe_user_files(plan)

        def go() -> None:
            self.start(plan)
            if files:
                self._screen.say("; ".join(files))

        return go

    def _in_thread(self, work: Callable[[], Callable[[], None]]) -> None:
        """Do what reads the store where no key waits for it; what is left to do is done on the screen's thread."""

        def run() -> None:
            try:
                rest = work()
            except LrtuiError as error:
                words = str(error)
                self._screen.app.call_later(lambda: self._screen.say(words))
            else:
                self._screen.app.call_later(rest)

        threading.Thread(target=run, name="branch", daemon=True).start()
