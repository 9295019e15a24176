"""The callback for the Trainer of Lightning, with the real Trainer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from framework_runs import Orders, control_from_here, lrs_of_steps
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from store_runs import stored
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from lrtui.attached.run import AttachedRun
from lrtui.lightning import LrtuiCallback
from lrtui.run.events import LrSet
from lrtui.run.state import RunState

pytestmark = [pytest.mark.xdist_group("libraries"), pytest.mark.filterwarnings("ignore:::lightning")]

Configure = Callable[[nn.Module], Any]

COMMANDS = {
    2: ["lr*0.5"],
    4: ["undo"],
    5: ['ExponentialLR(gamma=0.9, per="batch") from current'],
    7: ["lr=0.003"],
    9: ["checkpoint", "extend 1"],
}


class Module(pl.LightningModule):
    """A linear classifier that notes its losses and the lrs that its optimizer uses.

    Args:
        configure: makes what `configure_optimizers` returns.
        orders: sends commands after steps.
    """

    def __init__(self, configure: Configure, orders: Orders) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self._configure, self._orders = configure, orders
        self.losses: list[float] = []
        self.used: list[list[float]] = []

    def configure_optimizers(self) -> Any:
        return self._configure(self)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        loss = functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.losses.append(loss.item())
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        if batch_idx % 2:
            self.log("odd", float(batch_idx))
        return {"loss": loss}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.used.append([group["lr"] for group in optimizer.param_groups])

    def on_train_batch_end(self, *_: Any) -> None:
        self._orders.send(len(self.used))

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        outputs = self.layer(batch[0])
        self.log("val_loss", functional.cross_entropy(outputs, batch[1]))
        self.log("val_acc", (outputs.argmax(1) == batch[1]).float().mean())


class Gan(pl.LightningModule):
    """Two layers that are trained in turns, with manual optimization."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.first, self.second = nn.Linear(4, 1), nn.Linear(4, 1)
        self.used: list[list[float]] = []
        self.losses: list[float] = []

    def configure_optimizers(self) -> Any:
        optimizers = [torch.optim.Adam(self.first.parameters(), lr=0.01), torch.optim.Adam(self.second.parameters())]
        return optimizers, [lr_scheduler.ExponentialLR(optimizers[0], 0.9)]

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        optimizers = self.optimizers()
        self.used.append([group["lr"] for optimizer in optimizers for group in optimizer.param_groups])
        for optimizer, layer in zip(optimizers, (self.first, self.second), strict=True):
            loss = layer(batch[0]).square().mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.losses.append(loss.item())
        self.log("generator/loss", loss)
        self.lr_schedulers().step()


def cosine(interval: str, length: int, frequency: int = 1) -> Configure:
    def configure(module: nn.Module) -> Any:
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, length)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": interval, "frequency": frequency},
        }

    return configure


def plateau(module: nn.Module) -> Any:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10.0)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"}}


def batches(*, shuffle: bool) -> Any:
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(32, 4, generator=generator), torch.randint(3, (32,), generator=generator))
    return DataLoader(data, batch_size=4, shuffle=shuffle)


@dataclass
class Result:
    """What a training did."""

    module: Any
    state: RunState
    trainer: Any

    @property
    def weights(self) -> list[torch.Tensor]:
        return [parameter.detach() for parameter in self.module.parameters()]


def train(
    folder: Path,
    configure: Configure | None,
    orders: dict[int, list[str]] | None = None,
    *,
    attached: bool = True,
    resume: Path | None = None,
    others: Sequence[Any] = (),
    **settings: Any,
) -> Result:
    torch.manual_seed(0)
    store = folder / f"store{len(list(folder.glob('store*')))}"
    callback = LrtuiCallback(store=store, name="tiny")
    module: Any = Gan() if configure is None else Module(configure, Orders(callback._attached, orders or {}))
    trainer = pl.Trainer(
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[*([callback] if attached else []), *others],
        **{"logger": False, **settings},
    )
    trainer.fit(
        module,
        batches(shuffle=resume is None and not orders),
        None if configure is None else batches(shuffle=False),
        ckpt_path=None if resume is None else str(resume),
    )
    assert callback._attached.run is None
    return Result(module, stored(store) if attached else RunState(), trainer)


def same(ours: Result, theirs: Result) -> bool:
    return all(torch.equal(mine, other) for mine, other in zip(ours.weights, theirs.weights, strict=True))


def test_a_training_with_accumulation_is_recorded_and_does_not_change(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, version=0)
    settings = {"max_epochs": 2, "accumulate_grad_batches": 3, "precision": "bf16-mixed", "logger": logger}
    alone = train(tmp_path, cosine("step", 6), attached=False, **settings)
    ours = train(tmp_path, cosine("step", 6), others=[LearningRateMonitor()], log_every_n_steps=1, **settings)
    assert same(ours, alone)
    state, module = ours.state, ours.module
    assert state.outcome is not None
    assert state.outcome.outcome == "done"
    assert state.started is not None
    # eight batches per epoch
    assert (state.started.total_steps, state.started.batches_per_epoch, state.step) == (6, 3, 6)
    assert (state.started.spec.name, state.started.spec.accumulate) == ("tiny", 3)
    assert lrs_of_steps(state) == module.used
    parts = [module.losses[start:end] for start, end in [(0, 3), (3, 6), (6, 8), (8, 11), (11, 14), (14, 16)]]
    assert list(state.loss) == pytest.approx([sum(part) / len(part) for part in parts], rel=1e-6)
    assert list(state.metrics["train_loss"]) == pytest.approx(list(state.loss), rel=1e-6)
    assert list(state.metrics["odd"]) == [1, 4, 7] * 2
    assert set(state.metrics) == {"train_loss", "odd"}
    # but not the one before the training
    assert [(test.step, set(test.all_metrics)) for test in state.evaluations] == [
        (3, {"loss", "accuracy"}),
        (6, {"loss", "accuracy"}),
    ]
    assert state.evaluations[-1].loss == ours.trainer.callback_metrics["val_loss"].item()


def test_commands_act_at_the_next_step_and_continue_from_a_checkpoint_of_the_trainer(tmp_path: Path) -> None:
    ours = train(tmp_path, cosine("step", 16), COMMANDS, max_epochs=2)
    state, lrs = ours.state, [lrs[0] for lrs in ours.module.used]
    assert lrs_of_steps(state) == ours.module.used
    assert list(state.loss) == ours.module.losses
    assert [change.by for change in state.changes if isinstance(change, LrSet)] == ["user", "undo", "user"]
    assert lrs[2] == pytest.approx(0.5 * 0.0961939766)
    assert lrs[7] == 0.003
    # two epochs of eight steps, and one more
    assert lrs[8:] == pytest.approx([0.003 * 0.9 ** (step - 7) for step in range(8, 24)])
    assert not state.refusals
    assert state.outcome is not None
    assert state.outcome.outcome == "done"
    checkpoint = tmp_path / "checkpoints" / "lrtui-step=10.ckpt"
    assert checkpoint.is_file()
    resumed = train(tmp_path, cosine("step", 16), resume=checkpoint, max_epochs=3)
    assert resumed.state.first_step == 10
    assert resumed.state.started is not None
    assert resumed.state.started.spec.schedule == 'ExponentialLR(gamma=0.9, per="batch")'
    assert lrs_of_steps(resumed.state) == resumed.module.used
    assert resumed.module.used[:14] == ours.module.used[10:]


def test_tests_and_a_stop_on_command_are_carried_out_by_the_trainer(tmp_path: Path) -> None:
    settings = {"max_epochs": 3, "min_epochs": 3}
    expected = train(tmp_path, plateau, {18: ["lr*0.5"]}, **settings)
    ours = train(tmp_path, plateau, {2: ["evaluate"], 10: ["evaluate"], 18: ["lr*0.5"], 20: ["stop"]}, **settings)
    assert [test.step for test in ours.state.evaluations] == [3, 8, 11, 16, 21]
    assert lrs_of_steps(ours.state) == ours.module.used
    assert len(ours.module.used) == 21
    assert ours.module.losses == expected.module.losses[:21]
    lrs = [lrs[0] for lrs in ours.module.used]
    # the validations of the Trainer's own cut the lr
    assert lrs == pytest.approx([0.1] * 8 + [0.01] * 8 + [0.001] * 2 + [0.0005] * 3)
    assert ours.state.outcome is not None
    assert ours.state.outcome.outcome == "stopped"
    assert ours.trainer.check_val_every_n_epoch == 1
    assert ours.trainer.val_check_batch == 8


def test_a_scheduler_that_is_stepped_now_and_then_is_recorded_and_replaced_per_step(tmp_path: Path) -> None:
    order = 'ExponentialLR(gamma=0.5, per="batch") from current'
    ours = train(tmp_path, cosine("step", 8, frequency=3), {6: [order]}, max_steps=10)
    assert ours.state.started is not None
    assert ours.state.started.spec.schedule.startswith("script:CosineAnnealingLR(")
    assert ours.state.started.total_steps == 10
    lrs = [lrs[0] for lrs in ours.module.used]
    assert lrs_of_steps(ours.state) == ours.module.used
    assert lrs == pytest.approx([0.1] * 3 + [0.0961939766] * 3 + [0.0853553390 * 0.5**step for step in range(4)])


def test_several_optimizers_with_manual_optimization_are_recorded_by_names(tmp_path: Path) -> None:
    ours = train(tmp_path, None, max_epochs=1)
    assert same(ours, train(tmp_path, None, attached=False, max_epochs=1))
    state = ours.state
    assert lrs_of_steps(state) == ours.module.used
    assert list(state.loss) != list(state.loss)
    assert list(state.metrics["generator/loss"]) == ours.module.losses
    assert state.started is not None
    assert state.started.total_steps == 8
    assert any("adam_1" in name for name in state.started.group_names)
    assert ours.module.used[1] == [pytest.approx(0.009), 0.001]


def test_a_failure_of_lrtui_does_not_end_the_training_and_a_missing_framework_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("nobody expects it")

    monkeypatch.setattr(AttachedRun, "log", fail)
    assert len(train(tmp_path, cosine("epoch", 2), max_epochs=1).module.losses) == 8
    assert capsys.readouterr().err.count("nobody expects it") == 1
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "lrtui.lightning")
    with pytest.raises(ImportError, match="pip install lightning"):
        import lrtui.lightning  # noqa: F401


LIVE = """
import json, time, torch
import pytorch_lightning as pl
from lrtui.lightning import LrtuiCallback

class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer, self.used = torch.nn.Linear(4, 1), open("used", "w")
    def training_step(self, batch, batch_idx):
        time.sleep(0.01)
        return self.layer(batch).square().mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)
    def on_before_optimizer_step(self, optimizer):
        print(json.dumps([group["lr"] for group in optimizer.param_groups]), file=self.used)
    def on_train_end(self):
        print('"over"', file=self.used, flush=True)

pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, max_epochs=1,
           callbacks=[LrtuiCallback()]).fit(Module(), torch.utils.data.DataLoader(torch.randn(100000, 4)))
"""


def test_a_trainer_is_controlled_from_another_process(tmp_path: Path) -> None:
    state, lines = control_from_here(LIVE, tmp_path)
    assert lines[-1] == "over"
    assert lrs_of_steps(state) == lines[:-1]
    assert any(lrs[0] == pytest.approx(0.02, rel=1e-12) for lrs in lines[:-1])
