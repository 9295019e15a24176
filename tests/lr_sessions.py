"""Random optimizers, schedules and sequences of commands, and the lrs that the reference has for them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reference_lr import BrokenError, Formula, OptimizerPlan, Plan, ReferenceLr, RefusedError

from lrtui.run.commands import Command, EvaluateNow, Pause, Resume, ScaleLr, SetLr, SwitchSchedule, UndoLr

# -- random schedules ------------------------------------------------------------------------------------------------

FACTORS = [
    Formula("0.95 ** epoch", lambda epoch: 0.95**epoch),
    Formula("1 / (1 + 0.1 * epoch)", lambda epoch: 1 / (1 + 0.1 * epoch)),
    Formula("1 if epoch < 5 else 0.1", lambda epoch: 1 if epoch < 5 else 0.1),
    Formula("max(0, 1 - epoch / 7)", lambda epoch: max(0, 1 - epoch / 7)),
    Formula("0.5 * (1 + cos(pi * epoch / 9))", lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / 9))),
]
MULTIPLIERS = [
    Formula("0.95", lambda epoch: 0.95),
    Formula("0.5 if epoch % 4 == 0 else 1", lambda epoch: 0.5 if epoch % 4 == 0 else 1),
    Formula("1.01", lambda epoch: 1.01),
]
FAILS = Formula("1 / (3 - epoch)", lambda epoch: 1 / (3 - epoch))

SIMPLE = [
    "ExponentialLR",
    "StepLR",
    "MultiStepLR",
    "PolynomialLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "SWALR",
    "LinearLR",
    "ConstantLR",
    "LambdaLR",
    "MultiplicativeLR",
]
CYCLES = ["OneCycleLR", "CyclicLR"]
ALL = [*SIMPLE, *CYCLES, "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler"]


class Chance(random.Random):
    """Draws plans."""

    def number(self, low: float, high: float) -> float:
        return round(self.uniform(low, high), 6)

    def some(self, **choices: Any) -> dict[str, Any]:
        """Return about half of these arguments."""
        return {name: value for name, value in choices.items() if self.random() < 0.5}

    def lr(self, low: float, high: float, groups: int) -> Any:
        """Return an lr, or occasionally one for each group."""
        return self.number(low, high) if self.random() < 0.7 else [self.number(low, high) for _ in range(groups)]

    def formula(self, formulas: Sequence[Formula], groups: int) -> Any:
        return self.choice(formulas) if self.random() < 0.7 else [self.choice(formulas) for _ in range(groups)]

    def plan(self, groups: int, name: str | None = None) -> Plan:
        """Return a schedule of any kind."""
        name = name or self.choice(ALL)
        if name == "ReduceLROnPlateau":
            return Plan(name, self.arguments(name, groups))
        per = self.choice([None, "batch", "epoch"])
        if name not in ("SequentialLR", "ChainedScheduler"):
            return Plan(name, self.arguments(name, groups), per)
        # a parent that steps per epoch occasionally has a child that must be refused
        cycles = CYCLES if per == "batch" or self.random() < 0.05 else []
        children = [
            Plan(child, self.arguments(child, groups))
            for child in self.choices([*SIMPLE, *cycles], k=self.randint(2, 3))
        ]
        if name == "ChainedScheduler":
            return Plan(name, {"schedulers": children}, per)
        milestones = sorted(self.sample(range(1, 16), k=len(children) - 1))
        return Plan(name, {"schedulers": children, "milestones": milestones}, per)

    def arguments(self, name: str, groups: int) -> dict[str, Any]:
        gamma = self.number(0.05, 1.1)
        strategy = self.choice(["cos", "linear"])
        match name:
            case "ExponentialLR":
                return {"gamma": gamma}
            case "StepLR":
                return {"step_size": self.randint(1, 8), **self.some(gamma=gamma)}
            case "MultiStepLR":
                return {"milestones": sorted(self.choices(range(13), k=self.randint(1, 4))), **self.some(gamma=gamma)}
            case "PolynomialLR":
                return self.some(total_iters=self.randint(1, 20), power=self.number(0.3, 3))
            case "CosineAnnealingLR":
                return self.some(T_max=self.randint(1, 20), eta_min=self.number(0, 0.005))
            case "CosineAnnealingWarmRestarts":
                return {
                    "T_0": self.randint(1, 8),
                    **self.some(T_mult=self.randint(1, 3), eta_min=self.number(0, 0.005)),
                }
            case "SWALR":
                return {
                    "swa_lr": self.lr(1e-4, 0.1, groups),
                    **self.some(anneal_epochs=self.randint(0, 12), anneal_strategy=strategy),
                }
            case "LinearLR":
                return self.some(
                    start_factor=self.number(0.01, 1), end_factor=self.number(0, 1), total_iters=self.randint(1, 15)
                )
            case "ConstantLR":
                return self.some(factor=self.number(0, 1), total_iters=self.randint(1, 15))
            case "LambdaLR":
                return {"lr_lambda": self.formula(FACTORS, groups)}
            case "MultiplicativeLR":
                return {"lr_lambda": self.formula(MULTIPLIERS, groups)}
            case "OneCycleLR":
                # no length with an empty phase of the cycle, by whose length PyTorch would divide
                length = self.choice(
                    [{}, {}, {"total_steps": self.randint(2, 20)}, {"epochs": 2, "steps_per_epoch": 3}]
                )
                return {
                    "max_lr": self.lr(0.001, 0.3, groups),
                    **length,
                    **self.some(
                        pct_start=self.choice([0.13, 0.3, 0.45]),
                        anneal_strategy=strategy,
                        cycle_momentum=self.choice([True, False]),
                        base_momentum=self.number(0.5, 0.8),
                        max_momentum=self.number(0.8, 0.99),
                        div_factor=self.number(2, 50),
                        three_phase=self.choice([True, False]),
                    ),
                }
            case "CyclicLR":
                return {
                    "base_lr": self.lr(1e-4, 1e-3, groups),
                    "max_lr": self.lr(0.002, 0.1, groups),
                    "step_size_up": self.randint(1, 12),
                    **self.some(
                        step_size_down=self.randint(1, 12),
                        mode=self.choice(["triangular", "triangular2", "exp_range"]),
                        gamma=self.number(0.9, 1),
                        cycle_momentum=self.choice([True, False]),
                    ),
                }
        return {
            "patience": self.randint(0, 1),
            **self.some(
                mode=self.choice(["min", "max"]),
                metric=self.choice(["loss", "accuracy"]),
                factor=self.number(0.05, 0.95),
                # so high that no result counts as an improvement, and the lr is cut
                threshold=self.choice([1e-4, 0.9]),
                cooldown=self.randint(0, 1),
                min_lr=self.lr(0, 0.001, groups),
            ),
        }

    def optimizer(self) -> OptimizerPlan:
        lr = self.number(1e-3, 0.1)
        name, arguments, own = self.choice(
            [
                ("SGD", {"momentum": 0.9}, {"momentum": 0.5}),
                ("SGD", {}, {}),
                ("Adam", {}, {"betas": (0.7, 0.9)}),
                ("Adam", {"betas": (0.8, 0.99)}, {}),
                ("AdamW", {}, {}),
                ("RMSprop", {"momentum": 0.3}, {}),
                # has no momentum to cycle, so some schedules are refused
                ("Adagrad", {}, {}),
            ]
        )
        patterns: list[str] = self.choice([[], [], ["0.*"], ["*bias"], ["0.*", "3.b*"]])
        groups: dict[str, dict[str, Any]] = {
            pattern: {"lr": self.number(1e-4, 0.05), **(own if self.random() < 0.5 else {})} for pattern in patterns
        }
        return OptimizerPlan(name, {"lr": lr, **arguments}, groups)


# -- random sequences of commands ------------------------------------------------------------------------------------

Order = tuple[Command, Plan | None]


@dataclass(frozen=True)
class Session:
    """A run and its commands, by the step before which they are sent."""

    optimizer: OptimizerPlan
    plan: Plan
    epochs: int
    batch_size: int
    orders: Mapping[int, Sequence[Order]]

    @property
    def batches(self) -> int:
        return math.ceil(96 / self.batch_size)

    def __str__(self) -> str:
        said = "\n".join(f"  step {step}: {[order[0] for order in self.orders[step]]}" for step in sorted(self.orders))
        return f"{self.optimizer} {self.plan}, {self.epochs} epochs of {self.batches} steps\n{said}"


def session_of(seed: int) -> Session:
    chance = Chance(seed)
    optimizer, epochs, batch_size = chance.optimizer(), chance.randint(2, 4), chance.choice([16, 20, 32])
    groups = 1 + len(optimizer.groups)
    orders: dict[int, list[Order]] = {}
    for _ in range(chance.randint(1, 9)):
        step = chance.randrange(epochs * math.ceil(96 / batch_size))
        orders.setdefault(step, []).extend(draw_orders(chance, groups))
    for said in orders.values():
        # a paused run would wait forever
        pauses = [command for command, _ in said if isinstance(command, (Pause, Resume))]
        if pauses and isinstance(pauses[-1], Pause):
            said.append((Resume(), None))
    return Session(optimizer, chance.plan(groups), epochs, batch_size, orders)


def draw_orders(chance: Chance, groups: int) -> list[Order]:
    group = chance.choice([None, None, *range(groups)])
    match chance.choices(
        ["switch", "nudge", "set", "undo", "pause", "evaluate", "nonsense"], weights=[6, 5, 4, 4, 1, 1, 1]
    )[0]:
        case "switch":
            plan = chance.plan(groups) if chance.random() < 0.97 else Plan("LambdaLR", {"lr_lambda": FAILS}, "batch")
            return [(SwitchSchedule(str(plan), chance.choice(["base", "current", "start"])), plan)]
        case "nudge":
            return [(ScaleLr(chance.choice([1.25, 1 / 1.25, 0.1, chance.uniform(0.3, 2)])), None)]
        case "set":
            # 0.125, because only at powers of two a neighbour of the ratio is exact where the ratio is not
            return [(SetLr(chance.choice([0.02, 1 / 3, 0.125, 10 ** chance.uniform(-6, -1), 0.0]), group), None)]
        case "undo":
            return [(UndoLr(), None)] * chance.randint(1, 3)
        case "pause":
            within = draw_orders(chance, groups) if chance.random() < 0.5 else []
            return [(Pause(), None), *within, (Resume(), None)]
        case "evaluate":
            return [(EvaluateNow(), None)]
    plan = chance.plan(groups)
    return [
        chance.choice(
            [
                (ScaleLr(chance.choice([0.0, -1.0, math.inf])), None),
                (SetLr(chance.choice([-0.1, math.inf])), None),
                (SetLr(0.1, chance.choice([groups, -1])), None),
                (SwitchSchedule(str(plan), "elsewhere"), plan),
                (SwitchSchedule("StepLR()"), None),
                (SwitchSchedule("LambdaLR(['1', '1', '1', '1'])"), None),
                (Resume(), None),
            ]
        )
    ]


# -- the reference's result --------------------------------------------------------------------------------------------

Used = tuple[tuple[float, ...], list[tuple[Any, Any]]]


@dataclass
class Course:
    """The reference's result for a session.

    Args:
        used: lrs and momenta of each step.
        answers: step and lrs after each command that changed them.
        refused: step and text of each refused command.
        ending: the run's outcome.
    """

    used: list[Used]
    answers: list[tuple[int, tuple[float, ...]]]
    refused: list[tuple[int, str]]
    ending: str = "done"


def expected_course(session: Session, results: Sequence[Mapping[str, float]], steps: int) -> Course:
    """Return the expected result of this many steps with these test results."""
    course = Course([], [], [])
    try:
        reference = ReferenceLr(session.optimizer, session.plan, session.epochs, session.batches)
    except RefusedError:
        course.ending = "failed"
        return course
    for step in range(steps):
        for command, plan in session.orders.get(step, ()):
            try:
                reference.obey(command, plan)
            except RefusedError:
                course.refused.append((step, command.text))
            else:
                if isinstance(command, (ScaleLr, SetLr, UndoLr, SwitchSchedule)):
                    course.answers.append((step, reference.lrs))
        course.used.append((reference.lrs, reference.momenta))
        epoch, within = divmod(step + 1, session.batches)
        try:
            reference.batch_done()
            # a run that ends early has no test at its last epoch's end
            if within == 0 and epoch <= len(results):
                reference.epoch_done(results[epoch - 1])
        except BrokenError:
            course.ending = "failed"
            break
    return course
