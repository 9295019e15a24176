"""From a node of the syntax tree to an argument's value, by what the catalogue declares of it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.schedules.arithmetic import number_of
from lrtui.schedules.expression import check_expression
from lrtui.schedules.parameter import KIND_WORDS, Parameter
from lrtui.schedules.source import Source

LONGEST_LIST = 1000
"""Entries of one list."""

_LARGEST = 10**18


def near(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` where a known word is near, else the known words."""
    known = list(known)
    lower = {name.lower(): name for name in known}
    word = word.lower()[:60]
    found = difflib.get_close_matches(word, lower, cutoff=0.6)
    if not found:
        return f"; there are {', '.join(known)}"
    # difflib takes Adma for Adamax: for it swapped letters are far apart
    return f"; did you mean {lower[max(found, key=lambda name: sorted(name) == sorted(word))]}?"


def read_value(source: Source, node: ast.expr, parameter: Parameter) -> Any:
    """Return the argument's value; lists become tuples.

    Raises:
        NotationError: for a value of the wrong type or out of range, pointing at it.
    """
    if parameter.optional and isinstance(node, ast.Constant) and node.value is None:
        return None
    try:
        return _READERS[parameter.kind](source, node, parameter)
    except NotationError as error:
        error.field = error.field or parameter.name
        raise


def _wrong(source: Source, node: ast.expr, parameter: Parameter) -> NotationError:
    words = f"{parameter.name} takes {KIND_WORDS[parameter.kind]}, not {source.segment(node)}"
    return source.fault(words, node, parameter.name)


def read_number(source: Source, node: ast.expr, parameter: Parameter) -> int | float:
    """Return the number that the node stands for: a literal, or arithmetic of literals such as 1/3."""
    value = number_of(node)
    if value is None:
        raise _wrong(source, node, parameter)
    if isinstance(value, int) and abs(value) > _LARGEST:
        source.refuse(f"{parameter.name} is larger than anything can be counted to", node, parameter.name)
    if refusal := parameter.refusal(value):
        source.refuse(refusal, node, parameter.name)
    return value


def _whole(source: Source, node: ast.expr, parameter: Parameter) -> int:
    value = read_number(source, node, parameter)
    if not float(value).is_integer():
        raise _wrong(source, node, parameter)
    return int(value)


def _float(source: Source, node: ast.expr, parameter: Parameter) -> float:
    return float(read_number(source, node, parameter))


def _bool(source: Source, node: ast.expr, parameter: Parameter) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return node.value
    raise _wrong(source, node, parameter)


def _choice(source: Source, node: ast.expr, parameter: Parameter) -> str:
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        source.refuse(f"{parameter.name} takes {parameter.range_words}", node, parameter.name)
    if node.value not in parameter.choices:
        source.refuse(f"{parameter.name} takes {parameter.range_words}, not {node.value[:40]!r}", node, parameter.name)
    return node.value


def entries(source: Source, node: ast.expr, parameter: Parameter) -> Sequence[ast.expr]:
    """Return the nodes of a list or tuple.

    Raises:
        NotationError: for anything else, an empty list or one that is too long.
    """
    if not isinstance(node, (ast.List, ast.Tuple)):
        raise _wrong(source, node, parameter)
    if not node.elts:
        source.refuse(f"{parameter.name} is empty", node, parameter.name)
    if len(node.elts) > LONGEST_LIST:
        source.refuse(f"{parameter.name} has more than {LONGEST_LIST} entries", node, parameter.name)
    return node.elts


def _ints(source: Source, node: ast.expr, parameter: Parameter) -> tuple[int, ...]:
    return tuple(_whole(source, item, parameter) for item in entries(source, node, parameter))


def _floats(source: Source, node: ast.expr, parameter: Parameter) -> float | tuple[float, ...]:
    if isinstance(node, (ast.List, ast.Tuple)):
        return tuple(_float(source, item, parameter) for item in entries(source, node, parameter))
    return _float(source, node, parameter)


def _pair(source: Source, node: ast.expr, parameter: Parameter) -> tuple[float | None, ...]:
    items = entries(source, node, parameter)
    wanted = len(parameter.default)
    if len(items) != wanted:
        source.refuse(f"{parameter.name} takes {wanted} numbers, not {len(items)}", node, parameter.name)
    return tuple(
        None
        if parameter.default[index] is None and isinstance(item, ast.Constant) and item.value is None
        else _float(source, item, parameter)
        for index, item in enumerate(items)
    )


def _expression(source: Source, node: ast.expr, parameter: Parameter) -> str | tuple[str, ...]:
    if isinstance(node, (ast.List, ast.Tuple)):
        return tuple(_one_expression(source, item, parameter) for item in entries(source, node, parameter))
    return _one_expression(source, node, parameter)


def _one_expression(source: Source, node: ast.expr, parameter: Parameter) -> str:
    # a bare number is the shortest of expressions
    if isinstance(node, ast.Lambda):
        text, inside = _lambda_body(source, node, parameter), 0
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text, inside = node.value, 1
    elif number_of(node) is not None:
        text, inside = ast.unparse(node), 0
    else:
        raise _wrong(source, node, parameter)
    try:
        check_expression(text)
    except NotationError as error:
        # a string's own characters are where they are in the text, unless it has escapes
        place = source.offset(node) + inside + (error.position or 0 if inside else 0)
        raise NotationError(error.message, source.text, place, parameter.name) from None
    return text.strip()


class _Plain(ast.NodeTransformer):
    """A lambda's body as an expression: its argument is called epoch, and `math.` is left out."""

    def __init__(self, argument: str) -> None:
        self._argument = argument

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.copy_location(ast.Name("epoch", ast.Load()), node) if node.id == self._argument else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id in ("math", "np", "numpy"):
            return ast.copy_location(ast.Name(node.attr, ast.Load()), node)
        return node


def _lambda_body(source: Source, node: ast.Lambda, parameter: Parameter) -> str:
    arguments = node.args
    names = [*arguments.posonlyargs, *arguments.args]
    if len(names) != 1 or arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults:
        source.refuse(f"{parameter.name} takes a lambda of one argument, the epoch", node, parameter.name)
    return ast.unparse(_Plain(names[0].arg).visit(node.body))


_READERS: dict[str, Callable[[Source, Any, Parameter], Any]] = {
    "int": _whole,
    "float": _float,
    "bool": _bool,
    "choice": _choice,
    "ints": _ints,
    "floats": _floats,
    "pair": _pair,
    "expression": _expression,
}
