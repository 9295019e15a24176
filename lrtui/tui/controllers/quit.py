"""Leaving: what becomes of the run under way, and how the process ends."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from lrtui.engine.run import Run
from lrtui.engine.session import Session
from lrtui.run.errors import LrtuiError
from lrtui.tui.listener import Listener
from lrtui.tui.view import View

STOP, GO_ON = "stop", "go on"

LEAVING_SECONDS = 3.0
"""How long a training thread gets to end its batch when the user leaves."""

SAVING_SECONDS = 60.0
"""How long it gets where another process is to go on from what it saves."""


class Leaving:
    """Asks what becomes of the run under way.

    Args:
        session: the runs.
        view: the user's choices.
        screen: shows messages and dialogs.
    """

    def __init__(self, session: Session, view: View, screen: Listener) -> None:
        self._session, self._view, self._screen = session, view, screen

    def do_quit(self) -> None:
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        live = self._session.live
        if live is None:
            self._screen.app.exit()
            return
        kept = f"; lrtui resume {live.number} goes on" if live.is_recorded else "; nothing of it is kept"
        no_way = why_not_without_screen(live)
        choices = [Choice("q", f"stop{' and save' if live.is_recorded else ''} it, and quit{kept}", STOP)]
        if not no_way:
            choices.append(Choice("g", "go on without the screen: a process of its own takes over", GO_ON))
        choices.append(Choice("escape", "stay", None))
        question = f"Run #{live.number} is going. Stop it and quit?"
        if no_way:
            question += f"\nIt can't go on without the screen: {no_way}."
        if queued := len(self._view.queue):
            question += f"\n{queued} queued run{'s' if queued > 1 else ''} will not be started."

        def answered(answer: str | None) -> None:
            if answer == STOP:
                self._screen.app.exit()
            elif answer == GO_ON:
                self._screen.app.exit(live.number)

        self._screen.app.push_screen(ConfirmScreen(question, tuple(choices)), answered)


def why_not_without_screen(run: Run) -> str:
    """Return why a run can't go on in another process, or nothing where it can."""
    if not run.is_recorded:
        return "nothing of it is kept (--store none)"
    if run.state.step == run.state.first_step:
        return f"it waits for {run.state.waiting_for}"
    return ""


def leave(session: Session, status: int, because: str, going_on: int | None) -> NoReturn:
    """Stop what is under way, hand it over where the user wants that, and end the process.

    Args:
        session: the runs.
        status: the exit status.
        because: what ends the cockpit, where that is no person.
        going_on: number of the run that goes on without the screen.
    """
    live = session.live
    if going_on is not None:
        print(f"run {going_on}: saving what it needs to go on ...", flush=True)
    ended = session.close(LEAVING_SECONDS if going_on is None else SAVING_SECONDS, because)
    if live is not None:
        while session.poll():
            pass
        if going_on is not None:
            status = _hand_over(live, ended) or status
        elif live.is_recorded and ended and live.state.status == "stopped":
            print(f"kept as run {live.number}; lrtui resume {live.number} goes on")
    # torch takes half a second to be torn down, and aborts the process if a thread is still in it: leave past it
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _hand_over(run: Run, ended: bool) -> int:
    from lrtui.engine.background import resume_in_background

    try:
        if not ended:
            raise LrtuiError(f"it does not end its batch; lrtui resume {run.number} goes on from its last checkpoint")
        if run.state.status != "stopped" or run.store_folder is None:
            raise LrtuiError(f"it is over: {run.state.status}")
        if run.unrecorded:
            raise LrtuiError(run.unrecorded)
        successor = resume_in_background(run.store_folder, run.number)
    except LrtuiError as error:
        print(f"lrtui: run {run.number} does not go on: {error}", file=sys.stderr)
        return 0 if run.state.status == "done" else 1
    store = _store_words(run)
    print(
        f"run {run.number} goes on in process {successor.pid}\n"
        f"  lrtui runs show {run.number}{store}     shows how it does\n"
        f"  lrtui send {run.number} stop{store}     stops it; pause, lr*0.5 and the like are commands, too\n"
        f"  {successor.output}     has what it says"
    )
    return 0


def _store_words(run: Run) -> str:
    from lrtui.store.location import store_option

    return store_option(run.store_folder) if run.store_folder else ""
