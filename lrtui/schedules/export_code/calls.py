"""Schedules, optimizers and expressions as Python calls and lambdas."""

from __future__ import annotations

import ast
import re
from typing import Any

from lrtui.run.spec import SCRIPT
from lrtui.schedules.catalogue import SchedulerEntry
from lrtui.schedules.export_code.layout import INDENT, Call, Imports, Value
from lrtui.schedules.export_code.phases import child_calls, ends_early
from lrtui.schedules.expression import VARIABLES, check_expression
from lrtui.schedules.optimizer import OptimizerSpec, setting_text
from lrtui.schedules.schedule import Schedule, value_text


def scheduler_call(schedule: Schedule, imports: Imports, calls: int = -1) -> Call:
    """Return the call that builds the scheduler for `optimizer`.

    Args:
        schedule: the schedule with its lengths filled in.
        imports: collects the imports that the call needs.
        calls: `step()` calls whose lr is used. A OneCycleLR that ends earlier holds its last lr. Negative if the loop
            stops stepping it instead.
    """
    entry = schedule.entry
    if schedule.user_path == SCRIPT:
        return _placeholder_call(schedule, imports)
    if entry is None:
        values = [(name, _literal(value)) for name, value in schedule.items]
        call = Call(imports.user_class(str(schedule.user_path), schedule.name), (("", "optimizer"), *values))
        is_counted = str(schedule.user_path).partition(".")[0] == "timm"
        return Call(imports.counted_class(), (("", call),)) if is_counted else call
    if not entry.is_pytorch and entry.factor is not None:
        return _function_call(schedule, entry, imports, calls)
    held = ends_early(schedule, calls)
    arguments: list[tuple[str, Value]] = [] if entry.composite == "chain" else [("", "optimizer")]
    children: list[Value] = [
        scheduler_call(child, imports, child_count) for child, child_count in child_calls(schedule, calls)
    ]
    for name, value in schedule.items:
        parameter = entry.parameter(name)
        if parameter is not None and parameter.kind == "schedule":
            arguments.append((name, children[0]))
        elif name == "schedulers":
            arguments.append(("" if entry.composite == "chain" else name, children))
        elif parameter is not None and parameter.kind == "expression":
            arguments.append((name, _function(value, imports)))
        else:
            arguments.append((name, _value(value)))
    if entry.composite == "warmup":
        if len(schedule.units) > 1:
            arguments.append(("per_epoch", "True"))
        return Call(imports.warmup_class(), tuple(arguments))
    return Call(imports.scheduler(entry, held=held), tuple(arguments))


def _placeholder_call(schedule: Schedule, imports: Imports) -> Call:
    """Return the call of a function that makes a scheduler of a constant lr, in place of one that only a script has."""
    text = "the script's own lr here" if schedule.name == "lr" else f"the script's own {schedule.name} here"
    constant = f"{imports.name('torch.optim.lr_scheduler', 'LambdaLR')}(optimizer, lambda step: 1.0)"
    return Call(
        imports.function(
            "make_scheduler",
            lambda name: [
                f"def {name}(optimizer):",
                f'{INDENT}"""Return a placeholder with a constant lr; put {text}."""',
                f"{INDENT}return {constant}",
            ],
        ),
        (("", "optimizer"),),
    )


def _function_call(schedule: Schedule, entry: SchedulerEntry, imports: Imports, calls: int) -> Call:
    """Return the call of a LambdaLR, or of the script's own subclass with a floor, in place of a class of lrtui."""
    values = entry.values(schedule.arguments)
    floors = {each.name: values[each.name] for each in entry.lrs("floor")}
    text = entry.factor({**values, **dict.fromkeys(floors, 0.0)}, calls) if entry.factor else None
    if text is None:
        raise AssertionError(f"{schedule} has no closed form")
    if needs_math(text):
        imports.module("math")
    name = imports.function(f"{_snake_case(entry.name)}_factor", lambda name: function_lines(name, text, str(schedule)))
    function = ("lr_lambda", name)
    floor = next(iter(floors.values()), 0.0)
    if not any(floor if isinstance(floor, tuple) else (floor,)):
        return Call(imports.name("torch.optim.lr_scheduler", "LambdaLR"), (("", "optimizer"), function))
    start = ("start", value_text(values[entry.warm_up_argument] if entry.warm_up_argument else 0))
    return Call(imports.floor_class(), (("", "optimizer"), function, start, ("min_lr", _value(floor))))


def optimizer_call(spec: OptimizerSpec, parameters: str, imports: Imports) -> Call:
    """Return the call that builds the optimizer.

    Args:
        parameters: source text of its first argument.
    """
    if spec.path:
        name, items = imports.user_class(spec.path, spec.name), spec.items
    else:
        imports.name("torch", "optim")
        name, items = f"optim.{spec.name}", tuple({"lr": spec.lr, **spec.arguments}.items())
    settings = [(argument, setting_text(value)) for argument, value in items]
    return Call(name, (("", parameters), *settings))


def _value(value: Any) -> Value:
    return [value_text(item) for item in value] if isinstance(value, tuple) else value_text(value)


def _literal(value: Any) -> Value:
    return [_literal(item) for item in value] if isinstance(value, tuple) else repr(value)


def _function(value: Any, imports: Imports) -> Value:
    if isinstance(value, tuple):
        return [_function(item, imports) for item in value]
    if needs_math(value):
        imports.module("math")
    return lambda_text(value)


_BUILTIN = ("min", "max", "abs")


def lambda_text(expression: str) -> str:
    """Return the expression as a lambda: `0.95 ** epoch` is `lambda epoch: 0.95**epoch`.

    Expressions multiply and exponentiate in floating point. Python does so only if one operand is a float, so integers
    are written as floats where that matters.

    Args:
        expression: accepted by `check_expression`.
    """
    tree = check_expression(expression)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    epoch, step = VARIABLES
    argument = step if step in names and epoch not in names else epoch
    body, _ = _translate(tree, argument)
    return f"lambda {argument}: {ast.unparse(body)}"


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def function_lines(name: str, expression: str, notes: str) -> list[str]:
    """Return the expression as a function of the step, each branch on a line of its own."""
    body, _ = _translate(check_expression(expression), "step")
    lines = [f"def {name}(step):", f'{INDENT}"""The factor of the lr: {notes}."""']
    while isinstance(body, ast.IfExp):
        lines += [f"{INDENT}if {ast.unparse(body.test)}:", f"{INDENT * 2}return {ast.unparse(body.body)}"]
        body = body.orelse
    return [*lines, f"{INDENT}return {ast.unparse(body)}"]


def needs_math(expression: str) -> bool:
    """Return whether the lambda uses the module math."""
    tree = check_expression(expression)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return bool(used.difference(_BUILTIN, VARIABLES))


def _translate(node: ast.expr, argument: str) -> tuple[ast.expr, bool]:
    """Return the node in plain Python, and whether its value is certainly a float."""
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
            # min and max return one of their arguments
            is_float = all(is_float for _, is_float in parts) if name in _BUILTIN else name != "floor"
            return ast.Call(called, [part for part, _ in parts], []), is_float
    raise AssertionError(f"check_expression accepts no {type(node).__name__}")


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
