"""The shape of each scheduler's curve, for the picker's list. Knows no widget."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrtui.plotting.sparkline import sparkline
from lrtui.run.spec import DEFAULT_EPOCHS, RunSpec
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.forecast import Floats
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lr_curve import trained_lrs
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.screens.picker.model import PickerModel

SLOT = "shape"
"""The forecaster's slot for shapes, which are asked for one after the other."""

BATCHES = 12
"""Batches per epoch of a shape; it needs no more than a few steps for each column."""


@dataclass(slots=True)
class Shapes:
    """The curves of all schedulers with the arguments that the picker proposes; kept while the cockpit is open."""

    _curves: dict[CurveRequest, Floats | None] = field(default_factory=dict)
    _by_name: dict[str, CurveRequest] = field(default_factory=dict)
    _to_ask: list[CurveRequest] = field(default_factory=list)

    def choose(self, spec: RunSpec) -> None:
        """Show the shapes for the optimizer and the epochs of a run."""
        epochs = int(DEFAULT_EPOCHS) if spec.epochs_follow else spec.epochs
        model = PickerModel(spec.schedule, spec.optimizer, Horizon(epochs, BATCHES))
        requests = {}
        for name in CATALOGUE:
            model.choose(name)
            requests[name] = CurveRequest(model.text, spec.optimizer, epochs, BATCHES)
        self._by_name = requests
        self._to_ask = [request for request in requests.values() if request not in self._curves]

    def next_request(self) -> CurveRequest | None:
        """Return the next request to ask; None after the last."""
        return self._to_ask.pop(0) if self._to_ask else None

    def take(self, answer: CurveResult) -> None:
        """Store an answer."""
        self._curves[answer.request] = answer.lrs

    def line(self, name: str, width: int) -> str:
        """Return a scheduler's shape in one line; blanks while it is not known."""
        request = self._by_name.get(name)
        lrs = self._curves.get(request) if request is not None else None
        return f"{sparkline(trained_lrs(lrs), width) if lrs is not None and len(lrs) else '':<{width}}"
