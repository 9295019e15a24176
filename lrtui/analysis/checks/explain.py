"""A page on each trap: what happens, why, and what to write in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lrtui.run.errors import UsageError
from lrtui.schedules.arguments import did_you_mean


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to know of a trap.

    Args:
        title: one line.
        text: the page, a paragraph a line; lines that are set in are notation and figures of an example.
    """

    title: str
    text: str


@cache
def pages() -> Mapping[str, Page]:
    """Return every page by the trap's code, in the order of the file."""
    found: dict[str, Page] = {}
    for part in files("lrtui.analysis.checks").joinpath("pages.txt").read_text(encoding="utf-8").split("\n# "):
        head, _, text = part.removeprefix("# ").partition("\n")
        code, _, title = head.partition(": ")
        found[code] = Page(title, text.strip())
    return found


def explain(code: str) -> str:
    """Return the page on a trap.

    Raises:
        UsageError: for a code that there is not; names those there are.
    """
    page = pages().get(code)
    if page is None:
        raise UsageError(f"there is no finding {code[:40]!r}{did_you_mean(code, pages())}")
    return f"{page.title[:1].upper()}{page.title[1:]}.\n{page.text}"
