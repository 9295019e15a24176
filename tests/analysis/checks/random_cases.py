"""Random schedules, optimizers and run lengths, usual and odd ones, drawn from the catalogues with a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS
from lrtui.schedules.parameter import Parameter

COUNTS = (1, 1, 2, 3, 4, 5, 8, 10, 20, 37, 100, 938, 2000, 10**6)
NUMBERS = (0, 1e-12, 1e-4, 0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.99, 1, 1.0001, 1.5, 3, 30, 1e4, 1e300,
           -0.1, -1, -1e10)  # fmt: skip
EXPRESSIONS = (
    "1", "0", "0.95 ** epoch", "epoch", "epoch / 10", "1 / epoch", "1 - epoch / 5", "max(0, 1 - epoch / 8)", "-1",
    "0.5 * (1 + cos(pi * epoch / 7))", "exp(epoch)", "exp(-epoch)", "1 if epoch < 3 else 0.1", "log(epoch + 1)",
    "sqrt(5 - epoch)", "(-1) ** epoch", "0.1", "2", "1e308 * epoch", "0.01 * 0.9 ** epoch", "epoch ** 300",
)  # fmt: skip
OUTERMOST = tuple(CATALOGUE)
INSIDE = tuple(name for name, entry in CATALOGUE.items() if not entry.follows_metric and entry.composite != "warmup")


@dataclass(frozen=True, slots=True)
class Case:
    """Arguments of check_schedule."""

    schedule: str
    optimizer: str
    horizon: Horizon
    accumulate: int = 1


def cases(seed: int, count: int) -> list[Case]:
    """Return this many cases; the same seed gives the same cases."""
    draw = random.Random(seed)
    return [_case(draw) for _ in range(count)]


def _case(draw: random.Random) -> Case:
    groups = draw.choice((1, 1, 1, 2))
    schedule = _schedule(draw, draw.choice(OUTERMOST), groups, 0)
    # a composite with schedulers that step per batch needs per=
    outermost = CATALOGUE[schedule.partition("(")[0]]
    needs = outermost.composite in ("sequence", "chain") and any(
        name in schedule for name, entry in CATALOGUE.items() if entry.unit == "batch"
    )
    if not outermost.follows_metric and (needs or draw.random() < 0.4):
        comma = "" if schedule.endswith("()") else ", "
        schedule = f'{schedule[:-1]}{comma}per="{draw.choice(("batch", "epoch"))}")'
    epochs, batches = draw.choice((1, 2, 3, 5, 10, 10, 30)), draw.choice((1, 2, 7, 20, 40))
    start = draw.choice((0, 0, 0, draw.randrange(epochs * batches)))
    return Case(schedule, _optimizer(draw, groups), Horizon(epochs, batches, start), draw.choice((1, 1, 1, 4)))


def _optimizer(draw: random.Random, groups: int) -> str:
    lr = draw.choice((0.001, 0.01, 0.1) if draw.random() < 0.8 else (0, 1e-12, 1e-5, 1.0, 30.0))
    inside = [f"lr={lr}"]
    name = draw.choice(sorted(OPTIMIZERS))
    if name == "SGD" and draw.random() < 0.5:
        inside.append("momentum=0.9")
    if groups > 1:
        inside.append(f'groups={{"fc*": {{"lr": {draw.choice((0, 0.001, 0.01, 0.3))}}}}}')
    return f"{name}({', '.join(inside)})"


def _schedule(draw: random.Random, name: str, groups: int, depth: int) -> str:
    entry = CATALOGUE[name]
    if entry.composite:
        return _composite(draw, name, groups, depth)
    given = []
    if name == "OneCycleLR" and draw.random() < 0.2:
        given.append(f"epochs={draw.choice((1, 3, 10))}, steps_per_epoch={draw.choice((1, 7, 40))}")
    for parameter in entry.parameters:
        if parameter.name in ("epochs", "steps_per_epoch"):
            continue
        if (parameter.is_required and parameter.name not in entry.fills) or draw.random() < 0.45:
            given.append(f"{parameter.name}={_value(draw, entry, parameter, groups)}")
    return f"{name}({', '.join(given)})"


def _composite(draw: random.Random, name: str, groups: int, depth: int) -> str:
    if name == "Warmup":
        inside = _schedule(draw, draw.choice([*INSIDE, "ReduceLROnPlateau"]), groups, depth + 1)
        return f"Warmup({draw.choice((0, 0.05, 0.4, *COUNTS))}, {inside})"
    count = draw.choice((1, 2, 2, 2, 3) if name == "ChainedScheduler" else (2, 2, 3))
    allowed = [
        other for other in INSIDE if (depth == 0 and name == "ChainedScheduler") or not CATALOGUE[other].composite
    ]
    children = ", ".join(_schedule(draw, draw.choice(allowed), groups, depth + 1) for _ in range(count))
    if name == "ChainedScheduler":
        return f"ChainedScheduler([{children}])"
    milestones = sorted(draw.sample(range(0, draw.choice((6, 12, 60, 400))), count - 1))
    return f"SequentialLR([{children}], milestones={milestones})"


def _value(draw: random.Random, entry: SchedulerEntry, parameter: Parameter, groups: int) -> str:
    match parameter.kind:
        case "int":
            return str(draw.choice(COUNTS))
        case "steps":
            return str(draw.choice((0, 0.05, 0.2, 0.7, *COUNTS)))
        case "ints":
            return str([draw.choice((0, *COUNTS)) for _ in range(draw.randrange(1, 5))])
        case "bool":
            return draw.choice(("True", "False"))
        case "choice":
            return f'"{draw.choice(parameter.choices)}"'
        case "expression":
            return _listed(draw, groups, lambda: f'"{draw.choice(EXPRESSIONS)}"')
        case "floats":
            return _listed(draw, groups, lambda: _number(draw, parameter))
        case _:
            return _number(draw, parameter)


def _listed(draw: random.Random, groups: int, one: object) -> str:
    assert callable(one)
    if draw.random() < 0.85:
        return str(one())
    return f"[{', '.join(str(one()) for _ in range(draw.choice((groups, groups, 1, 3))))}]"


def _number(draw: random.Random, parameter: Parameter) -> str:
    allowed = [number for number in NUMBERS if parameter.refusal(number) is None]
    # mostly values that people use
    usual = [number for number in allowed if 0 < number < 2]
    return repr(draw.choice(usual if usual and draw.random() < 0.7 else allowed))
