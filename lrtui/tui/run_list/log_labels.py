"""What runs of logs are called in the list: the part of their paths in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lrtui.run.source import RunId
from lrtui.text.format import cut, cut_start, printable, width_of


def log_labels(runs: Iterable[RunId]) -> dict[RunId, str]:
    """Return the runs' paths without the folders that all of them are in; of a single run, its key."""
    ids = list(runs)
    if len(ids) < 2:
        return {run: printable(str(run.key)) for run in ids}
    paths = {run: f"{run.source}/{run.key}".split("/") for run in ids}
    # the file or folder itself is always named
    common = min(_common_start(list(paths.values())), min(map(len, paths.values())) - 1)
    return {run: printable("/".join(parts[common:])) for run, parts in paths.items()}


def _common_start(paths: Sequence[list[str]]) -> int:
    """Return how many parts all paths have in common at the start."""
    first, last = min(paths), max(paths)
    return next((place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))


def fitted_labels(labels: Mapping[RunId, str], width: int) -> dict[RunId, str]:
    """Return the labels in at most `width` columns.

    The start of a long one is left out; its middle, if others end like it.
    """
    fitted = {run: cut_start(label, width) for run, label in labels.items()}
    count: dict[str, int] = {}
    for label in fitted.values():
        count[label] = count.get(label, 0) + 1
    return {run: label if count[label] == 1 else cut_middle(labels[run], width) for run, label in fitted.items()}


def cut_middle(text: str, width: int) -> str:
    """Return the start and the end of a text that fit the width, with an ellipsis for the rest."""
    if width_of(text) <= width:
        return text
    start = cut(text, max(1, width // 3))[:-1]
    return start + cut_start(text, width - width_of(start))
