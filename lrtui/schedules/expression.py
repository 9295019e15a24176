"""Expressions of the step's number, such as `0.95 ** epoch`: what LambdaLR and its like are given as a function.

They are read by Python's parser, checked against a list of what is allowed, and evaluated by the simpleeval library.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.schedules.source import MOST_LEVELS, all_nodes, syntax_error_place

LONGEST = 500
"""Characters of one expression."""

VARIABLES = ("epoch", "step")
"""Two words for one thing: how often `step()` was called."""

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "cos": math.cos,
    "sin": math.sin,
    "floor": math.floor,
}

_ARGUMENTS = {"min": (2, 20), "max": (2, 20), "log": (1, 2)}  # how many; one where it is not said

ALLOWED = f"numbers, arithmetic, comparisons, if-else, and/or/not, epoch, pi, {', '.join(FUNCTIONS)}"

_NODES = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip


class Expression:
    """A function of the step's number, from its text.

    PyTorch's schedulers save the `__dict__` of their functions: here it holds the text and nothing else, so that a
    saved state loads with `weights_only=True`. One object is used by one thread.

    Args:
        text: the expression.

    Raises:
        NotationError: for text that is no expression or has something in it that is not allowed; `position` counts
            from the expression's start.
    """

    __slots__ = ("__dict__", "_evaluate")

    def __init__(self, text: str) -> None:
        self.text = text
        self._evaluate = _evaluator(check_expression(text))

    def __call__(self, epoch: float) -> float:
        """Return the value at this step.

        Raises:
            NotationError: where there is none, or none that is a finite real number.
        """
        try:
            value = self._evaluate(epoch)
            number = float(value)
        except NotationError:
            raise
        except Exception as error:  # simpleeval and math raise what they like; each is the expression's fault
            raise NotationError(f'"{self.text}" has no value at epoch={epoch}: {error}', self.text) from None
        if not math.isfinite(number):
            raise NotationError(f'"{self.text}" is {number} at epoch={epoch}; an lr needs a finite factor', self.text)
        return number

    def __deepcopy__(self, memo: dict[int, Any]) -> Expression:
        return self

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)


def check_expression(text: str) -> ast.expr:
    """Return the expression's syntax tree.

    Raises:
        NotationError: as `Expression` does.
    """
    tree = _read(text)
    nodes, deep = all_nodes(tree)
    if deep:
        raise NotationError(f"the expression is nested more than {MOST_LEVELS} levels deep", text, _place(text, deep))
    _check(nodes, text)
    return tree


def depends_on_step(text: str) -> bool:
    """Say whether the step's number is in the expression at all."""
    # in brackets, so that it may go over several lines
    tree = ast.parse(f"({text.strip()})", mode="eval")
    return any(isinstance(node, ast.Name) and node.id in VARIABLES for node in ast.walk(tree))


def _read(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise NotationError(f"the expression has {len(text):,} characters; at most {LONGEST} are read", text, LONGEST)
    leading = len(text) - len(text.lstrip())
    try:
        with warnings.catch_warnings():
            # `1if 1else 2` makes Python print one, between our lines
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        place = leading + syntax_error_place(text.strip(), error)
        raise NotationError(
            f"this is no expression; write for example 0.95 ** epoch ({error.msg})", text, place
        ) from None
    except (ValueError, MemoryError, RecursionError):
        raise NotationError("the expression can't be read: it is too deeply nested", text, 0) from None


def _check(nodes: list[ast.AST], text: str) -> None:
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if fault := _fault(node, id(node) in called):
            raise NotationError(fault, text, _place(text, node))


def _fault(node: ast.AST, is_called: bool) -> str | None:
    """Return what is wrong with the node itself, or None."""
    if not isinstance(node, _NODES):
        return f"{type(node).__name__} is not allowed in an expression; allowed are {ALLOWED}"
    if isinstance(node, ast.Constant) and (
        isinstance(node.value, bool) or not isinstance(node.value, (int, float)) or not _fits(node.value)
    ):
        return "an expression has numbers that fit a float, and no other constants"
    if isinstance(node, ast.Call) and (
        not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords
    ):
        return f"there is no such function; there are {', '.join(FUNCTIONS)}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        least, most = _ARGUMENTS.get(node.func.id, (1, 1))
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            return f"{node.func.id} takes {wanted} {'argument' if most == 1 else 'arguments'}, not {len(node.args)}"
    if isinstance(node, ast.Name) and node.id not in (FUNCTIONS if is_called else (*VARIABLES, "pi")):
        return f"unknown name {node.id!r}; allowed are {ALLOWED}"
    return None


def _place(text: str, node: ast.AST) -> int:
    """Return where in the text the node begins; only an expression in parentheses has lines."""
    leading = len(text) - len(text.lstrip())
    # for Python a carriage return begins a line
    lines = text.lstrip().replace("\r", "\n").split("\n")
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    # Python counts columns in UTF-8 bytes
    inside = len(lines[line - 1].encode()[:column].decode(errors="ignore"))
    return leading + sum(len(before) + 1 for before in lines[: line - 1]) + inside


def _fits(number: int | float) -> bool:
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _evaluator(tree: ast.expr) -> Callable[[float], Any]:
    import simpleeval  # 15 ms, and only schedules with functions need it

    names: dict[str, Any] = {"pi": math.pi}
    operators = dict(simpleeval.DEFAULT_OPERATORS)
    # in floats a power overflows at once; in whole numbers it would fill the memory first
    operators[ast.Pow] = lambda base, exponent: float(base) ** float(exponent)
    operators[ast.Mult] = lambda left, right: float(left) * float(right)
    evaluator = simpleeval.SimpleEval(operators=operators, functions=dict(FUNCTIONS), names=names)

    def evaluate(epoch: float) -> Any:
        names["epoch"] = names["step"] = epoch
        return evaluator.eval("", previously_parsed=tree)

    return evaluate
