"""Scripts with metrics of the whole test set, steps of their own and other optimizers equal a plain PyTorch loop."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_runs import EXAMPLES as FOLDER
from plain_runs import RecordedRun, assert_equals_plain_loop, example, lines_for_lrtui, recorded_run, seeded
from torch import nn
from torch.optim import lr_scheduler
from training_runs import run_events

from lrtui.__main__ import main
from lrtui.run.commands import Stop
from lrtui.run.events import EvalDone, Event, StepDone
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

EXAMPLES = (
    "unet_iou",
    "auc_f1",
    "gan",
    "timm_layer_decay",
    "triplet_loss",
    "detection",
    "lbfgs",
    "lion",
    "muon_adamw",
    "schedule_free",
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_needs_at_most_three_lines_for_lrtui(name: str) -> None:
    assert lines_for_lrtui(name) <= 3


def outputs_of(model: nn.Module, loader: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return outputs and targets of a whole test set."""
    model.eval()
    with torch.no_grad():
        pairs = [(model(inputs), targets) for inputs, targets in loader]
    outputs, targets = (torch.cat(each) for each in zip(*pairs, strict=True))
    return outputs, targets


def test_a_unet_with_iou_over_the_whole_test_set(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("unet_iou")
    trained: list[nn.Module] = []

    def unet() -> nn.Module:
        trained.append(script.UNet())
        return trained[-1]

    monkeypatch.setattr(script.task, "model", unet)
    run = recorded_run(monkeypatch, script.task, schedule="OneCycleLR(max_lr=0.01)")
    model = seeded(script.UNet)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=16)
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: script.criterion(model(batch[0]), batch[1]), scheduler, per="batch"
    )
    # the run's own model: rounding differs by enough for some of the 20,480 pixels
    exact = script.iou(*outputs_of(trained[-1], script.test_loader))
    assert run.tests[-1].metrics == pytest.approx({name: float(value) for name, value in exact.items()}, abs=1e-6)
    assert (run.started.best, run.started.mode) == ("iou", "max")


def test_auc_and_f1_of_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.functional.classification import binary_auroc, binary_f1_score

    script = example("auc_f1")
    run = recorded_run(monkeypatch, script.task, schedule="CosineAnnealingLR()", optimizer="AdamW(lr=0.01)")
    model = seeded(script.Classifier)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: nn.functional.binary_cross_entropy(model(batch[0]), batch[1]),
        scheduler,
    )  # fmt: skip
    outputs, targets = outputs_of(model, script.test_loader)
    exact = {"auc": binary_auroc(outputs, targets.long()), "f1": binary_f1_score(outputs, targets)}
    assert run.tests[-1].metrics == pytest.approx({name: float(value) for name, value in exact.items()}, abs=1e-6)


def test_a_gan_with_two_optimizers(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("gan")
    schedule = "PerOptimizer(generator=ConstantLR(factor=1), discriminator=ExponentialLR(gamma=0.9))"
    run = recorded_run(monkeypatch, script.task, schedule=schedule)
    model = copy.deepcopy(script.model)
    optimizers = script.make_optimizers(model)
    found = []

    def train_step(model: nn.Module, batch: Any) -> torch.Tensor:
        loss, values = script.train_step(model, batch, optimizers)
        found.append(values["discriminator loss"].item())
        assert isinstance(loss, torch.Tensor)
        return loss

    scheduler = lr_scheduler.ExponentialLR(optimizers["discriminator"], gamma=0.9)
    assert_equals_plain_loop(run, model, optimizers, train_step, scheduler, steps_itself=True)
    assert [step.metrics["discriminator loss"] for step in run.steps] == pytest.approx(found, abs=1e-6)


def test_layer_wise_decay_of_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    from timm.scheduler import CosineLRScheduler

    script = example("timm_layer_decay")
    run = recorded_run(monkeypatch, script.task, schedule="CosineAnnealingLR(per='batch')")
    model = copy.deepcopy(script.model)
    optimizer = script.make_optimizer(model)
    theirs = CosineLRScheduler(optimizer, t_initial=8, t_in_epochs=False)

    class Steps:
        done = 0

        def step(self) -> None:
            self.done += 1
            theirs.step_update(self.done)

    theirs.step_update(0)
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: script.train_loss_fn(model(batch[0]), batch[1]), Steps(),
        per="batch", lr_rounding=1e-12,
    )  # fmt: skip
    assert len(set(run.steps[0].lrs)) > 3


def test_triplets(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("triplet_loss")
    run = recorded_run(monkeypatch, script.task, schedule="CosineAnnealingLR()", optimizer="Adam(lr=0.001)")
    model = seeded(script.EmbeddingNet)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    assert_equals_plain_loop(run, model, optimizer, lambda model, batch: script.step(model, batch)[0], scheduler)
    assert run.batch_line.endswith("; step(model, batch)")
    # a whole number of the 80 triplets, weighted by samples: 32, 32 and 16
    assert run.tests[-1].metrics["correct"] * 80 == pytest.approx(round(run.tests[-1].metrics["correct"] * 80))


def test_detection_with_lists_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("detection")
    run = recorded_run(monkeypatch, script.task, schedule="StepLR(step_size=3)", epochs=1)
    model = seeded(script.make_model)
    optimizer = script.make_optimizer(model)
    parts: list[Mapping[str, torch.Tensor]] = []

    def train_step(model: nn.Module, batch: Any) -> torch.Tensor:
        loss, values = script.train_step(model, batch)
        parts.append(values)
        assert isinstance(loss, torch.Tensor)
        return loss

    assert_equals_plain_loop(run, model, optimizer, train_step)
    for step, values in zip(run.steps, parts, strict=True):
        assert step.metrics == pytest.approx({name: value.item() for name, value in values.items()}, abs=1e-6)
    # two batches of two images and one of one, weighted by images
    model.eval()
    with torch.no_grad():
        values = [script.test_step(model, batch)[1]["best iou"].item() for batch in script.data_loader_test]
    exact = sum(count * value for count, value in zip([2, 2, 1], values, strict=True)) / 5
    assert run.tests[-1].metrics["best iou"] == pytest.approx(exact, abs=1e-6)


def test_lbfgs_gets_its_closure(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("lbfgs")
    run = recorded_run(monkeypatch, script.task, schedule="ExponentialLR(gamma=0.9)", epochs=5)
    model = copy.deepcopy(script.model)
    optimizer = script.make_optimizer(model)

    def train_step(model: nn.Module, batch: Any) -> Any:
        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(batch[0]), batch[1])
            loss.backward()
            return loss

        return optimizer.step(closure)

    scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    assert_equals_plain_loop(run, model, optimizer, train_step, scheduler, steps_itself=True)
    assert run.steps[-1].loss < 0.2 * run.steps[0].loss


def cross_entropy(model: nn.Module, batch: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def test_lion(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import get_cosine_schedule_with_warmup

    script = example("lion")
    run = recorded_run(monkeypatch, script.task, schedule="WarmupCosine(warmup=4)")
    model = copy.deepcopy(script.model)
    optimizer = script.make_optimizer(model)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 4, 20)
    assert_equals_plain_loop(run, model, optimizer, cross_entropy, scheduler, per="batch", lr_rounding=1e-15)


@pytest.mark.parametrize("is_shared", [False, True])
def test_muon_and_adamw(monkeypatch: pytest.MonkeyPatch, is_shared: bool) -> None:
    script = example("muon_adamw")
    schedule = "PerOptimizer(muon=StepLR(1, per='batch'), adamw=CosineAnnealingLR(per='batch'))"
    run = recorded_run(monkeypatch, script.task, schedule="CosineAnnealingLR(per='batch')" if is_shared else schedule)
    model = seeded(script.Model)
    optimizers = script.make_optimizers(model)
    cosine = lr_scheduler.CosineAnnealingLR
    schedulers = [
        cosine(optimizers["muon"], T_max=20) if is_shared else lr_scheduler.StepLR(optimizers["muon"], 1),
        cosine(optimizers["adamw"], T_max=20),
    ]
    assert_equals_plain_loop(
        run, model, optimizers, lambda model, batch: script.loss(model(batch[0]), batch[1]), schedulers, per="batch"
    )


def test_schedule_free(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("schedule_free")
    run = recorded_run(monkeypatch, script.task, schedule="ConstantLR(factor=1)")
    model = copy.deepcopy(script.model)
    optimizer = script.make_optimizer(model)
    optimizer.train()
    assert_equals_plain_loop(run, model, optimizer, cross_entropy)
    # the test is that of the averaged weights
    optimizer.eval()
    outputs, targets = outputs_of(model, script.test_loader)
    assert run.tests[-1].loss == pytest.approx(nn.functional.cross_entropy(outputs, targets).item(), abs=1e-6)


def test_other_runs_of_an_example_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metric objects and models are those of each run: nothing is left from the run before."""
    script = example("auc_f1")
    runs: list[RecordedRun] = [recorded_run(monkeypatch, script.task, schedule="StepLR(1)", epochs=1) for _ in range(2)]
    assert runs[0].tests[-1].metrics == runs[1].tests[-1].metrics
    assert [step.loss for step in runs[0].steps] == [step.loss for step in runs[1].steps]


@pytest.mark.parametrize("name", ["gan", "muon_adamw", "auc_f1"])
def test_an_example_is_resumed_within_an_epoch_to_the_bit(name: str, tmp_path: Path) -> None:
    spec = RunSpec(schedule="CosineAnnealingLR(per='batch')", epochs=2, device="cpu")
    whole = run_events(spec, task=example(name).task)
    first = run_events(spec, {13: [Stop()]}, task=example(name).task, checkpoints=Checkpoints(tmp_path, 1e9))
    point = ResumePoint(saved_files(tmp_path)[-1].path)
    rest = run_events(spec, task=example(name).task, resume_point=point, next_seq=first[-1].seq + 1)
    assert numbers(first) + numbers(rest) == numbers(whole)


def numbers(events: list[Event]) -> list[Any]:
    return [
        (event.step, event.loss, event.metrics, getattr(event, "lrs", None))
        for event in events
        if isinstance(event, (StepDone, EvalDone))
    ]


def test_the_schedule_is_checked_with_the_optimizers_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    schedule = "PerOptimizer(generator=ConstantLR(factor=1), discriminator=StepLR(1))"
    assert main(["train", schedule, "--task", f"{FOLDER / 'gan.py'}:task", "--epochs", "1"]) == 0
    assert "always 0.01" not in capsys.readouterr().err


def test_a_script_may_switch_the_schedule_of_one_optimizer(capsys: pytest.CaptureFixture[str]) -> None:
    schedule = "PerOptimizer(generator=ConstantLR(factor=1), discriminator=PolynomialLR(total_iters=1))"
    script = ("--at", "epoch 1: discriminator=StepLR(9)")
    assert main(["train", schedule, *script, "--task", f"{FOLDER / 'gan.py'}:task", "--epochs", "2"]) == 0
    output = capsys.readouterr()
    (finding,) = (line for line in output.err.splitlines() if line.startswith("check: "))
    assert finding.startswith("check: never-reached: discriminator: step_size=9")
