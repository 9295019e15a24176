"""A LightningModule trained by lrtui gives the weights and metrics that Lightning's own Trainer gives."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from training_runs import run_events

import lrtui.tasks
from lrtui.run.commands import Stop
from lrtui.run.errors import TaskError
from lrtui.run.events import EvalDone, Event, Notice, RunFinished, RunStarted, StepDone
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

Configure = Callable[[Any, Any], Any]


class Module(pytorch_lightning.LightningModule):
    """Logs in every way, with metrics of torchmetrics, and values that depend on the epoch and the step."""

    def __init__(self, configure: Configure | None = None) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        self.f1 = torchmetrics.F1Score("multiclass", num_classes=2)
        self.configure = configure
        self.at_end: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y) * (1 + self.current_epoch)
        self.log_dict({"train_loss": loss, "number": 10 * self.current_epoch + batch_idx, "step": self.global_step})
        return {"loss": loss}

    def on_validation_epoch_start(self) -> None:
        self.at_end = []

    def validation_step(self, batch: Any) -> None:
        x, y = batch
        logits = self.net(x)
        self.f1(logits, y)
        self.log("val_loss", nn.functional.cross_entropy(logits, y))
        self.log("val_f1", self.f1)
        self.log("largest", logits.max(), reduce_fx="max")
        self.at_end.append(float(logits.sum()))

    def on_validation_epoch_end(self) -> None:
        self.log("at_end", sum(self.at_end))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        return optimizer if self.configure is None else self.configure(self, optimizer)


def samples(count: int) -> TensorDataset:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(count))
    return TensorDataset(x, (x.sum(dim=1) > 0).long())


class Data(pytorch_lightning.LightningDataModule):
    def setup(self, stage: str) -> None:
        self.sets = samples(64), samples(40)

    def train_dataloader(self) -> Any:
        return DataLoader(self.sets[0], batch_size=16)

    def val_dataloader(self) -> Any:
        return [DataLoader(self.sets[1], batch_size=16)]


def with_scheduler(make: Callable[[Any, Any], Any], **options: Any) -> Configure:
    def configure(module: Any, optimizer: Any) -> Any:
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": make(module, optimizer), **options}}

    return configure


CONFIGURED: dict[str, Configure] = {
    "StepLR(step_size=1, gamma=0.5)": lambda module, optimizer: (
        [optimizer],
        [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)],
    ),
    "OneCycleLR(max_lr=0.2, total_steps=12)": with_scheduler(
        lambda module, optimizer: torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.2, total_steps=module.trainer.estimated_stepping_batches
        ),
        interval="step",
    ),
    'ReduceLROnPlateau(factor=0.5, patience=0, metric="val_loss")': with_scheduler(
        lambda module, optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0),
        monitor="val_loss",
    ),
}


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def trained(task: Any, **settings: Any) -> tuple[Any, list[Event]]:
    """Return the module that a run has trained, and its events."""
    made: list[Any] = []
    model = task.model
    task.model = lambda: made.append(model()) or made[-1]
    events = run_events(RunSpec(**{"epochs": 3, "device": "cpu", **settings}), task=task)
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome == "done", end.error
    return made[-1], events


def lightning_trainer(folder: Path, *callbacks: Any) -> Any:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return pytorch_lightning.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=folder, callbacks=list(callbacks),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", CONFIGURED)
def test_a_run_equals_lightnings_own_trainer(text: str, tmp_path: Path) -> None:
    module = Module(CONFIGURED[text])
    theirs, logged = copy.deepcopy(module), []

    class Log(pytorch_lightning.Callback):
        def on_validation_end(self, trainer: Any, module: Any) -> None:
            logged.append({name: float(value) for name, value in trainer.callback_metrics.items()})

    lightning_trainer(tmp_path, Log()).fit(theirs, Data())
    task = lrtui.tasks.from_lightning(module, Data())
    ours, events = trained(task)
    for name, weights in theirs.state_dict().items():
        assert torch.equal(weights, ours.state_dict()[name]), name
    (started,) = of(RunStarted, events)
    assert started.spec.schedule == text
    assert [step.metrics["number"] for step in of(StepDone, events)] == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]
    assert [step.metrics["step"] for step in of(StepDone, events)] == list(range(12))
    tests = of(EvalDone, events)
    # callback_metrics has those of the training, too
    for test, expected in zip(tests, logged, strict=True):
        assert set(test.metrics) == {"val_loss", "val_f1", "largest", "at_end"}
        assert test.metrics == pytest.approx({name: expected[name] for name in test.metrics}, rel=1e-6)
    assert [test.loss for test in tests] == pytest.approx([each["val_loss"] for each in logged], rel=1e-6)


def test_every_run_starts_from_the_module_as_it_was_passed() -> None:
    module = Module()
    task = lrtui.tasks.from_lightning(module, DataLoader(samples(64), 16, shuffle=True), DataLoader(samples(40), 40))
    first = [step.loss for step in of(StepDone, trained(task, schedule="StepLR(1)")[1])]
    assert [step.loss for step in of(StepDone, trained(task, schedule="StepLR(1)")[1])] == first
    assert vars(module).keys() == vars(Module()).keys()
    assert module._trainer is None


def test_hooks_that_are_not_called_are_named() -> None:
    class Hooked(Module):
        def on_train_batch_end(self, *arguments: Any) -> None:
            raise AssertionError("not called")

    _, events = trained(lrtui.tasks.from_lightning(Hooked(), Data()), epochs=1)
    assert "hooks of Hooked that lrtui does not call: on_train_batch_end" in [
        event.text for event in of(Notice, events)
    ]


def failure(module: Any, **settings: Any) -> str:
    end = run_events(RunSpec(**{"epochs": 1, **settings}), task=lrtui.tasks.from_lightning(module, Data()))[-1]
    assert isinstance(end, RunFinished)
    return str(end.error)


def test_a_scheduler_that_is_not_a_schedule_is_refused_unless_the_settings_name_one() -> None:
    module = Module(with_scheduler(lambda _, o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 1.0)))
    assert failure(module) == (
        "configure_optimizers of Module: LambdaLR with lr_lambda as a Python function can't be written as a schedule; "
        "name a schedule for the run instead"
    )
    assert failure(module, schedule="StepLR(2)") == "None"


def test_mistakes_name_the_method() -> None:
    class NoLoss(Module):
        def validation_step(self, batch: Any) -> None:
            self.log("val_acc", 1.0)

    class Returns(Module):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return "loss"

    class Asks(Module):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=1 / self.trainer.strategy)

    assert "validation_step" in (text := failure(NoLoss()))
    assert "of NoLoss has no loss: return it, or log it as val_loss" in text
    assert "of Returns returned a str; expected the loss" in failure(Returns())
    assert "self.trainer.strategy is not available: lrtui trains in place of Lightning's Trainer" in failure(Asks())
    assert "expected an optimizer" in failure(Module(lambda module, optimizer: "Adam"))
    every_second = with_scheduler(lambda _, o: torch.optim.lr_scheduler.StepLR(o, 1), frequency=2)
    assert "has a scheduler with frequency=2" in failure(Module(every_second))


class Manual(Module):
    """Two optimizers, each for a part of the weights, stepped by the module."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        for optimizer in self.optimizers():
            self.toggle_optimizer(optimizer)
            loss = nn.functional.cross_entropy(self.net(x), y)
            optimizer.zero_grad()
            self.manual_backward(loss)
            self.clip_gradients(optimizer, gradient_clip_val=0.5, gradient_clip_algorithm="norm")
            optimizer.step()
            self.untoggle_optimizer(optimizer)
        self.log("a_loss", loss)

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.net[0].parameters(), lr=0.1), torch.optim.Adam(self.net[2].parameters(), lr=0.01)]


@pytest.mark.filterwarnings("ignore")
def test_manual_optimization_equals_lightnings_own_trainer(tmp_path: Path) -> None:
    module = Manual()
    theirs = copy.deepcopy(module)
    lightning_trainer(tmp_path).fit(theirs, Data())
    ours, events = trained(lrtui.tasks.from_lightning(module, Data()))
    for name, weights in theirs.state_dict().items():
        assert torch.equal(weights, ours.state_dict()[name]), name
    assert of(RunStarted, events)[0].group_names == ("optimizer0", "optimizer1")
    assert of(RunStarted, events)[0].spec.schedule == "ConstantLR(factor=1.0)"
    assert [step.loss for step in of(StepDone, events)] == [step.metrics["a_loss"] for step in of(StepDone, events)]


def test_manual_optimization_without_a_validation_step_is_not_tested() -> None:
    class NoTest(Manual):
        validation_step = pytorch_lightning.LightningModule.validation_step

    _, events = trained(lrtui.tasks.from_lightning(NoTest(), Data()))
    assert not of(EvalDone, events)


@pytest.mark.parametrize("step", [5, 8])
def test_a_module_that_reads_the_epoch_is_resumed_bit_identically(step: int, tmp_path: Path) -> None:
    def run(commands: dict[int, Any], **more: Any) -> list[Event]:
        module = Module(CONFIGURED["OneCycleLR(max_lr=0.2, total_steps=12)"])
        task = lrtui.tasks.from_lightning(module, Data())
        return run_events(RunSpec(epochs=3, device="cpu"), commands, task=task, **more)

    whole = of(StepDone, run({}))
    first = run({step: [Stop()]}, checkpoints=Checkpoints(tmp_path))
    assert not [event.text for event in of(Notice, first) if event.level != "info"]
    rest = run({}, resume_point=ResumePoint(saved_files(tmp_path)[-1].path), next_seq=10**6)
    steps = [*of(StepDone, first), *of(StepDone, rest)]
    assert [(each.loss, each.lrs, each.metrics) for each in steps] == [
        (each.loss, each.lrs, each.metrics) for each in whole
    ]


def test_what_is_no_module_is_refused_at_once() -> None:
    with pytest.raises(TaskError, match="Linear is no LightningModule with a training_step"):
        lrtui.tasks.from_lightning(nn.Linear(1, 1), Data())
    with pytest.raises(TaskError, match="takes a LightningModule or a function, not a str"):
        lrtui.tasks.from_lightning("module", Data())
    end = run_events(RunSpec(epochs=1), task=lrtui.tasks.from_lightning(Manual, Data()))[-1]
    assert "Manual returns a module that optimizes manually: pass the module, not a function" in str(end)
