"""The candidate's curve, drawn onto what the run has done so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrtui.run.numbers import four_digits
from lrtui.run.series import Series
from lrtui.run.state import RunState
from lrtui.tui.charts.chart import Chart
from lrtui.tui.charts.layers import Curve, Form, Layer, Rule
from lrtui.tui.forecast import Answer


def candidate_figure(lrs: NDArray[np.float64]) -> str:
    """Return the candidate's highest and last lr."""
    if not len(lrs):
        return "nothing remains of the run"
    return f"peak {four_digits(float(lrs.max()))}  end {four_digits(float(lrs[-1, 0]))}"


def candidate_chart(answer: Answer, live: RunState | None) -> Chart:
    """Return the whole run's lr: solid what was, dashed what the candidate would make of the rest.

    Args:
        answer: with a curve, shape (steps that remain, parameter groups).
        live: the run that would be switched, or None.
    """
    question = answer.question
    per_epoch = question.batches_per_epoch
    layers: list[Layer] = []
    if live is not None and len(live.loss):
        start = live.first_step / per_epoch
        layers += [Curve(series, start, per_epoch, "chart--line-1") for series in live.lrs]
    if answer.lrs is not None:
        form: Form = "line" if live is None else "dashed"
        for group in range(answer.lrs.shape[1]):
            series = Series(np.ascontiguousarray(answer.lrs[:, group]))
            layers.append(Curve(series, question.start_step / per_epoch, per_epoch, "chart--candidate", form))
    if live is not None:
        layers.append(Rule(question.start_step / per_epoch))
    return Chart(layers, 0.0, float(question.epochs), from_zero=True, x_label="epoch")
