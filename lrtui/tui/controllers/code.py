"""Shows the PyTorch code of the run on screen, or of the next run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tasks.sizes import expected_batches_per_epoch
from lrtui.tui.controllers.runs import UNKNOWN_BATCHES
from lrtui.tui.listener import Listener
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import Scene, View


class CodeController:
    """The action `code`.

    Args:
        view: the user's choices.
        screen: shows dialogs.
        scene: returns what is drawn now.
    """

    def __init__(self, view: View, screen: Listener, scene: Callable[[], Scene]) -> None:
        self._view, self._screen, self._scene = view, screen, scene

    def do_code(self) -> None:
        """Show the code."""
        from lrtui.tui.screens.code import CodeScreen

        run, spec = self._scene().run, self._view.spec
        if run is None or run.state.started is None:
            screen = CodeScreen("Code of the next run", lambda: _code_of_next_run(spec))
        else:
            # the state belongs to the UI thread, the code is written in another
            shown, state = run, _copy(run.state)
            screen = CodeScreen(f"Code of run {run.number}", lambda: _code_of_run(shown, state))
        self._screen.app.push_screen(screen)


def _code_of_next_run(spec: RunSpec) -> str:
    from lrtui.engine.run_code import code_of_spec

    batches = expected_batches_per_epoch(spec)
    notes = () if batches else (f"The batches per epoch of {spec.task} are known only in a run: fill them in below.",)
    return code_of_spec(spec, batches or UNKNOWN_BATCHES, notes=notes)


def _code_of_run(run: ShownRun, state: RunState) -> str:
    from lrtui.engine.run_code import code_of_run
    from lrtui.store.ancestry import ancestors
    from lrtui.store.connection import open_for_reading

    title = f"run {run.number}"
    if not state.first_step or run.store_folder is None:
        return code_of_run(title, state)
    with closing(open_for_reading(run.store_folder)) as connection:
        return code_of_run(title, state, ancestors(connection, run.number))


def _copy(state: RunState) -> RunState:
    return replace(
        state,
        changes=list(state.changes),
        commands=list(state.commands),
        evaluations=list(state.evaluations),
        epochs=list(state.epochs),
    )
