"""The lr of attached scripts compared with a reference implementation, step by step, over random commands."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
import torch
from lr_sessions import CYCLES, Session, Used, expected_course, session_of
from reference_lr import ReferenceLr, RefusedError, build_scheduler, momenta
from seen_events import see_events

import lrtui
from lrtui.attached.run import AttachedRun
from lrtui.run.commands import EvaluateNow
from lrtui.run.events import CommandRefused, Event, LrSet, Notice, RunFinished, ScheduleSwitched, StepDone


def attached_session(seed: int) -> Session:
    """Return a random session whose commands come after the first step, when an attached run begins to take them."""
    session = session_of(seed)
    orders: dict[int, list[Any]] = {}
    for step, said in sorted(session.orders.items()):
        kept = [order for order in said if not isinstance(order[0], EvaluateNow)]
        orders.setdefault(max(1, step), []).extend(kept)
    return Session(session.optimizer, session.plan, session.epochs, session.batch_size, orders)


class Script:
    """A script that trains nothing, with its scheduler, and the commands that come to it.

    Args:
        session: optimizer, schedule and commands.
        seed: decides in which order the script steps its scheduler, logs and tests.
    """

    def __init__(self, session: Session, seed: int) -> None:
        self.session, self.chance = session, random.Random(seed)
        self.used: list[Used] = []
        self.events: list[Event] = []
        self.results: list[dict[str, float]] = []
        self.is_broken = False

    def run(self) -> None:
        """Train."""
        session = self.session
        optimizer, plan = session.optimizer.build(), session.plan
        steps = session.epochs * session.batches
        scheduler = build_scheduler(plan, optimizer, steps if plan.unit == "batch" else session.epochs)
        run = lrtui.attach(optimizer, scheduler, epochs=session.epochs, batches_per_epoch=session.batches, store="none")
        assert isinstance(run, AttachedRun)
        see_events(run, self.events)
        # after the hook of the run, so that it sees what the optimizer uses
        optimizer.register_step_pre_hook(self.note)
        try:
            self.train(run, optimizer, scheduler)
        except Exception as error:  # the schedule has no next lr
            assert not isinstance(error, (AssertionError, AttributeError))
            self.is_broken = True
        self.is_broken = self.is_broken or any(
            isinstance(event, Notice) and "switch to another schedule" in event.text for event in self.events
        )
        run.finish()

    def note(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.used.append((tuple(group["lr"] for group in optimizer.param_groups), momenta(optimizer)))

    def train(self, run: AttachedRun, optimizer: torch.optim.Optimizer, scheduler: Any) -> None:
        plan, batches, tests_first = self.session.plan, self.session.batches, self.chance.random() < 0.5
        for epoch in range(self.session.epochs):
            for batch in range(batches):
                for command, _ in self.session.orders.get(epoch * batches + batch, ()):
                    run._publisher.inbox.send(command)
                optimizer.step()
                run.log(loss=self.chance.random())
                if plan.unit == "batch":
                    scheduler.step()
            # a loss that repeats itself is a plateau
            result = {"loss": self.chance.choice([0.5, 0.5, 0.1, 1.0]), "accuracy": self.chance.choice([0.5, 0.9])}
            self.results.append(result)
            if tests_first:
                run.log_eval(**result)
            if plan.unit == "epoch":
                scheduler.step(*([result[plan.metric]] if plan.name == "ReduceLROnPlateau" else []))
            if not tests_first:
                run.log_eval(**result)


def compare(session: Session, seed: int) -> str:
    """Run a session and compare it with the reference; return how it ended."""
    script = Script(session, seed)
    steps = session.epochs * session.batches
    try:
        ReferenceLr(session.optimizer, session.plan, session.epochs, session.batches)
    except RefusedError:
        return "refused"
    script.run()
    results = [*script.results, *[{"loss": 0.5, "accuracy": 0.5}] * session.epochs][: session.epochs]
    course = expected_course(session, results, steps)
    if course.ending == "failed":
        assert script.is_broken
    used, expected = script.used[: len(course.used)], course.used
    assert used == expected
    told = [event.lrs for event in script.events if isinstance(event, StepDone)]
    assert told[: len(course.used)] == [lrs for lrs, _ in course.used][: len(told)]
    if course.ending == "failed":
        return "failed"
    assert len(told) == steps == len(script.used)
    answers = [
        (event.step, event.lrs_after if isinstance(event, LrSet) else event.lrs)
        for event in script.events
        if isinstance(event, (ScheduleSwitched, LrSet))
    ]
    assert answers == course.answers
    refused = [(event.step, event.command) for event in script.events if isinstance(event, CommandRefused)]
    assert refused == course.refused
    assert isinstance(script.events[-1], RunFinished)
    assert script.events[-1].outcome == "done"
    return "done"


def overwrites_settings(session: Session) -> bool:
    """Return whether the script's scheduler overwrites settings of its groups of which nobody has a copy."""
    plans = [session.plan, *session.plan.children]
    return bool(session.optimizer.groups) and any(plan.name in CYCLES for plan in plans)


@pytest.mark.parametrize("block", [*range(3), *(pytest.param(block, marks=pytest.mark.deep) for block in range(3, 10))])
def test_lrs_equal_the_reference_at_every_step(block: int) -> None:
    endings: Counter[str] = Counter()
    for seed in range(block * 100, block * 100 + 100):
        session = attached_session(seed)
        if overwrites_settings(session):
            endings["unknown"] += 1
            continue
        try:
            endings[compare(session, seed)] += 1
        except AssertionError as error:
            error.add_note(f"seed {seed}: {session}")
            raise
    # if most runs ended early, little would be compared
    assert endings["done"] > 75, endings
