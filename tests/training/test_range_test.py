"""The range test: it uses the lrs of the sweep and restores everything, whatever is trained."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from random_tasks import RandomTask
from run_record import RunRecorder, digest
from tiny_task import Tiny
from torch import nn
from training_runs import TINY, tiny_spec

from lrtui.run.commands import Pause, RangeTest, Resume, Stop
from lrtui.run.errors import TaskError, UsageError
from lrtui.run.events import CommandRefused
from lrtui.run.range_feed import RangeFeed, Sweep
from lrtui.run.spec import RunSpec
from lrtui.training.random_state import random_states
from lrtui.training.range_test import range_test
from lrtui.training.run_setup import RunSetup, set_up
from lrtui.training.weight_averaging import unsaved_buffers

EXAMPLES = Path(__file__).parents[2] / "examples"

SHORT = Sweep(1e-4, 1.0, 25)
"""A sweep that is longer than an epoch of these tasks."""


class Moody(Tiny):
    """A module with separate generators, counters, caches, and non-persistent buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.chance, self.generator = random.Random(5), torch.Generator().manual_seed(6)
        self.numpy, self.seen = np.random.default_rng(7), []
        self.weights = torch.ones(2)

    def model(self) -> nn.Module:
        return MoodyNet()

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(targets))
        self.weights += 0.01 * torch.rand(2, generator=self.generator)
        factor = 1 + 0.1 * (self.chance.random() + float(self.numpy.random()))
        return factor * nn.functional.cross_entropy(outputs, targets, weight=self.weights)


class MoodyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)
        self.norm = nn.BatchNorm1d(8, momentum=None)
        self.register_buffer("trail", torch.zeros(8), persistent=False)
        self.register_buffer("grown", torch.zeros(1))
        self.calls, self.memory = 0, {"hidden": torch.zeros(8)}

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(self.first(inputs))
        if self.training:
            self.calls += 1
            self.trail = 0.9 * self.trail + 0.1 * hidden.detach().mean(0)
            self.memory["hidden"].mul_(0.5).add_(hidden.detach().mean(0))
            self.grown = self.grown + 1
            hidden = hidden + 0.01 * self.calls + 0.1 * self.memory["hidden"]
        out: torch.Tensor = self.last(nn.functional.dropout(hidden, 0.2, self.training))
        return out


class TiedLoss(Tiny):
    """The loss is a module with statistics and a parameter that no optimizer has."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(self.norm(outputs), targets)


def spec_of(task: str = TINY, **settings: Any) -> RunSpec:
    return tiny_spec(task=task, **settings)


GROUPS = 'AdamW(lr=0.003, groups={"body*": {"lr": 0.0003}, "*.bias": {"weight_decay": 0}})'

TASKS: dict[str, tuple[RunSpec, Callable[[], Any] | None]] = {
    "dropout": (spec_of(), None),
    "momentum and clipping": (spec_of(optimizer="SGD(lr=0.1, momentum=0.9)", clip_grad_norm=0.5), None),
    "batch norm, augmented": (spec_of(batch_size=5), lambda: RandomTask("dataset")),
    "own loader": (spec_of(batch_size=5), lambda: RandomTask("no workers")),
    "own loader with two workers": (spec_of(batch_size=5, epochs=2), lambda: RandomTask("two workers")),
    "own loader's generator": (spec_of(batch_size=5), lambda: RandomTask("own generator")),
    "sampled with replacement": (spec_of(batch_size=5), lambda: RandomTask("replacement")),
    "accumulated": (spec_of(batch_size=5, accumulate=3), lambda: RandomTask("weighted")),
    "bf16": (spec_of(precision="bf16"), lambda: RandomTask("in memory")),
    "averaged weights": (spec_of(schedule="SWALR(swa_lr=0.005, anneal_epochs=2)"), lambda: RandomTask("in memory")),
    "one cycle": (spec_of(schedule="OneCycleLR(max_lr=0.05)", optimizer="SGD(lr=0.1, momentum=0.9)"), None),
    "moody": (spec_of(optimizer="RAdam(lr=0.01)"), Moody),
    "a loss with parameters": (spec_of(optimizer="Adagrad(lr=0.05)"), TiedLoss),
    "regression": (spec_of(f"{EXAMPLES}/regression.py:Curve", batch_size=64, train_samples=256, epochs=2), None),
    "parameter groups": (
        spec_of(f"{EXAMPLES}/parameter_groups.py:FineTuning", optimizer=GROUPS, batch_size=200, epochs=2),
        None,
    ),
    "language model": (
        spec_of(f"{EXAMPLES}/language_model.py:Grammar", batch_size=8, train_samples=80, test_samples=16, epochs=2),
        None,
    ),
}


def everything(setup: RunSetup) -> Any:
    """Return the bytes of everything that a training step changes."""
    task = setup.task.task
    own = {name: value for name, value in vars(task).items() if not isinstance(value, (nn.Module, Tiny))}
    for name, value in own.items():
        if isinstance(value, torch.Generator):
            own[name] = value.get_state()
        elif isinstance(value, random.Random):
            own[name] = value.getstate()
        elif isinstance(value, np.random.Generator):
            own[name] = value.bit_generator.state
    modules = [setup.model, *(value for value in vars(task).values() if isinstance(value, nn.Module))]
    plain = [
        {name: value for name, value in vars(part).items() if not isinstance(value, nn.Module) and name[0] != "_"}
        for module in modules
        for part in module.modules()
    ]
    parameters = [parameter for module in modules for parameter in module.parameters()]
    return digest(
        {
            "models": [module.state_dict() for module in modules],
            "buffers": [unsaved_buffers(module) for module in modules],
            "gradients": [None if parameter.grad is None else parameter.grad for parameter in parameters],
            "optimizer": setup.optimizer.state_dict(),
            "stepped": vars(setup.optimizer).get("_opt_called"),
            "control": setup.lr_control.state(),
            "random": [str(part) for part in random_states(setup.train.generators)["python"]],
            "states": {k: v for k, v in random_states(setup.train.generators).items() if k != "python"},
            "task": own,
            "attributes": plain,
        }
    )


def identities(setup: RunSetup) -> list[int]:
    tensors = [*setup.model.parameters(), *setup.model.buffers()]
    states = [value for state in setup.optimizer.state.values() for value in state.values()]
    return [id(value) for value in (*tensors, *states, *setup.optimizer.param_groups)]


def quiet(_: str) -> None:
    pass


@pytest.mark.parametrize("name", TASKS)
def test_a_range_test_leaves_a_fresh_model_unchanged(name: str) -> None:
    spec, make = TASKS[name]
    untouched = set_up(spec, quiet, make() if make else None)
    order = digest(list(untouched.train.shuffled()))
    setup = set_up(spec, quiet, make() if make else None)
    before, objects = everything(setup), identities(setup)
    feed = RangeFeed()
    range_test(setup, SHORT, feed)
    points = feed.take()
    assert feed.end is not None
    assert feed.end.error is None
    assert len(points) >= 10
    assert everything(setup) == before
    assert identities(setup) == objects
    # the order of the data and its random numbers are unchanged as well
    assert digest(list(setup.train.shuffled())) == order


@pytest.mark.parametrize("name", TASKS)
def test_a_range_test_during_a_run_does_not_change_the_run(name: str, recording: RunRecorder) -> None:
    spec, make = TASKS[name]
    whole = recording.run(spec, None, make)
    middle = max(whole.steps) // 2
    feeds = [RangeFeed() for _ in range(3)]
    first, second, third = (RangeTest(SHORT, feed) for feed in feeds)
    # before the first step, mid-epoch in a pause, and after the last step of an epoch
    edge = whole.started.batches_per_epoch
    script = {0: [first], middle: [Pause(), second, Resume()], edge: [third]}
    tested = recording.run(spec, script, make)
    for feed in feeds:
        assert feed.end is not None
        assert feed.end.error is None
        assert len(feed.take()) >= 10
    assert tested.finished.error is None
    assert tested.steps == whole.steps
    assert tested.used == whole.used
    assert tested.tests == whole.tests
    assert tested.end == whole.end
    # the run's events contain nothing of it, only the pause
    kinds = [type(event).__name__ for event in tested.events if type(event).__name__ not in ("Paused", "Resumed")]
    assert kinds == [type(event).__name__ for event in whole.events]


def test_a_range_test_requested_during_a_test_runs_after_it(recording: RunRecorder) -> None:
    whole = recording.run(tiny_spec())
    feed = RangeFeed()
    tested = recording.run(tiny_spec(), {6: [RangeTest(SHORT, feed)]}, meets_tests=True, look=2)
    assert feed.end is not None
    assert feed.end.error is None
    assert tested.end == whole.end
    assert tested.tests == whole.tests


@pytest.mark.parametrize(("form", "words"), [("stream", "is a stream"), ("batches", "returned a OwnBatches")])
def test_a_range_test_is_refused_during_a_run_whose_data_cannot_be_resumed_exactly(
    form: str, words: str, recording: RunRecorder
) -> None:
    spec = spec_of(batch_size=5, epochs=2)
    whole = recording.run(spec, None, lambda: RandomTask(form))
    feed = RangeFeed()
    tested = recording.run(spec, {4: [RangeTest(SHORT, feed)]}, lambda: RandomTask(form))
    assert feed.end is not None
    assert isinstance(feed.end.error, UsageError)
    assert words in str(feed.end.error)
    assert not feed.take()
    assert tested.end == whole.end
    # nothing is continued after a test on a fresh model
    fresh = RangeFeed()
    range_test(set_up(spec, quiet, RandomTask(form)), SHORT, fresh)
    assert len(fresh.take()) == SHORT.steps


class BreaksLater(Tiny):
    """Fails at the twentieth training batch."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if outputs.requires_grad and self.left:
            self.left -= 1
            if not self.left:
                raise ValueError("this loss fails during the sweep")
        return super().loss(outputs, targets)


def test_a_range_test_that_fails_leaves_the_state_unchanged() -> None:
    setup = set_up(tiny_spec(), quiet, BreaksLater())
    setup.task.task.left = 10  # type: ignore[attr-defined]
    before, feed = everything(setup), RangeFeed()
    range_test(setup, SHORT, feed)
    assert len(feed.take()) == 9
    assert feed.end is not None
    assert isinstance(feed.end.error, TaskError)
    assert "this loss fails during the sweep" in str(feed.end.error)
    assert everything(setup) == before


def test_the_run_continues_after_a_range_test_that_fails(recording: RunRecorder) -> None:
    whole = recording.run(tiny_spec(), None, BreaksLater)

    class BreaksInTheSweep(BreaksLater):
        def __init__(self) -> None:
            super().__init__()
            self.left = 10 + 9

    feed = RangeFeed()
    tested = recording.run(tiny_spec(), {9: [RangeTest(SHORT, feed)]}, BreaksInTheSweep)
    assert feed.end is not None
    assert "fails during the sweep" in str(feed.end.error)
    # its counter was restored as well, so it fails in the run ten steps later
    assert "fails during the sweep" in str(tested.finished.error)
    assert max(tested.steps) == 17
    assert {step: whole.steps[step] for step in tested.steps} == tested.steps


@pytest.mark.parametrize("sweep", [SHORT, Sweep(0.01, 0.5, 40, linear=True)])
def test_every_step_is_made_with_the_lr_of_the_sweep_and_groups_keep_their_ratio(sweep: Sweep) -> None:
    setup = set_up(TASKS["parameter groups"][0], quiet)
    used: list[list[float]] = []
    setup.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append([group["lr"] for group in optimizer.param_groups])
    )
    feed = RangeFeed()
    range_test(setup, sweep, feed)
    points = feed.take()
    assert [lrs[0] for lrs in used] == [lr for lr, _ in points] == [sweep.lr(step) for step in range(len(points))]
    assert [lrs[1] / lrs[0] for lrs in used] == pytest.approx([0.1] * len(used))
    assert [lrs[2] for lrs in used] == [lrs[0] for lrs in used]


def test_losses_equal_those_of_a_plain_loop() -> None:
    spec = spec_of(batch_size=16, optimizer="SGD(lr=0.1, momentum=0.9)")
    setup, plain = set_up(spec, quiet), set_up(spec, quiet)
    # the loop must draw the same random numbers as the test
    torch.manual_seed(3)
    feed = RangeFeed()
    range_test(setup, SHORT, feed)
    losses: list[float] = []
    torch.manual_seed(3)
    batches = [batch for _ in range(5) for batch in plain.train.shuffled()]
    # the data's order has a separate generator, so only dropout draws from the global one
    torch.manual_seed(3)
    for step in range(SHORT.steps):
        inputs, targets = batches[step]
        plain.optimizer.param_groups[0]["lr"] = SHORT.lr(step)
        plain.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(plain.model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        plain.optimizer.step()
        losses.append(loss.item())
    points = feed.take()
    assert [loss for _, loss in points] == losses[: len(points)]
    assert len(points) > 15


def test_a_range_test_ends_when_the_loss_diverges() -> None:
    setup = set_up(spec_of(optimizer="SGD(lr=0.1)"), quiet, RandomTask("in memory"))

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((outputs.sum(1) - targets) ** 2).mean()

    setup.task.task.loss = loss  # type: ignore[method-assign]
    feed = RangeFeed()
    range_test(setup, Sweep(1e-5, 1e5, 120), feed)
    points = feed.take()
    assert feed.end is not None
    assert feed.end.outcome == "diverged"
    assert 20 < len(points) < 120
    assert points[-1][0] < 1e3


def test_a_non_finite_loss_ends_the_range_test() -> None:
    class BadAfterAWhile(BreaksLater):
        def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            loss = Tiny.loss(self, outputs, targets)
            self.left += outputs.requires_grad
            return loss * (float("nan") if self.left == 5 else 1.0)

    feed = RangeFeed()
    range_test(set_up(tiny_spec(), quiet, BadAfterAWhile()), SHORT, feed)
    points = feed.take()
    assert feed.end is not None
    assert feed.end.outcome == "diverged"
    assert len(points) == 5
    assert np.isnan(points[-1][1])


def test_a_range_test_stops_on_request_or_for_a_stop_command() -> None:
    setup, feed = set_up(tiny_spec(), quiet), RangeFeed()
    calls = iter([False, False, False, True])
    range_test(setup, SHORT, feed, should_stop=lambda: next(calls))
    assert feed.end is not None
    assert feed.end.outcome == "stopped"
    assert len(feed.take()) == 3
    stopped = RangeFeed()
    stopped.stop()
    range_test(setup, SHORT, stopped)
    assert stopped.end is not None
    assert stopped.end.outcome == "stopped"
    assert not stopped.take()


def test_stopping_the_run_ends_the_range_test_too(recording: RunRecorder) -> None:
    feed = RangeFeed()
    course = recording.run(tiny_spec(), {5: [RangeTest(SHORT, feed), Stop()]})
    assert feed.end is not None
    assert feed.end.outcome == "stopped"
    assert not feed.take()
    assert course.finished.outcome == "stopped"
    assert not [event for event in course.events if isinstance(event, CommandRefused)]


def test_training_time_excludes_the_range_test(recording: RunRecorder) -> None:
    feed = RangeFeed()

    class SlowInTheSweep(Tiny):
        def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            if feed.current_lr is not None and feed.end is None:
                # it takes some seconds, which the run's clock does not count
                time.sleep(0.12)
            return super().loss(outputs, targets)

    course = recording.run(tiny_spec(epochs=1), {3: [RangeTest(SHORT, feed)]}, SlowInTheSweep)
    assert len(feed.take()) == SHORT.steps
    assert course.finished.seconds < 0.1 * SHORT.steps


def test_group_ratios_are_those_configured_if_the_current_lr_is_0() -> None:
    setup = set_up(replace(TASKS["parameter groups"][0], schedule='LambdaLR("0 * epoch")'), quiet)
    assert [group["lr"] for group in setup.optimizer.param_groups] == [0, 0, 0]
    used: list[float] = []
    setup.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append(optimizer.param_groups[1]["lr"] / optimizer.param_groups[0]["lr"])
    )
    range_test(setup, SHORT, RangeFeed())
    assert used
    assert used == pytest.approx([0.1] * len(used))


@pytest.mark.parametrize(("first", "second", "in_use"), [(0, 0.01, 0.01), (0.02, 0, 0.02)])
def test_a_group_frozen_at_lr_0_stays_at_0(first: float, second: float, in_use: float) -> None:
    optimizer = f'AdamW(lr={first}, groups={{"body*": {{"lr": {second}}}}})'
    spec = replace(TASKS["parameter groups"][0], optimizer=optimizer, schedule='LambdaLR("1")')
    setup = set_up(spec, quiet)
    used: list[list[float]] = []
    setup.optimizer.register_step_pre_hook(
        lambda optimizer, *_: used.append([group["lr"] for group in optimizer.param_groups])
    )
    range_test(setup, SHORT, feed := RangeFeed())
    frozen = 0 if first == 0 else 1
    assert feed.current_lr == in_use
    assert [lrs[frozen] for lrs in used] == [0] * len(used)
    assert [lrs[1 - frozen] for lrs in used] == [SHORT.lr(step) for step in range(len(used))]
