"""Expressions with another clock: one that counts from 1, or that runs slower."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, each
from lrtui.schedules.expression import VARIABLES
from lrtui.schedules.schedule import Schedule


class _Clock(ast.NodeTransformer):
    def __init__(self, change: Callable[[ast.Name], ast.expr]) -> None:
        self._change = change

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._change(node) if node.id in VARIABLES else node


def mentions_step(text: str) -> bool:
    """Say whether an expression depends on the step's number at all."""
    return any(isinstance(node, ast.Name) and node.id in VARIABLES for node in ast.walk(_body(text)))


def shifted(plan: Plan) -> Iterator[Schedule]:
    """Yield the schedule with each LambdaLR in turn counting from 1: `epoch / 10` becomes `(epoch + 1) / 10`."""
    return _reclocked(plan, lambda name: ast.BinOp(left=name, op=ast.Add(), right=ast.Constant(value=1)))


def slowed(plan: Plan, pace: float) -> Iterator[Schedule]:
    """Yield the schedule with each LambdaLR in turn going slower: `cos(epoch)` becomes `cos(0.5 * epoch)`."""
    return _reclocked(plan, lambda name: ast.BinOp(left=ast.Constant(value=pace), op=ast.Mult(), right=name))


def _reclocked(plan: Plan, change: Callable[[ast.Name], ast.expr]) -> Iterator[Schedule]:
    for place in plan.named("LambdaLR"):
        texts = each(place, lambda text: ast.unparse(_Clock(change).visit(_body(text))))
        yield changed(plan, [place], lr_lambda=texts)


def _body(text: str) -> ast.expr:
    # in brackets, so that it may go over several lines
    return ast.parse(f"({text.strip()})", mode="eval").body
