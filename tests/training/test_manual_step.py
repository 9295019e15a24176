"""Manual optimization: a task's `step(model, batch, optimizers)` trains by itself, exactly as in a plain loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from plain_optimizer_loop import EPOCHS, Ordered, plain_loop, recorded
from torch import nn
from training_runs import run_events

from lrtui.run.commands import EvaluateNow, Stop
from lrtui.run.events import RunFinished, RunStarted, StepDone
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints


class Gan(Ordered):
    """A generator and a discriminator, with noise and dropout."""

    def model(self) -> nn.Module:
        torch.manual_seed(3)
        generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))
        discriminator = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1))
        return nn.ModuleDict({"generator": generator, "discriminator": discriminator})

    def optimizer(self, model: Any) -> Any:
        return {
            "generator": torch.optim.Adam(model["generator"].parameters(), lr=0.01, betas=(0.5, 0.999)),
            "discriminator": torch.optim.Adam(model["discriminator"].parameters(), lr=0.02),
        }

    def step(self, model: Any, batch: Any, optimizers: Any) -> Any:
        bce = nn.functional.binary_cross_entropy_with_logits
        real, fake = batch[0], model["generator"](torch.randn(len(batch[0]), 2))
        scores = model["discriminator"](torch.cat([real, fake.detach()]))
        truth = torch.cat([torch.ones(len(real), 1), torch.zeros(len(fake), 1)])
        loss_d = bce(scores, truth)
        optimizers["discriminator"].zero_grad()
        loss_d.backward()
        optimizers["discriminator"].step()
        loss_g = bce(model["discriminator"](fake), torch.ones(len(fake), 1))
        optimizers["generator"].zero_grad()
        loss_g.backward()
        optimizers["generator"].step()
        return loss_g, {"discriminator loss": loss_d}

    def test_step(self, model: Any, batch: Any) -> Any:
        return model["discriminator"](batch[0]).mean()


class Lbfgs(Ordered):
    """A closure of the task's own; the optimizer is that of the settings."""

    def step(self, model: nn.Module, batch: Any, optimizers: Any) -> Any:
        def closure() -> Any:
            optimizers["optimizer"].zero_grad()
            loss = self.loss(model(batch[0]), batch[1])
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        return optimizers["optimizer"].step(closure)


def spec(**settings: Any) -> RunSpec:
    return RunSpec(**{"schedule": "ExponentialLR(0.5)", "epochs": EPOCHS, "batch_size": 16, **settings})


def test_a_gan_equals_a_plain_loop_and_is_resumed_bit_identically(tmp_path: Path) -> None:
    schedule = "PerOptimizer(generator=ExponentialLR(0.5), discriminator=StepLR(2))"
    whole = run_events(spec(schedule=schedule), task=Gan())
    end = whole[-1]
    assert isinstance(end, RunFinished)
    assert (end.outcome, end.error) == ("done", None)
    started = next(event for event in whole if isinstance(event, RunStarted))
    assert started.group_names == ("generator", "discriminator")
    first = run_events(
        spec(schedule=schedule), {8: [EvaluateNow()], 9: [Stop()]}, task=Gan(), checkpoints=Checkpoints(tmp_path)
    )
    point = ResumePoint(saved_files(tmp_path)[-1].path)
    rest = run_events(spec(schedule=schedule), task=Gan(), resume_point=point, next_seq=10**6)
    steps = [event for event in whole if isinstance(event, StepDone)]
    resumed = [event for event in [*first, *rest] if isinstance(event, StepDone)]
    for name in ("loss", "lrs", "metrics"):
        assert [getattr(event, name) for event in resumed] == [getattr(event, name) for event in steps]

    # the same steps by hand, from the random state of the run
    class WithoutNoise(Gan):
        def model(self) -> nn.Module:
            model = super().model()
            model.get_submodule("discriminator")[2].p = 0.0  # type: ignore[operator, index, union-attr]
            return model

        def step(self, model: Any, batch: Any, optimizers: Any) -> Any:
            torch.manual_seed(len(batch[0]))
            return super().step(model, batch, optimizers)

    losses, lrs, _ = recorded(run_events(spec(schedule=schedule), task=WithoutNoise()))
    task = WithoutNoise()
    model = task.model()
    optimizers = task.optimizer(model)
    schedulers = [
        torch.optim.lr_scheduler.ExponentialLR(optimizers["generator"], 0.5),
        torch.optim.lr_scheduler.StepLR(optimizers["discriminator"], 2),
    ]
    task.loss = lambda outputs, targets: outputs.mean()  # type: ignore[method-assign]
    forward = model["discriminator"]  # type: ignore[index]
    model.forward = lambda inputs: forward(inputs)
    expected = plain_loop(
        task, optimizers, model, schedulers, step=lambda batch: float(task.step(model, batch, optimizers)[0].detach())
    )
    assert lrs == expected[1]
    assert losses == pytest.approx(expected[0], abs=1e-6)


def test_a_closure_of_the_task_gets_the_single_optimizer() -> None:
    text = "LBFGS(lr=0.5, max_iter=3)"
    manual = recorded(run_events(spec(optimizer=text), task=Lbfgs()))
    automatic = recorded(run_events(spec(optimizer=text), task=Ordered()))
    assert manual == automatic


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accumulate": 2}, "--accumulate 2: step(model, batch, optimizers) of the task calls backward() and step()"),
        ({"clip_grad_norm": 1.0}, "--clip-grad-norm 1: step"),
        ({"precision": "fp16"}, "--precision fp16: step"),
    ],
)
def test_settings_that_need_the_loops_own_step_are_refused(settings: Any, message: str) -> None:
    assert message in str(getattr(run_events(spec(**settings), task=Gan())[-1], "error", ""))


def test_a_test_without_a_loss_names_test_step() -> None:
    class NoTest(Gan):
        test_step = None  # type: ignore[assignment]
        loss = None  # type: ignore[assignment]

        def model(self) -> nn.Module:
            return nn.Linear(4, 2)

        def optimizer(self, model: Any) -> Any:
            return torch.optim.SGD(model.parameters(), lr=0.1)

    assert "test_step(model, batch) to the task" in str(getattr(run_events(spec(), task=NoTest())[-1], "error", ""))


class Accumulating(Ordered):
    """Adds up the gradients of two batches, with a criterion that the model does not have."""

    def model(self) -> nn.Module:
        self.criterion, self.batches = nn.Linear(2, 2), 0
        return nn.Linear(4, 2)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD([*model.parameters(), *self.criterion.parameters()], lr=0.05)

    def step(self, model: nn.Module, batch: Any, optimizers: Any) -> Any:
        loss = self.loss(self.criterion(model(batch[0])), batch[1])
        loss.backward()
        self.batches += 1
        if self.batches % 2 == 0:
            optimizers["optimizer"].step()
            optimizers["optimizer"].zero_grad()
        return loss

    def state_dict(self) -> Any:
        return {"batches": self.batches}

    def load_state_dict(self, state: Any) -> None:
        self.batches = state["batches"]


def test_gradients_that_the_next_step_adds_to_are_resumed_bit_identically(tmp_path: Path) -> None:
    spec = RunSpec(schedule="StepLR(1)", epochs=2, batch_size=16, device="cpu")
    whole = run_events(spec, task=Accumulating())
    first = run_events(spec, {3: [Stop()]}, task=Accumulating(), checkpoints=Checkpoints(tmp_path, 1e9))
    point = ResumePoint(saved_files(tmp_path)[-1].path)
    rest = run_events(spec, task=Accumulating(), resume_point=point, next_seq=first[-1].seq + 1)
    losses = [[event.loss for event in events if isinstance(event, StepDone)] for events in (whole, first, rest)]
    assert losses[0] == losses[1] + losses[2]
    assert losses[2]
