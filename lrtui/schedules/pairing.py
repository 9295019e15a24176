"""Which argument each value of a call belongs to."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from lrtui.schedules.arithmetic import number_of
from lrtui.schedules.parameter import Parameter
from lrtui.schedules.reading import near
from lrtui.schedules.source import Source

_GONE = {
    "verbose": "PyTorch has removed it; leave it out",
    "last_epoch": "lrtui counts the steps itself; leave it out (resuming restores them)",
}


def by_keyword(source: Source, call: ast.Call) -> dict[str, ast.keyword]:
    """Return a call's keywords by name; `ast` lets one be repeated, which Python itself refuses.

    Raises:
        NotationError: for a keyword given twice, and for `**`.
    """
    keywords: dict[str, ast.keyword] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            source.refuse("** is not read; write the arguments out", keyword.value)
        if keyword.arg in keywords:
            source.refuse(f"{keyword.arg[:40]} is given twice", keyword, keyword.arg)
        keywords[keyword.arg] = keyword
    return keywords


def pair_up(
    source: Source, call: ast.Call, owner: str, parameters: Sequence[Parameter], *, drop_optimizer: bool = False
) -> list[tuple[Parameter, ast.expr]]:
    """Return which argument each value of a call belongs to, positional ones by their place.

    Args:
        drop_optimizer: whether a name in the first place, `optimizer` in any other, `optimizer=` and `last_epoch=-1`
            are read over.

    Raises:
        NotationError: for an unknown argument, one given twice, or too many.
    """
    positional = list(call.args)
    keywords = by_keyword(source, call)
    if drop_optimizer:
        if positional and isinstance(positional[0], (ast.Name, ast.Attribute)):
            positional.pop(0)
        positional = [node for node in positional if not (isinstance(node, ast.Name) and node.id == "optimizer")]
        keywords.pop("optimizer", None)
        if "last_epoch" in keywords and number_of(keywords["last_epoch"].value) == -1:
            del keywords["last_epoch"]
    for node in positional:
        if isinstance(node, ast.Starred):
            source.refuse("* is not read; write the arguments out", node)
    if len(positional) > len(parameters):
        source.refuse(f"{owner} takes {len(parameters)} arguments at most", positional[len(parameters)])
    by_name = {parameter.name: parameter for parameter in parameters}
    pairs = list(zip(parameters, positional, strict=False))
    taken = {parameter.name for parameter, _ in pairs}
    for name, keyword in keywords.items():
        if name in _GONE:
            source.refuse(f"{name}: {_GONE[name]}", keyword, name)
        if name not in by_name:
            source.refuse(f"{owner} has no argument {name[:40]}{near(name, by_name)}", keyword, name)
        if name in taken:
            source.refuse(f"{name} is given twice", keyword, name)
        pairs.append((by_name[name], keyword.value))
    return pairs
