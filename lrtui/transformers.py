"""A callback for the Trainer of transformers: `Trainer(..., callbacks=[LrtuiCallback()])`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from lrtui.attached.framework import FrameworkLoop
from lrtui.attached.framework_run import FrameworkRun, never_fails
from lrtui.run.errors import UsageError

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError("lrtui.transformers needs the package transformers: pip install transformers") from error

__all__ = ["LrtuiCallback"]

_NOT_LOGGED = ("epoch", "learning_rate", "num_input_tokens_seen")
"""Values that a Trainer logs beside those of the training; the lrs are recorded as the optimizer has used them."""

_NO_RESULTS = ("epoch", "runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
"""Values beside the results of an evaluation."""

_EVALUATION = "eval_"
"""How the names of an evaluation's results begin."""


class LrtuiCallback(TrainerCallback):
    """Shows the training of a Trainer in the cockpit, and lets its lr be controlled from there; see `lrtui.attach`.

    What the Trainer logs is recorded for the step at which it logs it: with `logging_steps=1` every step has its loss.
    The commands `stop`, `evaluate` and `checkpoint` are carried out by the Trainer at the end of the step. For other
    callbacks, such as EarlyStoppingCallback, an evaluation that a command asks for is one like all others.

    Args:
        name: a name for the run.
        store: folder of the store; None for `LRTUI_STORE` or `.lrtui` here, "none" to record nothing.
        evaluate: runs a test for the command `evaluate` in place of the Trainer's own evaluation, and returns its
            results by name.
        checkpoint: saves a checkpoint for the command `checkpoint` in place of the Trainer's own, and may return its
            path.

    Raises:
        UsageError: for an argument of the wrong kind.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        store: str | os.PathLike[str] | None = None,
        evaluate: Callable[[], Any] | None = None,
        checkpoint: Callable[[], Any] | None = None,
    ) -> None:
        self._attached = FrameworkRun(name=name, store=store, evaluate=evaluate, checkpoint=checkpoint)
        self._attached.why_no_evaluation = self._why_no_evaluation
        self._attached.lengthen = _refuse_to_extend
        self._evaluates = False
        self._logged: dict[str, Any] = {}
        """What the script has logged within the step."""
        self._is_within_step = False

    @never_fails
    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        optimizer: Any = None,
        lr_scheduler: Any = None,
        train_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        """Begin the run."""
        evaluates = str(getattr(args.eval_strategy, "value", args.eval_strategy))
        # those that follow a metric are stepped after an evaluation
        follows_evaluations = hasattr(lr_scheduler, "patience")
        self._evaluates = evaluates != "no"
        self._logged, self._is_within_step = {}, False
        batches_per_step = args.gradient_accumulation_steps
        try:
            steps_per_epoch = max(1, -(-len(train_dataloader) // batches_per_step))
        except TypeError:
            # data without a length: all steps are one epoch
            steps_per_epoch = state.max_steps
        self._attached.attach(
            optimizer,
            lr_scheduler,
            FrameworkLoop(
                self._attached,
                start_step=state.global_step,
                max_steps=state.max_steps,
                unit="epoch" if follows_evaluations and evaluates == "epoch" else "batch",
                is_regular=not follows_evaluations or evaluates == "epoch",
            ),
            epochs=-(-state.max_steps // steps_per_epoch),
            steps_per_epoch=steps_per_epoch,
            batches_per_step=batches_per_step,
        )

    @never_fails
    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note that training goes on."""
        self._is_within_step = True
        self._attached.end_evaluation()

    @never_fails
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Log what the script has logged within the step, and ask the Trainer for what commands want."""
        self._is_within_step = False
        logged, self._logged = self._logged, {}
        self._attached.log(logged)
        if self._attached.evaluation_wanted:
            self._attached.begin_evaluation(is_due=control.should_evaluate, holds_schedulers=True)
            control.should_evaluate = True
        if self._attached.checkpoint_wanted:
            control.should_save = True
        if self._attached.is_stopped:
            control.should_training_stop = True
        return control

    @never_fails
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note that an evaluation from here on is the Trainer's own."""
        self._attached.end_evaluation()

    @never_fails
    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Log the values of a step; those of an evaluation, and of the whole training, are none."""
        values = {name: value for name, value in (logs or {}).items() if name not in _NOT_LOGGED}
        if "train_runtime" in values or any(name.startswith(_EVALUATION) for name in values):
            return
        if self._is_within_step:
            self._logged.update(values)
        else:
            self._attached.log(values)

    @never_fails
    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Log the results of an evaluation."""
        self._evaluates = True
        results = {name.removeprefix(_EVALUATION): value for name, value in (metrics or {}).items()}
        self._attached.evaluation_done({name: value for name, value in results.items() if not _is_no_result(name)})

    @never_fails
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Answer the commands that asked for a checkpoint."""
        if self._attached.checkpoint_wanted:
            path = os.path.join(args.output_dir, f"checkpoint-{state.global_step}")
            # a search of hyperparameters has folders of its own
            self._attached.checkpoint_saved(path if os.path.exists(path) else "")

    @never_fails
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the run."""
        self._attached.finish()

    def _why_no_evaluation(self) -> str:
        return "" if self._evaluates else 'the Trainer does not evaluate: set eval_strategy="steps" or "epoch"'


def _is_no_result(name: str) -> bool:
    return name in _NO_RESULTS or any(name.endswith(f"_{each}") for each in _NO_RESULTS[1:])


def _refuse_to_extend(epochs: int) -> None:
    raise UsageError(
        "the Trainer's loop has its own end: start the script again with a larger num_train_epochs and "
        "resume_from_checkpoint=True"
    )
