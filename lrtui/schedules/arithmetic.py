"""Numbers as scripts write them: literals, signs, and arithmetic of these such as 1/3 or 10**-3, computed by hand."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # whole numbers could grow without end; beyond a float's range they are not wanted anyway
    ast.Pow: lambda base, exponent: float(base) ** float(exponent),
}


def number_of(node: ast.expr) -> int | float | None:
    """Return the number that the node stands for; not a number where it has no value, None where it is none."""
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
    # a root of a negative number
    return math.nan if isinstance(result, complex) else result
