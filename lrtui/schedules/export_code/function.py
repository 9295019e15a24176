"""An expression as Python's own lambda, computing the same to the last bit."""

from __future__ import annotations

import ast

from lrtui.schedules.expression import VARIABLES, check_expression

_BUILTIN = ("min", "max", "abs")


def lambda_text(expression: str) -> str:
    """Return the expression as a lambda: `0.95 ** epoch` is `lambda epoch: 0.95**epoch`.

    Expressions multiply and raise to powers in floats, whatever their numbers are; Python does so where one of the two
    is a float, so that whole numbers are written as floats where it matters.

    Args:
        expression: one that `check_expression` takes.
    """
    tree = check_expression(expression)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    epoch, step = VARIABLES
    argument = step if step in names and epoch not in names else epoch
    body, _ = _translate(tree, argument)
    return f"lambda {argument}: {ast.unparse(body)}"


def needs_math(expression: str) -> bool:
    """Say whether the lambda uses the module math."""
    tree = check_expression(expression)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return bool(used.difference(_BUILTIN, VARIABLES))


def _translate(node: ast.expr, argument: str) -> tuple[ast.expr, bool]:
    """Return the node in plain Python, and whether its value is a float for certain."""
    match node:
        case ast.Constant(value=value):
            return node, isinstance(value, float)
        case ast.Name(id="pi"):
            return _of_math("pi"), True
        case ast.Name():
            return ast.Name(argument, ast.Load()), False
        case ast.UnaryOp(op=op, operand=operand):
            inner, is_float = _translate(operand, argument)
            return ast.UnaryOp(op, inner), is_float and not isinstance(op, ast.Not)
        case ast.BinOp(left=left, op=op, right=right):
            return _operation(op, _translate(left, argument), _translate(right, argument))
        case ast.BoolOp(op=op, values=values):
            parts = [_translate(value, argument) for value in values]
            return ast.BoolOp(op, [part for part, _ in parts]), all(is_float for _, is_float in parts)
        case ast.Compare(left=left, ops=ops, comparators=others):
            compared = [_translate(other, argument)[0] for other in others]
            return ast.Compare(_translate(left, argument)[0], ops, compared), False
        case ast.IfExp(test=test, body=body, orelse=orelse):
            (yes, yes_float), (no, no_float) = _translate(body, argument), _translate(orelse, argument)
            return ast.IfExp(_translate(test, argument)[0], yes, no), yes_float and no_float
        case ast.Call(func=ast.Name(id=name), args=arguments):
            parts = [_translate(value, argument) for value in arguments]
            called = ast.Name(name, ast.Load()) if name in _BUILTIN else _of_math(name)
            # min and max give one of their arguments, whichever it is
            is_float = all(is_float for _, is_float in parts) if name in _BUILTIN else name != "floor"
            return ast.Call(called, [part for part, _ in parts], []), is_float
    raise AssertionError(f"check_expression lets no {type(node).__name__} through")


def _operation(op: ast.operator, left: tuple[ast.expr, bool], right: tuple[ast.expr, bool]) -> tuple[ast.expr, bool]:
    (a, a_float), (b, b_float) = left, right
    if isinstance(op, (ast.Mult, ast.Pow)):
        if not (a_float or b_float):
            if _is_whole(b) and not _is_whole(a):
                b = _as_float(b)
            else:
                a = _as_float(a)
        return ast.BinOp(a, op, b), True
    return ast.BinOp(a, op, b), isinstance(op, ast.Div) or a_float or b_float


def _is_whole(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _as_float(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(float(node.value))
    return ast.Call(ast.Name("float", ast.Load()), [node], [])


def _of_math(name: str) -> ast.Attribute:
    return ast.Attribute(ast.Name("math", ast.Load()), name, ast.Load())
