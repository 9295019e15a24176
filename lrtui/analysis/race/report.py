"""A race's standing in lines of text, and as Markdown."""

from __future__ import annotations

from lrtui.analysis.race.standing import Standing
from lrtui.analysis.race.standing_table import headings, rows
from lrtui.analysis.race.verdict import notes, summary
from lrtui.text.format import counted, printable
from lrtui.text.table import table_lines


def standing_lines(standing: Standing, width: int | None = None) -> list[str]:
    """Return the table, who is out of it, and what it says.

    Args:
        width: that the table fits into; None for any.
    """
    lines = [_title(standing), ""]
    if standing.placings:
        cells = [[printable(cell) for cell in row] for row in rows(standing)]
        lines += [*table_lines(headings(standing), cells, width, {"schedule": 16}), ""]
    for absent in standing.absent:
        lines.append(f"{absent.why} at step {absent.step:,}, not ranked: {printable(absent.label)}")
        lines.append(f"  {printable(absent.words)}")
    if standing.absent:
        lines.append("")
    lines += [printable(line) for line in summary(standing)]
    lines += [printable(f"warning: {line}") for line in standing.warnings]
    return [*lines, "", *(printable(line) for line in notes(standing))]


def standing_markdown(standing: Standing) -> list[str]:
    """Return the same as Markdown."""
    lines = [f"### {_escaped(_title(standing))}", ""]
    if standing.placings:
        columns = headings(standing)
        lines.append(f"| {' | '.join(_escaped(heading.text) for heading in columns)} |")
        lines.append(f"| {' | '.join('---:' if heading.at else '---' for heading in columns)} |")
        lines += [f"| {' | '.join(_cells(row))} |" for row in rows(standing)]
        lines.append("")
    for absent in standing.absent:
        lines.append(
            f"- {absent.why} at step {absent.step:,}, not ranked: {_code(absent.label)}, {_escaped(absent.words)}"
        )
    if standing.absent:
        lines.append("")
    lines += [f"{_escaped(line)}  " for line in summary(standing)]
    lines += [f"**Warning**: {_escaped(line)}  " for line in standing.warnings]
    return [*lines, "", *(f"- {_escaped(line)}" for line in notes(standing))]


def _title(standing: Standing) -> str:
    plan, spec = standing.plan, standing.plan.common
    words = f"{counted(len(plan.entrants), 'schedule')}, {counted(len(plan.seeds), 'seed')}"
    return f"{plan.title}: {words}, {spec.task}, {spec.optimizer}, {counted(spec.epochs, 'epoch')}"


def _cells(row: list[str]) -> list[str]:
    rank, label, *rest = row
    return [rank, _code(label), *map(_escaped, rest)]


def _code(text: str) -> str:
    # in a table a | ends the cell even between backticks
    return f"`{printable(text)}`".replace("|", r"\|")


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return "".join(f"\\{sign}" if sign in "\\`*_|<>" else sign for sign in printable(text))
