"""Controllers: what each action does, one module per subject."""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING

from lrtui.actions import Action
from lrtui.tui.controllers.panes import PanesController
from lrtui.tui.controllers.runs import RunsController
from lrtui.tui.controllers.startup import StartupController

# these are imported at the first key that needs them: they take 60 ms, which would delay the first frame
if TYPE_CHECKING:
    from lrtui.tui.controllers.branch import BranchController
    from lrtui.tui.controllers.chart_view import ChartViewController
    from lrtui.tui.controllers.export import ExportController
    from lrtui.tui.controllers.picker import PickerController
    from lrtui.tui.controllers.quit import QuitController
    from lrtui.tui.controllers.race import RaceController
    from lrtui.tui.controllers.range_test import RangeTestController
    from lrtui.tui.controllers.run_list import RunListController
    from lrtui.tui.screens.cockpit import CockpitScreen


class Controllers:
    """The controllers of a cockpit; an action's handler names one of these attributes and a method of it."""

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit = cockpit
        self.panes = PanesController(cockpit)
        self.runs = RunsController(cockpit)
        self.startup = StartupController(cockpit)

    def handle(self, action: Action) -> None:
        """Carry out an action."""
        handler = attrgetter(action.handler)(self)
        if action.argument is None:
            handler()
        else:
            handler(action.argument)

    @cached_property
    def branch(self) -> BranchController:
        from lrtui.tui.controllers.branch import BranchController

        return BranchController(self._cockpit)

    @cached_property
    def chart_view(self) -> ChartViewController:
        from lrtui.tui.controllers.chart_view import ChartViewController

        return ChartViewController(self._cockpit)

    @cached_property
    def export(self) -> ExportController:
        from lrtui.tui.controllers.export import ExportController

        return ExportController(self._cockpit)

    @cached_property
    def picker(self) -> PickerController:
        from lrtui.tui.controllers.picker import PickerController

        return PickerController(self._cockpit)

    @cached_property
    def quit(self) -> QuitController:
        from lrtui.tui.controllers.quit import QuitController

        return QuitController(self._cockpit)

    @cached_property
    def race(self) -> RaceController:
        from lrtui.tui.controllers.race import RaceController

        return RaceController(self._cockpit)

    @cached_property
    def range_test(self) -> RangeTestController:
        from lrtui.tui.controllers.range_test import RangeTestController

        return RangeTestController(self._cockpit)

    @cached_property
    def run_list(self) -> RunListController:
        from lrtui.tui.controllers.run_list import RunListController

        return RunListController(self._cockpit)
