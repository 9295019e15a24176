"""Expressions of the step number, such as `0.95 ** epoch`: the functions of LambdaLR and similar schedulers.

They are read by Python's parser, checked against a list of what is allowed, and evaluated by the simpleeval library.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.schedules.source import MAX_DEPTH, all_nodes, syntax_error_offset
from lrtui.text.format import counted

MAX_LENGTH = 500
"""Maximum length of an expression, in characters."""

VARIABLES = ("epoch", "step")
"""Two names for the number of `step()` calls so far."""

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

_ARGUMENT_COUNTS = {"min": (2, 20), "max": (2, 20), "log": (1, 2)}  # minimum and maximum; the others take exactly 1

ALLOWED = f"numbers, arithmetic, comparisons, if-else, and/or/not, epoch, pi, {', '.join(FUNCTIONS)}"

_REASONS: Mapping[type[Exception], str] = {
    OverflowError: "a number becomes too large",
    ZeroDivisionError: "division by zero",
    ValueError: "a function is not defined for its argument",
    # only complex numbers have a type that comparisons, functions and an lr do not take
    TypeError: "a fractional power of a negative number is not real",
}
"""What the errors of Python's arithmetic mean."""

_NODES = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip


class Expression:
    """A function of the step number, from its text.

    PyTorch's schedulers save the `__dict__` of their functions: here it holds the text and nothing else, so that a
    saved state loads with `weights_only=True`. One object is used by one thread.

    Args:
        text: the expression.

    Raises:
        NotationError: for text that is not an expression or contains something that is not allowed; `position` counts
            from the expression's start.
    """

    __slots__ = ("__dict__", "_evaluate")

    def __init__(self, text: str) -> None:
        self.text = text
        self._evaluate = _evaluator(check_expression(text))

    def __call__(self, epoch: float) -> float:
        """Return the value at this step.

        Raises:
            NotationError: if it is not a finite real number.
        """
        try:
            value = self._evaluate(epoch)
            number = float(value)
        except NotationError:
            raise
        except Exception as error:  # simpleeval and math raise any exception for a faulty expression
            reason = next((text for kind, text in _REASONS.items() if isinstance(error, kind)), str(error))
            raise NotationError(f'"{self.text}" has no value at epoch={epoch}: {reason}', self.text) from None
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
    nodes, too_deep = all_nodes(tree)
    if too_deep:
        raise NotationError(
            f"the expression is nested more than {MAX_DEPTH} levels deep", text, _offset(text, too_deep)
        )
    _check(nodes, text)
    return tree


def depends_on_step(text: str) -> bool:
    """Return whether the expression uses the step number."""
    # parentheses let it span several lines
    tree = ast.parse(f"({text.strip()})", mode="eval")
    return any(isinstance(node, ast.Name) and node.id in VARIABLES for node in ast.walk(tree))


def _read(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise NotationError(
            f"the expression has {counted(len(text), 'character')}; at most {MAX_LENGTH} are allowed", text, MAX_LENGTH
        )
    leading = len(text) - len(text.lstrip())
    try:
        with warnings.catch_warnings():
            # `1if 1else 2` makes Python print a warning
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        place = leading + syntax_error_offset(text.strip(), error)
        raise NotationError(f"not an expression; write for example 0.95 ** epoch ({error.msg})", text, place) from None
    except (ValueError, MemoryError, RecursionError):
        raise NotationError("the expression can't be read: it is nested too deeply", text, 0) from None


def _check(nodes: list[ast.AST], text: str) -> None:
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if message := _refusal(node, id(node) in called):
            raise NotationError(message, text, _offset(text, node))


def _refusal(node: ast.AST, is_called: bool) -> str | None:
    """Return why a node is not allowed, or None if it is."""
    if not isinstance(node, _NODES):
        return f"{type(node).__name__} is not allowed in an expression; allowed are {ALLOWED}"
    if isinstance(node, ast.Constant) and (
        isinstance(node.value, bool) or not isinstance(node.value, (int, float)) or not _fits(node.value)
    ):
        return "constants must be numbers within the range of a float"
    if isinstance(node, ast.Call) and (
        not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords
    ):
        return f"unknown function; available: {', '.join(FUNCTIONS)}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        least, most = _ARGUMENT_COUNTS.get(node.func.id, (1, 1))
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            return f"{node.func.id} takes {wanted} {'argument' if most == 1 else 'arguments'}, not {len(node.args)}"
    if isinstance(node, ast.Name) and node.id not in (FUNCTIONS if is_called else (*VARIABLES, "pi")):
        return f"unknown name {node.id!r}; allowed are {ALLOWED}"
    return None


def _offset(text: str, node: ast.AST) -> int:
    """Return the offset of the node in the text; an expression in parentheses can have several lines."""
    leading = len(text) - len(text.lstrip())
    # Python takes a carriage return for the end of a line
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
    # powers and products of integers could fill the memory; those of floats overflow
    operators[ast.Pow] = lambda base, exponent: float(base) ** float(exponent)
    operators[ast.Mult] = lambda left, right: float(left) * float(right)
    evaluator = simpleeval.SimpleEval(operators=operators, functions=dict(FUNCTIONS), names=names)

    def evaluate(epoch: float) -> Any:
        names["epoch"] = names["step"] = epoch
        return evaluator.eval("", previously_parsed=tree)

    return evaluate
