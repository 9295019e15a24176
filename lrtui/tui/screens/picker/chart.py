"""The chosen schedule's curve, drawn onto what the run has done so far and over the candidates that were kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Curve, Form, Layer, Marks, Rule
from lrtui.run.series import Series
from lrtui.run.state import RunState
from lrtui.text.numbers import four_digits
from lrtui.tui.forecast import Answer
from lrtui.tui.screens.picker.candidates import LETTERS, Candidate, Candidates

CANDIDATE_STYLES = ("chart--line-3", "chart--line-4", "chart--line-5", "chart--line-7")
"""Colours of the candidates by place: neither that of the past nor that of the schedule that is being chosen."""

SIGNS_A_CURVE = 3
"""How often a candidate's letter stands on its curve."""


def candidate_figure(lrs: NDArray[np.float64]) -> str:
    """Return the candidate's highest and last lr."""
    if not len(lrs):
        return "nothing remains of the run"
    return f"peak {four_digits(float(lrs.max()))}  end {four_digits(float(lrs[-1, 0]))}"


def candidate_chart(answer: Answer, live: RunState | None, candidates: Candidates) -> Chart:
    """Return the whole run's lr: solid what was, dashed what the schedule would make of the rest.

    Before a run nothing is past, and the schedule's own curve is solid; the candidates' are dashed throughout, with
    their letters on them.

    Args:
        answer: with a curve, shape (steps that remain, parameter groups).
        live: the run that would be switched, or None.
        candidates: those that were kept.
    """
    question = answer.question
    per_epoch = question.batches_per_epoch
    layers: list[Layer] = []
    if live is not None and len(live.loss):
        start = live.first_step / per_epoch
        layers += [Curve(series, start, per_epoch, "chart--line-1") for series in live.lrs]
    for candidate in candidates:
        style = CANDIDATE_STYLES[candidate.place]
        if candidate.answer.question != question:
            layers += _curves(candidate.answer, style, "dashed")
        layers.append(_letters(candidate, style))
    layers += _curves(answer, "chart--candidate", "line" if live is None else "dashed")
    if live is not None:
        layers.append(Rule(question.start_step / per_epoch))
    return Chart(layers, 0.0, float(question.epochs), from_zero=True, x_label="epoch")


def _curves(answer: Answer, style: str, form: Form) -> list[Layer]:
    if answer.lrs is None:
        return []
    question = answer.question
    per_epoch = question.batches_per_epoch
    start = question.start_step / per_epoch
    groups = range(answer.lrs.shape[1])
    return [
        Curve(Series(np.ascontiguousarray(answer.lrs[:, group])), start, per_epoch, style, form) for group in groups
    ]


def _letters(candidate: Candidate, style: str) -> Marks:
    """Return the candidate's letter at a few steps of its curve, each letter's beside those of the others."""
    lrs, question = candidate.answer.lrs, candidate.answer.question
    if lrs is None or not len(lrs):
        return Marks([], [], style, candidate.letter)
    shares = (np.arange(SIGNS_A_CURVE) + (candidate.place + 1) / (len(LETTERS) + 1)) / SIGNS_A_CURVE
    steps = (shares * len(lrs)).astype(int)
    xs = (question.start_step + steps) / question.batches_per_epoch
    return Marks(xs.tolist(), lrs[steps, 0].tolist(), style, candidate.letter)
