"""Accumulation, clipping and 16-bit computing, as run options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from training_runs import run_events, tiny_spec

from lrtui.run.commands import ScaleLr
from lrtui.run.errors import UsageError
from lrtui.run.events import RunStarted, StepDone
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tasks.registry import expected_batches_per_epoch
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import set_up
from lrtui.training.train import train


class Plain:
    """A model without randomness in float64, so that only the order of additions can differ."""

    def __init__(self, count: int = 44) -> None:
        generator = torch.Generator().manual_seed(5)
        self.inputs = torch.randn(count, 4, generator=generator, dtype=torch.float64)
        self.targets = self.inputs.sum(dim=1, keepdim=True) + 1

    def model(self) -> torch.nn.Module:
        self.made = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
        return self.made

    def training_data(self) -> Any:
        return self.inputs, self.targets

    test_data = training_data

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.mse_loss(outputs, targets)


def play(**settings: Any) -> tuple[list[Any], torch.nn.Module]:
    task, reporter = Plain(), Reporter(feed := LiveFeed())
    train(RunSpec(**{"schedule": "StepLR(2)", "epochs": 3, **settings}), Inbox(), reporter, task)
    return feed.take(10**6), task.made


def of(kind: type[Any], events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 3), (6, 2), (1, 12), (5, 100)])
def test_batches_that_make_one_step_are_one_large_batch(batch_size: int, accumulate: int) -> None:
    # 44 samples: the last step has fewer batches, and the last batch fewer samples
    events, model = play(batch_size=batch_size, accumulate=accumulate)
    expected, large = play(batch_size=min(batch_size * accumulate, 44))
    assert of(RunStarted, events)[0].total_steps == of(RunStarted, expected)[0].total_steps
    assert [e.loss for e in of(StepDone, events)] == pytest.approx([e.loss for e in of(StepDone, expected)], rel=1e-9)
    torch.testing.assert_close(weights(model), weights(large), rtol=1e-8, atol=1e-10)


def test_schedules_count_optimizer_steps() -> None:
    events, _ = play(batch_size=4, accumulate=3, schedule="OneCycleLR(max_lr=0.1)")
    started = of(RunStarted, events)[0]
    assert (started.batches_per_epoch, started.total_steps) == (4, 12)
    assert started.spec.schedule == "OneCycleLR(max_lr=0.1, total_steps=12)"
    steps = of(StepDone, events)
    assert [(e.step, e.epoch, e.batch) for e in steps[:5]] == [(0, 1, 0), (1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 0)]
    assert expected_batches_per_epoch(RunSpec(batch_size=64, accumulate=4)) == 235


def test_samples_a_second_are_those_of_all_batches_of_a_step() -> None:
    slow, fast = RunState(), RunState()
    events, _ = play(batch_size=4, accumulate=3)
    slow.fold(events)
    fast.fold(
        event
        if not isinstance(event, RunStarted)
        else RunStarted(**{**{n: getattr(event, n) for n in event.__dataclass_fields__}, "spec": RunSpec(batch_size=4)})
        for event in events
    )
    assert slow.samples_per_second == pytest.approx(3 * (fast.samples_per_second or 0))


@pytest.mark.parametrize("limit", [0.01, 0.5])
def test_gradients_are_clipped_to_a_norm(limit: float) -> None:
    norms: list[float] = []

    class Watched(Plain):
        def model(self) -> torch.nn.Module:
            model = super().model()
            self.before = weights(model)
            return model

    task = Watched()
    spec = RunSpec(schedule='LambdaLR("1")', optimizer="SGD(lr=1.0)", epochs=1, batch_size=44, clip_grad_norm=limit)
    train(spec, Inbox(), Reporter(LiveFeed()), task)
    norms.append(float((weights(task.made) - task.before).norm()))
    # one step of plain SGD at lr 1 moves the weights by the gradient itself
    assert norms == [pytest.approx(limit, rel=1e-4)]


def test_a_norm_that_is_large_enough_changes_nothing() -> None:
    assert torch.equal(weights(play(clip_grad_norm=1e9)[1]), weights(play()[1]))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_model_learns_in_16_bits(precision: str, clip: float | None) -> None:
    settings = {"epochs": 12, "clip_grad_norm": clip, "accumulate": 2, "schedule": "OneCycleLR(max_lr=0.05)"}
    events = run_events(tiny_spec(precision=precision, **settings))
    plain = run_events(tiny_spec(**settings))
    losses, expected = ([e.loss for e in of(StepDone, each)] for each in (events, plain))
    assert events[-1].outcome == "done", events[-1]
    assert losses != expected
    assert losses[-1] < 0.5 * losses[0]
    # the lr is unchanged, since a step that the scaler skips still counts as a step of the schedule
    assert [e.lrs for e in of(StepDone, events)] == [e.lrs for e in of(StepDone, plain)]


def test_a_step_whose_gradients_overflow_in_fp16_is_skipped_and_the_run_continues() -> None:
    class Steep(Plain):
        def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            # its gradient, times the scaler's first 65536, is beyond fp16
            return super().loss(outputs, targets) * 100

        def model(self) -> torch.nn.Module:
            return super().model().float()

        def training_data(self) -> Any:
            return self.inputs.float(), self.targets.float()

        test_data = training_data

    task, reporter = Steep(), Reporter(feed := LiveFeed())
    spec = RunSpec(schedule="OneCycleLR(max_lr=0.02)", epochs=20, batch_size=11, precision="fp16")
    train(spec, Inbox(), reporter, task)
    events = feed.take(10**6)
    losses = [e.loss for e in of(StepDone, events)]
    assert events[-1].outcome == "done", events[-1]
    assert losses[-1] < 0.5 * losses[0]


def test_a_nudge_in_the_middle_of_an_accumulated_epoch_holds_from_the_next_step() -> None:
    events = run_events(tiny_spec(accumulate=2, schedule='LambdaLR("1")'), {1: [ScaleLr(2.0)]})
    assert [e.lrs[0] for e in of(StepDone, events)][:3] == [0.01, 0.02, 0.02]


@pytest.mark.parametrize(
    "optimizer",
    ["Adam(lr=0.01, capturable=True)", "SGD(lr=0.1, differentiable=True)", 'Adam(groups={"0*": {"capturable": True}})'],
)
def test_flags_that_training_cannot_use_are_refused_before_data_is_loaded(optimizer: str) -> None:
    class NoData(Plain):
        def training_data(self) -> Any:
            raise AssertionError

    with pytest.raises(UsageError, match="leave it out"):
        set_up(RunSpec(schedule="StepLR(2)", optimizer=optimizer, device="cpu"), lambda _: None, NoData())
