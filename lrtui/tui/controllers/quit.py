"""Quitting: what happens to the run in progress, and how the process ends."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from lrtui.engine.run import Run
from lrtui.engine.session import Session
from lrtui.run.errors import LrtuiError
from lrtui.text.streams import discard, is_hung_up

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen

EXIT_SECONDS = 3.0
"""Seconds that the training thread gets to finish its batch when the user quits."""

SAVE_SECONDS = 60.0
"""Seconds that the training thread gets if another process will continue from its checkpoint."""


class QuitController:
    """Asks what to do with the run in progress, and quits.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit = cockpit

    def quit(self) -> None:
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        live, app = self._cockpit.session.live, self._cockpit.app
        if live is None:
            app.exit()
            return
        obstacle = background_obstacle(live)
        if live.is_recorded and live.state.started is None:
            choices = [Choice("q", "stop it before its first step, then quit", "stop")]
        elif live.is_recorded:
            choices = [Choice("q", f"stop and save it, then quit; continue with {_resume_line(live)}", "stop")]
        else:
            choices = [Choice("q", "stop it, then quit; nothing is saved", "stop")]
        if not obstacle:
            choices.append(Choice("g", "continue it in the background", "background"))
        choices.append(Choice("escape", "cancel", None))
        question = f"Run {live.number} is in progress. Stop it and quit?"
        if obstacle:
            question += f"\nIt can't continue in the background: {obstacle}."
        if queued := len(self._cockpit.view.queue):
            question += f"\n{queued} queued run{'s' if queued > 1 else ''} will not be started."

        def answered(answer: str | None) -> None:
            if answer == "stop":
                app.exit()
            elif answer == "background":
                app.exit(live.number)

        app.push_screen(ConfirmScreen(question, tuple(choices), lambda: live.is_live), answered)


def background_obstacle(run: Run) -> str:
    """Return why a run can't continue in another process; empty if it can."""
    if not run.is_recorded:
        return "it is not stored (--store none)"
    if run.state.status == "waiting" or run.state.step == run.state.first_step:
        return f"it has not started yet ({run.state.waiting_for})"
    return ""


def discard_output_if_hung_up() -> None:
    """Discard what is printed from now on if the terminal has been closed: an error would end the process at once."""
    for stream in (sys.stdout, sys.stderr):
        if is_hung_up(stream):
            discard(stream)


def leave(session: Session, status: int, reason: str, background_run: int | None) -> NoReturn:
    """Stop the run in progress, continue it in the background if the user chose so, and end the process.

    Args:
        session: the runs.
        status: the exit status.
        reason: why the cockpit ended, if the user did not quit.
        background_run: number of the run that continues in the background.
    """
    live = session.live
    if background_run is not None:
        print(f"run {background_run}: saving a checkpoint ...", flush=True)
    ended = session.close(EXIT_SECONDS if background_run is None else SAVE_SECONDS, reason)
    if live is not None:
        while session.poll():
            pass
        if background_run is not None:
            status = _continue_in_background(live, ended) or status
        elif live.is_recorded and ended and live.state.status == "stopped":
            if live.has_checkpoint:
                print(f"saved as run {live.number}; continue with: {_resume_line(live)}")
            else:
                print(f"stored as run {live.number}, which ended before its first checkpoint")
    # a regular exit with torch loaded takes 0.5 s, and aborts the process if a thread is still inside torch
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _resume_line(run: Run) -> str:
    """Return the command that continues a stored run."""
    from lrtui.store.location import store_option

    store = store_option(run.store_folder) if run.store_folder is not None else ""
    return f"lrtui resume {run.number}{store}"


def _continue_in_background(run: Run, ended: bool) -> int:
    from lrtui.engine.background import resume_in_background
    from lrtui.store.location import store_option

    try:
        if not ended:
            remedy = f"; {_resume_line(run)} continues it from the last checkpoint" if run.has_checkpoint else ""
            raise LrtuiError(f"its current batch did not end in time{remedy}")
        if run.state.status != "stopped" or run.store_folder is None:
            raise LrtuiError(f"it has ended: {run.state.status}")
        if run.recording_error:
            raise LrtuiError(run.recording_error)
        successor = resume_in_background(run.store_folder, run.number)
    except LrtuiError as error:
        print(f"lrtui: can't continue run {run.number} in the background: {error}", file=sys.stderr)
        return 0 if run.state.status == "done" else 1
    store = store_option(run.store_folder)
    print(
        f"run {run.number} continues in process {successor.pid}\n"
        f"  lrtui runs show {run.number}{store}     shows its progress\n"
        f"  lrtui send {run.number} stop{store}     stops it; other commands: pause, lr*0.5 ...\n"
        f"  {successor.output}     contains its output"
    )
    return 0
