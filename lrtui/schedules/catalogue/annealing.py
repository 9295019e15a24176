"""Schedulers that follow half a cosine."""

from __future__ import annotations

import math

from lrtui.run.spec import MAX_COUNT
from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, always
from lrtui.schedules.parameter import Parameter, count

SHORTEST_CYCLE = 4
"""Minimum `step()` calls of a cycle between restarts; in a shorter one the lr does not come down."""

MAX_CYCLES = 64
"""Largest number of cycles that is tried when restarts are fitted to a run."""

ETA_MIN = Parameter(name="eta_min", kind="float", help="the lowest lr", default=0.0, minimum=0, lr="floor")


def _fit_cosine(arguments: Arguments, calls: int) -> Arguments:
    return {"T_max": None}


def _cosine_factor(arguments: Arguments, calls: int) -> str | None:
    length = arguments["T_max"]
    # after T_max the lr rises again, by another formula
    if arguments["eta_min"] != 0 or length < calls - 1:
        return None
    return f"0.5 * (1 + cos(pi * epoch / {length}))"


def _fit_restarts(arguments: Arguments, calls: int) -> Arguments:
    """Choose, of the cycle lengths with which the last cycle ends with the run, the one nearest to the given one."""
    growth, wanted = arguments["T_mult"], arguments["T_0"]
    lengths = []
    cycles, total = 1, 1
    while total <= calls and cycles <= min(calls, MAX_CYCLES):
        length = -(-calls // total)
        last_length = growth ** (cycles - 1) * length
        # the run may cut off a twentieth of its last cycle
        if length >= min(SHORTEST_CYCLE, calls) and total * length - calls < max(1, 0.05 * last_length):
            lengths.append(length)
        cycles, total = cycles + 1, total + growth**cycles
    if not lengths:
        return {"T_0": calls, "T_mult": None}
    return {"T_0": min(lengths, key=lambda length: abs(math.log(length / wanted)))}


def _restarts_factor(arguments: Arguments, calls: int) -> str | None:
    length = arguments["T_0"]
    if arguments["eta_min"] != 0 or arguments["T_mult"] != 1:
        return None
    return f"0.5 * (1 + cos(pi * (epoch % {length}) / {length}))"


SCHEDULERS = (
    SchedulerEntry(
        name="CosineAnnealingLR",
        short_name="Cosine",
        summary="half a cosine down to eta_min over T_max steps",
        family="curve",
        unit="epoch",
        parameters=(
            count("T_max", "steps to the lowest lr; default: the remaining steps", "length"),
            ETA_MIN,
        ),
        fills={"T_max": "the remaining step() calls"},
        notes=("After T_max steps the lr rises again.",),
        example="CosineAnnealingLR()",
        length_argument="T_max",
        lowers=always,
        fit=_fit_cosine,
        factor=_cosine_factor,
    ),
    SchedulerEntry(
        name="CosineAnnealingWarmRestarts",
        short_name="CosineRestarts",
        summary="cosines down to eta_min with restarts, the first after T_0 steps",
        family="curve",
        unit="epoch",
        parameters=(
            count("T_0", "steps until the first restart", "period"),
            Parameter(
                name="T_mult",
                kind="int",
                help="factor by which each cycle is longer than the last",
                default=1,
                minimum=1,
                maximum=MAX_COUNT,
            ),
            ETA_MIN,
        ),
        notes=("At whole steps eta_min is never quite reached.",),
        example="CosineAnnealingWarmRestarts(T_0=5)",
        recomputes=True,
        restarts=True,
        fit=_fit_restarts,
        factor=_restarts_factor,
    ),
)
