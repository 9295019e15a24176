"""Training scripts as people write them run with at most three lines for lrtui, exactly as in a plain PyTorch loop."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from plain_runs import assert_equals_plain_loop, example, lines_for_lrtui, recorded_run, seeded
from torch import nn
from torch.optim import lr_scheduler

from lrtui import Horizon, parse_optimizer, parse_schedule, simulate
from lrtui.schedules.scheduler_recording import recorded_schedulers
from lrtui.schedules.transformers_schedules import transformers_schedule

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

EXAMPLES = (
    "mnist_adadelta",
    "resnet_mixup",
    "bert_classification",
    "char_gpt",
    "two_inputs",
    "float64",
    "autoencoder",
    "lightning_module",
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_needs_at_most_three_lines_for_lrtui(name: str) -> None:
    assert lines_for_lrtui(name) <= 3


def test_mnist_with_adadelta(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("mnist_adadelta")
    run = recorded_run(monkeypatch, script.task, schedule="StepLR(step_size=1, gamma=0.7)")
    model = seeded(script.Net)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: nn.functional.nll_loss(model(batch[0]), batch[1]),
        lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7),
    )  # fmt: skip
    assert (run.tests[-1].accuracy or 0) > 0.9


def test_resnet_with_mixup_and_parameter_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("resnet_mixup")
    schedule = "SequentialLR([LinearLR(start_factor=0.01, total_iters=4), CosineAnnealingLR()], milestones=[4])"
    run = recorded_run(monkeypatch, script.task, schedule=schedule.replace("[4])", "[4], per='batch')"))
    model = copy.deepcopy(script.model)
    optimizer = script.make_optimizer(model)
    parts: list[Any] = [
        lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=4),
        lr_scheduler.CosineAnnealingLR(optimizer, T_max=4),
    ]
    scheduler = lr_scheduler.SequentialLR(optimizer, parts, milestones=[4])
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: script.criterion(model(batch[0]), batch[1]), scheduler, per="batch"
    )
    assert run.started.data["test"] == 16
    # mixed targets in training, plain ones in the test
    assert run.batches[0][1].shape == (8, 10)


def test_bert_with_batches_that_are_dicts(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import get_linear_schedule_with_warmup

    script = example("bert_classification")
    run = recorded_run(monkeypatch, script.task, schedule="WarmupLinear(warmup=4)")
    model = copy.deepcopy(script.model)
    optimizer = script.make_optimizer(model)
    scheduler = get_linear_schedule_with_warmup(optimizer, 4, 32)
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: model(**batch).loss, scheduler, per="batch", lr_rounding=1e-15
    )
    assert run.tests[-1].accuracy is not None
    assert run.batch_line == ("batch: dict of input_ids, attention_mask, labels; model(**batch); loss from the model")


def test_schedules_of_transformers_are_written_as_those_that_equal_them() -> None:
    import transformers

    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    cases = {
        "WarmupLinear(warmup=3, total_steps=10)": transformers.get_linear_schedule_with_warmup(optimizer, 3, 10),
        "WarmupCosine(warmup=3, total_steps=10)": transformers.get_cosine_schedule_with_warmup(optimizer, 3, 10),
        "ConstantWithWarmup(warmup=3)": transformers.get_constant_schedule_with_warmup(optimizer, 3),
        "ConstantLR(factor=1.0)": transformers.get_constant_schedule(optimizer),
    }
    others = (
        transformers.get_cosine_schedule_with_warmup(optimizer, 3, 10, num_cycles=2),
        transformers.get_linear_schedule_with_warmup(optimizer, 0.5, 10),
        transformers.get_inverse_sqrt_schedule(optimizer, 3),
    )
    for text, scheduler in cases.items():
        found = transformers_schedule(scheduler.lr_lambdas[0])
        assert found is not None
        assert parse_schedule(text).arguments == dict(found[1])
        horizon = Horizon(epochs=1, batches_per_epoch=10)
        lrs = simulate(parse_schedule(text.replace(")", ', per="batch")')), parse_optimizer("SGD(lr=0.1)"), horizon)
        expected = [0.1 * scheduler.lr_lambdas[0](step) for step in range(10)]
        assert lrs[:, 0].tolist() == pytest.approx(expected, rel=1e-15, abs=0)
    assert [transformers_schedule(other.lr_lambdas[0]) for other in others] == [None, None, None]
    assert transformers_schedule(lambda step: 1.0) is None
    with recorded_schedulers() as records:
        scheduler = transformers.get_cosine_schedule_with_warmup(optimizer, 2, 8)
        assert str(records.schedule(scheduler, "batch")) == "WarmupCosine(warmup=2, total_steps=8)"


def test_a_gpt_on_an_endless_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import get_cosine_schedule_with_warmup

    script = example("char_gpt")
    run = recorded_run(monkeypatch, script.task, schedule="WarmupCosine(warmup=4)", train_samples=160)
    model = seeded(script.GPT)
    optimizer = script.GPT.configure_optimizers(model)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 4, 20)
    assert_equals_plain_loop(run, model, optimizer, lambda model, batch: model(*batch)[1], scheduler, per="batch")
    assert run.batch_line.endswith("model(*batch); loss from the model")
    # the stream goes on in the second epoch
    assert not torch.equal(run.batches[0][0], run.batches[10][0])


def test_a_model_with_two_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("two_inputs")
    run = recorded_run(monkeypatch, script.task, schedule="CosineAnnealingLR()", optimizer="Adam(lr=0.02)")
    model = seeded(script.MatrixFactorization)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: nn.functional.mse_loss(model(batch[0], batch[1]), batch[2]),
        lr_scheduler.CosineAnnealingLR(optimizer, T_max=2),
    )  # fmt: skip


def test_a_model_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("float64")
    run = recorded_run(monkeypatch, script.task, schedule="ExponentialLR(gamma=0.9)")
    model = copy.deepcopy(script.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    assert_equals_plain_loop(
        run, model, optimizer, lambda model, batch: nn.functional.mse_loss(model(batch[0]), batch[1]), scheduler
    )


def test_an_autoencoder(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("autoencoder")
    run = recorded_run(monkeypatch, script.task, schedule="OneCycleLR(max_lr=0.01)")
    model = seeded(script.AutoEncoder)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=16)
    assert_equals_plain_loop(
        run,
        model,
        optimizer,
        lambda model, batch: nn.functional.mse_loss(model(batch[0]), batch[0]),
        scheduler,
        per="batch",
    )


def test_a_lightning_module_with_its_own_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("lightning_module")
    run = recorded_run(monkeypatch, script.task)
    model = copy.deepcopy(script.module)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=16)

    def loss_of(model: Any, batch: Any) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(model(batch[0]), batch[1].float())

    assert_equals_plain_loop(run, model, optimizer, loss_of, scheduler, per="batch")
    assert run.started.spec.schedule == "OneCycleLR(max_lr=0.01, total_steps=16)"
    assert run.started.spec.optimizer == "task:AdamW(lr=0.01, betas=(0.9, 0.999), weight_decay=0.01)"
    assert all(0 <= step.metrics["train_acc"] <= 1 for step in run.steps)
    model.eval()
    loader = script.task.test_data()
    logits = torch.cat([model(x) for x, _ in loader])
    labels = torch.cat([y for _, y in loader])
    expected = nn.functional.binary_cross_entropy_with_logits(logits, labels.float()).item()
    last = run.tests[-1]
    assert set(last.metrics) == {"val_loss", "val_acc", "val_auroc"}
    assert (last.loss, last.metrics["val_loss"]) == (pytest.approx(expected, rel=1e-6),) * 2
    pairs = logits[labels == 1][:, None] > logits[labels == 0][None]
    assert last.metrics["val_auroc"] == pytest.approx(pairs.double().mean().item(), rel=1e-6)
