"""Arguments of a call in the notation: which parameter each belongs to, and its value."""

from __future__ import annotations

import ast
import difflib
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.schedules.expression import check_expression
from lrtui.schedules.parameter import KIND_TEXT, Parameter
from lrtui.schedules.source import Source
from lrtui.schedules.step_count import is_share
from lrtui.text.format import counted

MAX_LIST_LENGTH = 1000
"""Maximum number of entries of a list."""

_MAX_INTEGER = 10**18

_REMOVED = {
    "verbose": "PyTorch has removed it; leave it out",
    "last_epoch": "lrtui counts the steps itself; leave it out (resuming restores them)",
}

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # a power of integers could fill the memory; a power of floats overflows
    ast.Pow: lambda base, exponent: float(base) ** float(exponent),
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` if a known word is similar, else `; available: ` and the known words."""
    known = list(known)
    lower = {name.lower(): name for name in known}
    word = word.lower()[:60]
    found = difflib.get_close_matches(word, lower, cutoff=0.6)
    if not found:
        return f"; available: {', '.join(known)}"
    # difflib rates swapped letters as far apart: it would choose Adamax for Adma
    return f"; did you mean {lower[max(found, key=lambda name: sorted(name) == sorted(word))]}?"


# -- which parameter --------------------------------------------------------------------------------------------------


def keywords_by_name(source: Source, call: ast.Call) -> dict[str, ast.keyword]:
    """Return a call's keywords by name; `ast` accepts a repeated one, which Python itself refuses.

    Raises:
        NotationError: for a keyword given twice, and for `**`.
    """
    keywords: dict[str, ast.keyword] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            source.refuse("** is not supported; write out the arguments", keyword.value)
        if keyword.arg in keywords:
            source.refuse(f"{keyword.arg[:40]} is given twice", keyword, keyword.arg)
        keywords[keyword.arg] = keyword
    return keywords


def match_arguments(
    source: Source, call: ast.Call, owner: str, parameters: Sequence[Parameter], *, drop_optimizer: bool = False
) -> list[tuple[Parameter, ast.expr]]:
    """Return the parameter that each value of a call belongs to.

    Args:
        drop_optimizer: whether to skip a variable as the first argument, `optimizer` in any place, `optimizer=` and
            `last_epoch=-1`.

    Raises:
        NotationError: for an unknown argument, one given twice, or too many.
    """
    positional = list(call.args)
    keywords = keywords_by_name(source, call)
    if drop_optimizer:
        if positional and isinstance(positional[0], (ast.Name, ast.Attribute)):
            positional.pop(0)
        positional = [node for node in positional if not (isinstance(node, ast.Name) and node.id == "optimizer")]
        keywords.pop("optimizer", None)
        if "last_epoch" in keywords and number_of(keywords["last_epoch"].value) == -1:
            del keywords["last_epoch"]
    for node in positional:
        if isinstance(node, ast.Starred):
            source.refuse("* is not supported; write out the arguments", node)
    if len(positional) > len(parameters):
        source.refuse(f"{owner} takes {counted(len(parameters), 'argument')} at most", positional[len(parameters)])
    by_name = {parameter.name: parameter for parameter in parameters}
    pairs = list(zip(parameters, positional, strict=False))
    taken = {parameter.name for parameter, _ in pairs}
    for name, keyword in keywords.items():
        if name in _REMOVED:
            source.refuse(f"{name}: {_REMOVED[name]}", keyword, name)
        if name not in by_name:
            source.refuse(f"{owner} has no argument {name[:40]}{did_you_mean(name, by_name)}", keyword, name)
        if name in taken:
            source.refuse(f"{name} is given twice", keyword, name)
        pairs.append((by_name[name], keyword.value))
    return pairs


# -- which value ------------------------------------------------------------------------------------------------------


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


def number_of(node: ast.expr) -> int | float | None:
    """Return the number that a node stands for: a literal, or arithmetic of literals such as 1/3 or 10**-3.

    NaN if the arithmetic fails, as in 1/0; None if the node is not a number.
    """
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            inner = number_of(operand)
            return inner if inner is None or isinstance(sign, ast.UAdd) else -inner
        case ast.BinOp() if type(node.op) in _OPERATORS:
            left, right = number_of(node.left), number_of(node.right)
            return None if left is None or right is None else _compute(_OPERATORS[type(node.op)], left, right)
    return None


def _compute(operation: Callable[[Any, Any], Any], left: float, right: float) -> int | float:
    try:
        result = operation(left, right)
    except (ArithmeticError, ValueError):
        return math.nan
    # a root of a negative number is complex
    return math.nan if isinstance(result, complex) else result


def read_number(source: Source, node: ast.expr, parameter: Parameter) -> int | float:
    """Return the number that the node stands for, checked against the parameter's range."""
    value = number_of(node)
    if value is None:
        raise _wrong_type(source, node, parameter)
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        source.refuse(f"{parameter.name} is too large", node, parameter.name)
    if refusal := parameter.refusal(value):
        source.refuse(refusal, node, parameter.name)
    return value


def read_literal(source: Source, node: ast.expr, name: str) -> Any:
    """Return the value of an argument of a user's class: a number, text, True, False, None or a list of these.

    Args:
        name: name of the argument, for messages.

    Raises:
        NotationError: for anything else.
    """
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, (bool, str))):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        if len(node.elts) > MAX_LIST_LENGTH:
            source.refuse(f"{name[:40]} has more than {MAX_LIST_LENGTH} entries", node)
        return tuple(read_literal(source, item, name) for item in node.elts)
    if number_of(node) is None:
        source.refuse(
            f"{name[:40]} takes a number, text, True, False, None or a list of these, not {source.segment(node)}",
            node,
        )
    return read_number(source, node, Parameter(name=name[:40], kind="float", help=""))


def read_list(source: Source, node: ast.expr, parameter: Parameter) -> Sequence[ast.expr]:
    """Return the nodes of a list or tuple.

    Raises:
        NotationError: for anything else, an empty list or one that is too long.
    """
    if not isinstance(node, (ast.List, ast.Tuple)):
        raise _wrong_type(source, node, parameter)
    if not node.elts:
        source.refuse(f"{parameter.name} is empty", node, parameter.name)
    if len(node.elts) > MAX_LIST_LENGTH:
        source.refuse(f"{parameter.name} has more than {MAX_LIST_LENGTH} entries", node, parameter.name)
    return node.elts


def _wrong_type(source: Source, node: ast.expr, parameter: Parameter) -> NotationError:
    kind = KIND_TEXT[parameter.kind]
    # by the first letter: no article for "True or False", "an" for "expression"
    article = {"T": "", "e": "an "}.get(kind[0], "a ")
    return source.fault(f"{parameter.name} takes {article}{kind}, not {source.segment(node)}", node, parameter.name)


def _int(source: Source, node: ast.expr, parameter: Parameter) -> int:
    value = read_number(source, node, parameter)
    if not float(value).is_integer():
        raise _wrong_type(source, node, parameter)
    return int(value)


def _steps(source: Source, node: ast.expr, parameter: Parameter) -> int | float:
    value = read_number(source, node, parameter)
    if is_share(value):
        return value
    # 1.0 could be one step or the whole run
    if not float(value).is_integer() or (isinstance(value, float) and value == 1):
        raise _wrong_type(source, node, parameter)
    return int(value)


def _float(source: Source, node: ast.expr, parameter: Parameter) -> float:
    return float(read_number(source, node, parameter))


def _bool(source: Source, node: ast.expr, parameter: Parameter) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return node.value
    raise _wrong_type(source, node, parameter)


def _choice(source: Source, node: ast.expr, parameter: Parameter) -> str:
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        source.refuse(f"{parameter.name} takes {parameter.range_text}", node, parameter.name)
    if node.value not in parameter.choices:
        source.refuse(f"{parameter.name} takes {parameter.range_text}, not {node.value[:40]!r}", node, parameter.name)
    return node.value


def _ints(source: Source, node: ast.expr, parameter: Parameter) -> tuple[int, ...]:
    return tuple(_int(source, item, parameter) for item in read_list(source, node, parameter))


def _floats(source: Source, node: ast.expr, parameter: Parameter) -> float | tuple[float, ...]:
    if isinstance(node, (ast.List, ast.Tuple)):
        return tuple(_float(source, item, parameter) for item in read_list(source, node, parameter))
    return _float(source, node, parameter)


def _pair(source: Source, node: ast.expr, parameter: Parameter) -> tuple[float | None, ...]:
    items = read_list(source, node, parameter)
    wanted = len(parameter.default)
    if len(items) != wanted:
        source.refuse(f"{parameter.name} takes {counted(wanted, 'number')}, not {len(items)}", node, parameter.name)
    return tuple(
        None
        if parameter.default[index] is None and isinstance(item, ast.Constant) and item.value is None
        else _float(source, item, parameter)
        for index, item in enumerate(items)
    )


def _expressions(source: Source, node: ast.expr, parameter: Parameter) -> str | tuple[str, ...]:
    if isinstance(node, (ast.List, ast.Tuple)):
        return tuple(_expression(source, item, parameter) for item in read_list(source, node, parameter))
    return _expression(source, node, parameter)


def _expression(source: Source, node: ast.expr, parameter: Parameter) -> str:
    if isinstance(node, ast.Lambda):
        text, quote = _lambda_body(source, node, parameter), 0
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text, quote = node.value, 1
    elif number_of(node) is not None:
        text, quote = ast.unparse(node), 0
    else:
        raise _wrong_type(source, node, parameter)
    try:
        check_expression(text)
    except NotationError as error:
        # offsets inside a string without escapes are offsets in the notation
        place = source.offset(node) + (quote + (error.position or 0) if quote else 0)
        raise NotationError(error.message, source.text, place, parameter.name) from None
    return text.strip()


class _LambdaToExpression(ast.NodeTransformer):
    """Rename a lambda's argument to `epoch`, and leave out `math.`."""

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
    return ast.unparse(_LambdaToExpression(names[0].arg).visit(node.body))


_READERS: dict[str, Callable[[Source, Any, Parameter], Any]] = {
    "int": _int,
    "steps": _steps,
    "float": _float,
    "bool": _bool,
    "choice": _choice,
    "ints": _ints,
    "floats": _floats,
    "pair": _pair,
    "expression": _expressions,
}
