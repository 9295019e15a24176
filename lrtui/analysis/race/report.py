"""A standing as a table, as text, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.standing import Placing, Standing, Unranked
from lrtui.analysis.race.verdict import interval_text, notes, signed, summary
from lrtui.run.evaluations import metric_of
from lrtui.run.event_json import plain
from lrtui.text.format import MISSING, counted, duration, figure, printable
from lrtui.text.table import Heading, table_lines

BASELINE = "baseline"
"""Shown as the verdict of the schedule that the others are compared with."""


def headings(standing: Standing) -> list[Heading]:
    """Return the columns that have values in this standing."""
    several = len(standing.seeds) > 1
    columns = [Heading("#", "."), Heading("schedule"), Heading(standing.metric, ".")]
    if several:
        columns.append(Heading("sd", "."))
    if len(standing.placings) > 1:
        columns.append(Heading("difference", "."))
        if several:
            columns += [Heading("95 % interval"), Heading("verdict")]
    target = "" if standing.target is None else figure(standing.target)
    columns += [Heading(f"steps to {target}", "."), Heading("time", " "), Heading("# by steps", ".")]
    return columns


def rows(standing: Standing) -> list[list[str]]:
    """Return a row for each ranked entrant, the best first."""
    return [_row(standing, placing) for placing in standing.placings]


def _row(standing: Standing, placing: Placing) -> list[str]:
    several, difference = len(standing.seeds) > 1, placing.difference
    row = [str(placing.rank), placing.label, figure(placing.mean)]
    if several:
        row.append(figure(placing.deviation))
    if len(standing.placings) > 1:
        # with several seeds the verdict column marks the baseline
        row.append(signed(difference.mean) if difference else MISSING if several else BASELINE)
        if several:
            row += [interval_text(difference), difference.verdict] if difference else ["", BASELINE]
    if placing.reached is None:
        return [*row, f"{placing.reached_seeds} of {len(standing.seeds)} seeds", MISSING, MISSING]
    return [*row, f"{placing.reached.steps:,.0f}", duration(placing.reached.seconds), str(placing.time_rank)]


def standing_lines(standing: Standing, width: int | None = None) -> list[str]:
    """Return the table, the schedules that are not ranked, and a summary.

    Args:
        width: maximum width of the table in columns, or None.
    """
    lines = [_title(standing), ""]
    if standing.placings:
        cells = [[printable(cell) for cell in row] for row in rows(standing)]
        lines += [*table_lines(headings(standing), cells, width, {"schedule": 16}), ""]
    for unranked in standing.unranked:
        lines.append(f"not ranked: {printable(unranked.label)}, {unranked.why} at step {unranked.step:,}")
        lines.append(f"  {printable(unranked.text)}")
    if standing.unranked:
        lines.append("")
    lines += [printable(line) for line in summary(standing)]
    lines += [printable(f"warning: {line}") for line in standing.warnings]
    return [*lines, "", *(printable(line) for line in notes(standing))]


def standing_markdown(standing: Standing) -> list[str]:
    """Return the standing as Markdown."""
    lines = [f"### {_escaped(_title(standing))}", ""]
    if standing.placings:
        columns = headings(standing)
        lines.append(f"| {' | '.join(_escaped(heading.text) for heading in columns)} |")
        lines.append(f"| {' | '.join('---:' if heading.at else '---' for heading in columns)} |")
        lines += [f"| {' | '.join(_cells(row))} |" for row in rows(standing)]
        lines.append("")
    for unranked in standing.unranked:
        lines.append(
            f"- {_code(unranked.label)} is not ranked: {unranked.why} at step {unranked.step:,}, "
            f"{_escaped(unranked.text)}"
        )
    if standing.unranked:
        lines.append("")
    lines += [f"{_escaped(line)}  " for line in summary(standing)]
    lines += [f"**Warning**: {_escaped(line)}  " for line in standing.warnings]
    return [*lines, "", *(f"- {_escaped(line)}" for line in notes(standing))]


def _title(standing: Standing) -> str:
    plan, spec = standing.plan, standing.plan.common
    text = f"{counted(len(plan.entrants), 'schedule')}, {counted(len(plan.seeds), 'seed')}"
    return f"{plan.title}: {text}, {spec.task}, {spec.optimizer}, {counted(spec.epochs, 'epoch')}"


def _cells(row: list[str]) -> list[str]:
    rank, label, *rest = row
    return [rank, _code(label), *map(_escaped, rest)]


def _code(text: str) -> str:
    # in a table a | ends the cell, even between backticks
    return f"`{printable(text)}`".replace("|", r"\|")


def _escaped(text: str) -> str:
    """Return the text escaped for Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_|<>" else sign for sign in printable(text))


def standing_records(standing: Standing, results: Sequence[CellResult]) -> Iterator[dict[str, Any]]:
    """Yield plain JSON values with a "record" of `run` for each run, `schedule` for each schedule, then `race`."""
    for result in results:
        yield _run_record(standing, result)
    for placing in standing.placings:
        yield _schedule_record(standing, placing)
    for unranked in standing.unranked:
        yield _unranked_record(standing, unranked)
    plan = standing.plan
    yield {
        "record": "race",
        "race": plan.number,
        "name": plan.common.name,
        "whole": standing.is_whole,
        "metric": standing.metric,
        "seeds": list(standing.seeds),
        "seeds_planned": list(plan.seeds),
        "epoch": standing.epoch,
        "step": standing.step,
        "target": standing.target,
        "reference": None if standing.reference is None else plan.entrants[standing.reference].label,
        "winner": standing.placings[0].label if standing.placings else None,
        "lead": plain(standing.lead),
        "verdict": " ".join(summary(standing)),
        "warnings": list(standing.warnings),
        "notes": notes(standing),
    }


def _run_record(standing: Standing, result: CellResult) -> dict[str, Any]:
    tests = [
        {
            "epoch": epoch,
            "step": test.step,
            "seconds": test.seconds,
            standing.metric: plain(metric_of(test, standing.metric)),
            "loss": plain(test.loss),
        }
        for epoch, test in sorted(result.tests.items())
    ]
    return {
        "record": "run",
        **_entrant(standing, result.cell.entrant),
        "seed": result.cell.seed,
        "run": result.run,
        "state": result.state,
        "step": result.step,
        "tests": tests,
    }


def _schedule_record(standing: Standing, placing: Placing) -> dict[str, Any]:
    return {
        "record": "schedule",
        **_entrant(standing, placing.entrant),
        "state": "ranked",
        "rank": placing.rank,
        "mean": placing.mean,
        "deviation": placing.deviation,
        "values": {str(seed): value for seed, value in placing.values.items()},
        "difference": plain(placing.difference),
        "verdict": None if placing.difference is None else placing.difference.verdict,
        "rank_to_target": placing.time_rank,
        "steps_to_target": None if placing.reached is None else placing.reached.steps,
        "seconds_to_target": None if placing.reached is None else placing.reached.seconds,
        "seeds_that_reached_target": placing.reached_seeds,
    }


def _unranked_record(standing: Standing, unranked: Unranked) -> dict[str, Any]:
    return {
        "record": "schedule",
        **_entrant(standing, unranked.entrant),
        "state": unranked.why,
        "rank": None,
        "step": unranked.step,
        "reason": unranked.text,
    }


def _entrant(standing: Standing, index: int) -> dict[str, Any]:
    entrant = standing.plan.entrants[index]
    return {"label": entrant.label, "schedule": entrant.schedule, "optimizer": entrant.optimizer}
