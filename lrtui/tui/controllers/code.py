"""What the key does that turns what is on screen into PyTorch code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from lrtui.run.state import RunState
from lrtui.tasks.sizes import expected_batches_per_epoch
from lrtui.tui.controllers.runs import UNKNOWN_BATCHES
from lrtui.tui.listener import Listener
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import Scene, View


class CodeController:
    """Shows the code of the run on screen; of the next run's schedule before any.

    Args:
        view: the user's choices.
        screen: shows dialogs.
        scene: returns what is drawn now.
    """

    def __init__(self, view: View, screen: Listener, scene: Callable[[], Scene]) -> None:
        self._view, self._screen, self._scene = view, screen, scene

    def do_code(self) -> None:
        from lrtui.tui.screens.code import CodeScreen

        run = self._scene().run
        if run is None or run.state.started is None:
            self._screen.app.push_screen(CodeScreen("Code of the next run", self._writer_of_next()))
        else:
            self._screen.app.push_screen(CodeScreen(f"Code of run #{run.number}", _writer_of(run)))

    def _writer_of_next(self) -> Callable[[], str]:
        spec = self._view.spec
        expected = expected_batches_per_epoch(spec)
        notes = () if expected else (f"how long an epoch of {spec.task} is shows only in a run: put it in below",)

        def write() -> str:
            from lrtui.engine.run_code import code_of_spec

            return code_of_spec(spec, expected or UNKNOWN_BATCHES, notes=notes)

        return write


def _writer_of(run: ShownRun) -> Callable[[], str]:
    """Return what writes the run's code as it is at this moment, in whatever thread."""
    title, state = f"run #{run.number}", _as_it_is(run.state)
    folder = run.store_folder

    def write() -> str:
        from lrtui.engine.run_code import code_of_run
        from lrtui.store.ancestry import ancestors
        from lrtui.store.connection import open_for_reading

        if not state.first_step or folder is None:
            return code_of_run(title, state)
        with closing(open_for_reading(folder)) as connection:
            return code_of_run(title, state, ancestors(connection, run.number))

    return write


def _as_it_is(state: RunState) -> RunState:
    """Return what code is written of, as the run has it now: the state itself is one thread's own."""
    return replace(
        state,
        changes=list(state.changes),
        commands=list(state.commands),
        evaluations=list(state.evaluations),
        epochs=list(state.epochs),
    )
