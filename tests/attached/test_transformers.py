"""The callback for the Trainer of transformers, with the real Trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from framework_runs import Orders, control_from_here, lrs_of_steps
from store_runs import stored
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

from lrtui.attached.run import AttachedRun
from lrtui.run.errors import UsageError
from lrtui.run.events import LrSet, ScheduleSwitched
from lrtui.run.state import RunState
from lrtui.transformers import LrtuiCallback

pytestmark = [
    pytest.mark.xdist_group("libraries"),
    # the library's own
    pytest.mark.filterwarnings("default:::torch"),
    pytest.mark.filterwarnings("default:::transformers"),
]

SETTINGS = {"num_train_epochs": 2, "lr_scheduler_type": "cosine", "warmup_steps": 3, "eval_strategy": "epoch"}
"""Two epochs of 12 batches, with a warmup per step."""

COMMANDS = {
    2: ["lr*0.5"],
    4: ["undo"],
    5: ['ExponentialLR(gamma=0.9, per="batch") from current'],
    7: ["lr=0.003"],
    9: ["checkpoint", "extend 1"],
}


class Watcher(TrainerCallback):
    """Notes the lrs that the optimizer uses, and sends commands after steps.

    Args:
        orders: sends the commands.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.used: list[list[float]] = []

    def on_train_begin(self, *args: Any, optimizer: Any = None, **_: Any) -> None:
        # after the hook of the run
        optimizer.optimizer.register_step_pre_hook(self.note)

    def note(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.used.append([group["lr"] for group in optimizer.param_groups])

    def on_step_end(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        self._orders.send(state.global_step)


@dataclass
class Result:
    """What a training did."""

    weights: list[torch.Tensor]
    history: list[dict[str, Any]]
    used: list[list[float]] = field(default_factory=list)
    state: RunState = field(default_factory=RunState)

    @property
    def losses(self) -> list[float]:
        return [entry["loss"] for entry in self.history if "loss" in entry]


def samples(number: int) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(16, (number, 6), generator=generator)
    return [{"input_ids": each, "labels": each} for each in tokens]


def train(
    folder: Path,
    orders: dict[int, list[str]] | None = None,
    *,
    attached: bool = True,
    resume: Path | None = None,
    **settings: Any,
) -> Result:
    torch.manual_seed(0)
    config = GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8, bos_token_id=0, eos_token_id=0)
    store = folder / f"store{len(list(folder.glob('store*')))}"
    callback = LrtuiCallback(store=store, name="tiny")
    watcher = Watcher(Orders(callback._attached, orders or {}))
    trainer = Trainer(
        GPT2LMHeadModel(config),
        TrainingArguments(
            output_dir=str(folder / "output"),
            per_device_train_batch_size=4,
            learning_rate=1e-2,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            **{"logging_steps": 1, "save_strategy": "no", **SETTINGS, **settings},
        ),
        train_dataset=samples(48),
        eval_dataset=samples(8),
        callbacks=[callback, watcher] if attached else [],
    )
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    assert callback._attached.run is None
    return Result(
        [parameter.detach().clone() for parameter in trainer.model.parameters()],
        trainer.state.log_history,
        watcher.used,
        stored(store) if attached else RunState(),
    )


def same(ours: Result, theirs: Result) -> bool:
    return all(torch.equal(mine, other) for mine, other in zip(ours.weights, theirs.weights, strict=True))


def test_a_trainer_is_recorded_as_it_logs_and_its_training_does_not_change(tmp_path: Path) -> None:
    settings = {"gradient_accumulation_steps": 5, "max_steps": 8, "logging_steps": 2, "eval_strategy": "steps"}
    alone = train(tmp_path, attached=False, eval_steps=4, **settings)
    ours = train(tmp_path, eval_steps=4, **settings)
    assert same(ours, alone)
    state = ours.state
    assert state.outcome is not None
    assert state.outcome.outcome == "done"
    assert state.started is not None
    # three steps per epoch: two of five batches, and one of two
    assert (state.started.total_steps, state.started.batches_per_epoch, state.step) == (8, 3, 8)
    assert (state.started.spec.name, state.started.spec.accumulate) == ("tiny", 5)
    assert lrs_of_steps(state) == ours.used
    assert ours.used[0] == [0.0, 0.0]
    losses = list(state.loss)
    assert losses[1::2] == ours.losses == alone.losses
    assert all(loss != loss for loss in losses[::2])
    assert list(state.metrics) == ["grad_norm"]
    assert [(test.step, test.loss) for test in state.evaluations] == [
        (entry["step"], entry["eval_loss"]) for entry in ours.history if "eval_loss" in entry
    ]


def test_commands_act_at_the_next_step_and_continue_from_a_checkpoint_of_the_trainer(tmp_path: Path) -> None:
    ours = train(tmp_path, COMMANDS)
    state = ours.state
    assert lrs_of_steps(state) == ours.used
    lrs = [lrs[0] for lrs in ours.used]
    switched = next(change for change in state.changes if isinstance(change, ScheduleSwitched))
    assert switched.step == 5
    assert [change.by for change in state.changes if isinstance(change, LrSet)] == ["user", "undo", "user"]
    assert lrs[2] == pytest.approx(0.5 * 0.01 * 2 / 3)
    assert lrs[7] == 0.003
    assert lrs[8:] == pytest.approx([0.003 * 0.9 ** (step - 7) for step in range(8, 24)])
    [refusal] = state.refusals
    assert "resume_from_checkpoint" in refusal.reason
    checkpoint = tmp_path / "output" / "checkpoint-10"
    assert checkpoint.is_dir()
    resumed = train(tmp_path, resume=checkpoint)
    assert resumed.state.first_step == 10
    assert resumed.state.started is not None
    assert resumed.state.started.spec.schedule == 'ExponentialLR(gamma=0.9, per="batch")'
    assert resumed.used == lrs_of_steps(resumed.state) == ours.used[10:]
    assert same(resumed, ours)
    # a test that a command asks for changes nothing but that it is run
    tested = train(tmp_path, {**COMMANDS, 6: ["evaluate"], 12: ["evaluate"]})
    assert same(tested, ours)
    assert [test.step for test in tested.state.evaluations] == [7, 12, 13, 24]
    assert tested.used == ours.used


def test_a_test_on_command_is_not_counted_by_a_scheduler_that_follows_its_loss(tmp_path: Path) -> None:
    settings = {
        "lr_scheduler_type": "reduce_lr_on_plateau",
        "lr_scheduler_kwargs": {"patience": 0, "threshold": 10.0},
        "eval_strategy": "steps",
        "eval_steps": 6,
        "warmup_steps": 0,
    }
    ours = train(tmp_path, {8: ["lr*0.5"], 9: ["evaluate"], 10: ["evaluate"]}, **settings)
    assert [test.step for test in ours.state.evaluations] == [6, 10, 11, 12, 18, 24]
    assert ours.state.started is not None
    assert ours.state.started.spec.schedule.startswith("script:ReduceLROnPlateau(")
    assert lrs_of_steps(ours.state) == ours.used
    lrs = [lrs[0] for lrs in ours.used]
    # every evaluation of the Trainer cuts the lr
    assert lrs == pytest.approx([0.01] * 6 + [0.001] * 2 + [0.0005] * 4 + [5e-5] * 6 + [5e-6] * 6)


def test_a_failure_of_lrtui_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="store must be a folder"):
        LrtuiCallback(store=3)  # type: ignore[arg-type]

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("nobody expects it")

    monkeypatch.setattr(AttachedRun, "log", fail)
    result = train(tmp_path, max_steps=3, eval_strategy="no")
    assert len(result.losses) == 3
    assert capsys.readouterr().err.count("nobody expects it") == 1


LIVE = """
import json, time
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments
from lrtui.transformers import LrtuiCallback

class Watcher(TrainerCallback):
    def on_train_begin(self, *args, optimizer=None, **_):
        self.used = open("used", "w")
        optimizer.optimizer.register_step_pre_hook(self.note)
    def note(self, optimizer, *_):
        print(json.dumps([group["lr"] for group in optimizer.param_groups]), file=self.used)
        time.sleep(0.01)
    def on_train_end(self, *args, **_):
        print('"over"', file=self.used, flush=True)

tokens = torch.randint(16, (400, 6))
Trainer(
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8)),
    TrainingArguments("output", max_steps=100000, learning_rate=0.01, use_cpu=True, report_to=[], disable_tqdm=True,
                      save_strategy="no", logging_steps=1),
    train_dataset=[{"input_ids": each, "labels": each} for each in tokens],
    callbacks=[LrtuiCallback(), Watcher()],
).train()
"""


def test_a_trainer_is_controlled_from_another_process(tmp_path: Path) -> None:
    state, lines = control_from_here(LIVE, tmp_path)
    assert lines[-1] == "over"
    assert lrs_of_steps(state) == lines[:-1]
    assert any(lrs[0] == pytest.approx(0.02, rel=1e-12) for lrs in lines[:-1])
