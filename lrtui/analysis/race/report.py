"""A standing as text, as Markdown and as JSON: the table, the verdict in sentences, and the notes that explain them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.significance import Difference
from lrtui.analysis.race.standing import Placing, Standing, Unranked
from lrtui.analysis.race.stopping import REFERENCE, RULE
from lrtui.run.evaluations import metric_of
from lrtui.run.event_json import plain
from lrtui.text.format import MISSING, counted, duration, figure, printable, wrapped
from lrtui.text.table import Heading, table_lines

BASELINE = "baseline"
"""Shown as the verdict of the schedule that the others are compared with."""

MAX_NAMED = 4
"""Number of unfinished schedules that the summary names."""


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
    if standing.plan.target is not None:
        columns += [
            Heading(f"steps to {figure(standing.plan.target)}", "."),
            Heading("time", " "),
            Heading("# by steps", "."),
        ]
    return columns


def removable_columns(standing: Standing) -> list[str]:
    """Return the columns of the table that a narrow terminal does without, the first ones first."""
    target = [] if standing.plan.target is None else ["# by steps", "time", f"steps to {figure(standing.plan.target)}"]
    return [*target, "sd", "95 % interval", "difference"]


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
    if standing.plan.target is None:
        return row
    if placing.reached is None:
        return [*row, f"{placing.reached_seeds} of {counted(len(standing.seeds), 'seed')}", MISSING, MISSING]
    return [*row, f"{placing.reached.steps:,.0f}", duration(placing.reached.seconds), str(placing.time_rank)]


def standing_lines(standing: Standing, width: int | None = None) -> list[str]:
    """Return the table, the schedules that are not ranked, a summary, and the notes.

    Args:
        width: maximum width of the lines in columns, or None.
    """
    return [*(line for _, line in result_lines(standing, width)), "", *note_lines(standing, width)]


def result_lines(standing: Standing, width: int | None = None) -> list[tuple[int | None, str]]:
    """Return the lines above the notes, each with the entrant whose row it is, or None."""
    lines: list[tuple[int | None, str]] = [(None, line) for line in wrapped(printable(_title(standing)), width)]
    lines.append((None, ""))
    if standing.placings:
        cells = [[printable(cell) for cell in row] for row in rows(standing)]
        table = table_lines(headings(standing), cells, width, {"schedule": 16}, removable_columns(standing))
        entrants = [placing.entrant for placing in standing.placings]
        lines += [*zip([None, *entrants], table, strict=True), (None, "")]
    prose: list[tuple[int | None, str]] = []
    for unranked in standing.unranked:
        prose.append((unranked.entrant, f"not ranked: {unranked.label}, {unranked.why} at step {unranked.step:,}"))
        prose.append((None, f"  {unranked.text}"))
    if standing.unranked:
        prose.append((None, ""))
    prose += [(None, line) for line in summary(standing)]
    prose += [(None, f"warning: {line}") for line in standing.warnings]
    for entrant, line in prose:
        first, *others = wrapped(printable(line), width)
        lines += [(entrant, first), *((None, other) for other in others)]
    return lines


def note_lines(standing: Standing, width: int | None = None) -> list[str]:
    """Return the notes that explain the table, in lines."""
    return [part for line in notes(standing) for part in wrapped(printable(line), width)]


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
    return f"{plan.title}: {text}, {spec.task}, {spec.optimizer}, {spec.length}"


def _cells(row: list[str]) -> list[str]:
    rank, label, *rest = row
    return [rank, _code(label), *map(_escaped, rest)]


def _code(text: str) -> str:
    # in a table a | ends the cell, even between backticks
    return f"`{printable(text)}`".replace("|", r"\|")


def _escaped(text: str) -> str:
    """Return the text escaped for Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_|<>" else sign for sign in printable(text))


# -- verdict and notes -------------------------------------------------------------------------------------------------


def signed(value: float) -> str:
    """Return a difference with its sign: `+0.0021`."""
    return f"{value:+.4f}" if abs(value) < 1e5 else f"{value:+.4g}"


def interval_text(difference: Difference) -> str:
    """Return a confidence interval in brackets, or an empty string with one seed."""
    if difference.low is None or difference.high is None:
        return ""
    return f"[{signed(difference.low)}, {signed(difference.high)}]"


def summary(standing: Standing) -> list[str]:
    """Return which schedule leads, by how much, whether that is more than noise, and who may still come first."""
    if not standing.placings:
        if standing.unfinished:
            return ["no schedule is ranked yet: no seed is done with all schedules, and no schedule with all seeds"]
        return ["no schedule is ranked: each was stopped, diverged or failed"]
    first = standing.placings[0]
    mean = f"a mean {standing.metric}" if len(standing.seeds) > 1 else f"{standing.metric}"
    rank = "first" if standing.is_whole else "first so far"
    text = f"{rank}: {first.label}, {mean} of {figure(first.mean)} after {counted(standing.step, 'step')}"
    if standing.lead is None:
        lines = [f"{text}; no other schedule is ranked{'' if standing.is_whole else ' yet'}"]
    else:
        lines = [text, _lead_text(standing.lead, standing.placings[1], len(standing.placings))]
    if standing.unfinished:
        lines.append(f"unfinished: {_unfinished_text(standing)}; the order may change")
    return lines


def _unfinished_text(standing: Standing) -> str:
    labels = [standing.plan.entrants[index].label for index in standing.unfinished]
    texts = [
        f"{label} ({done} of {counted(len(standing.plan.seeds), 'seed')} done)"
        for label, done in zip(labels, standing.unfinished.values(), strict=True)
    ]
    more = len(texts) - MAX_NAMED
    return ", ".join(texts[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _lead_text(lead: Difference, second: Placing, ranked: int) -> str:
    ahead = f"ahead of {second.label} by {figure(abs(lead.mean))}"
    if lead.verdict == "one seed":
        return f"{ahead}; with one seed the order may be due to chance; a race with 5 seeds shows more"
    corrected = f", Bonferroni correction for {lead.comparisons} pairs of schedules" if ranked > 2 else ""
    beyond = "within noise" if lead.verdict == "within noise" else "beyond noise"
    return f"{ahead}, {interval_text(lead)}: {beyond} ({counted(lead.seeds, 'seed')}{corrected})"


def notes(standing: Standing) -> list[str]:
    """Return the notes that explain the table."""
    lines = []
    if standing.placings:
        lines.append(
            f"{standing.metric}: from the test after {counted(standing.step, 'step')} (epoch {standing.epoch}); "
            + ("mean over " if len(standing.seeds) > 1 else "")
            + f"{counted(len(standing.seeds), 'seed')}, {_seeds_text(standing.seeds)}; with the same seed all "
            "schedules have the same initial weights and data order"
        )
        lines.append(standing.data_text)
    lines += _difference_notes(standing)
    if standing.plan.target is not None:
        bound = "least" if standing.objective.higher else "most"
        lines.append(
            f"to {figure(standing.plan.target)}: mean steps and training time until the test {standing.metric} at the "
            f"end of an epoch was at {bound} {figure(standing.plan.target)}; "
            "ranked by steps, since seconds depend on the load of the machine"
        )
    if standing.placings and len(standing.seeds) < len(standing.plan.seeds):
        lines.append(
            f"the race is not finished: {len(standing.seeds)} of {counted(len(standing.plan.seeds), 'seed')} "
            "are included"
        )
    if any(unranked.why == "stopped" for unranked in standing.unranked):
        lines.append(f"stopping rule: {RULE}")
    return lines


def _seeds_text(seeds: tuple[int, ...]) -> str:
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _difference_notes(standing: Standing) -> list[str]:
    differences = [placing.difference for placing in standing.placings if placing.difference is not None]
    if not differences:
        return []
    assert standing.reference is not None
    label, any_one = standing.plan.entrants[standing.reference].label, differences[0]
    who = "the first schedule given" if standing.reference == REFERENCE else "the leader, since the first is not ranked"
    if any_one.low is None:
        return [f"difference from {label}, {who}; with one seed there is no interval and no verdict"]
    together = f"; Bonferroni correction for {any_one.comparisons} intervals" if any_one.comparisons > 1 else ""
    return [
        f"difference from {label}, {who}, paired over the seeds, with its 95 % interval by Student's t{together}; "
        '"better" and "worse" mean that the interval excludes 0'
    ]


# -- JSON --------------------------------------------------------------------------------------------------------------


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
        "leader": standing.placings[0].label if standing.placings else None,
        "winner": standing.placings[0].label if standing.placings and standing.is_whole else None,
        "unfinished": [
            {"label": plan.entrants[index].label, "seeds_done": done} for index, done in standing.unfinished.items()
        ],
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
