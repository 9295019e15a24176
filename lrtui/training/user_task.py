"""A wrapper around the user's task: supplies optional methods and explains mistakes in the user's code."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import torch

from lrtui.run.errors import LrtuiError, TaskError, describe_exception, describe_shape, source_location
from lrtui.run.evaluations import ACCURACY, Objective
from lrtui.run.evaluations import LOSS as LOSS_NAME
from lrtui.tasks.task import Data, DataRequest, DataSource, Say, Task
from lrtui.training.batch_call import BatchReader, ModelCall, describe_batch
from lrtui.training.batch_norm import FAILURE
from lrtui.training.manual_step import MANUAL_CALL, takes_optimizers
from lrtui.training.metric_values import checked_metrics
from lrtui.training.step_result import (
    NUMBERS,
    STEP,
    StepResult,
    Values,
    find_loss,
    is_loss,
    read_result,
    read_values,
)
from lrtui.training.whole_set_metrics import WholeSetMetrics, is_metric_object

LOSS_CALL = "loss(outputs, targets)"
LOSS = f"{LOSS_CALL} must return the batch's mean loss, a 0-d tensor, or a pair (loss, {{name: value}})"
STEP_METRICS = f"step_metrics(model) must return {NUMBERS}"
ONE_SAMPLE = (
    "BatchNorm can't be trained on one sample: leave out the last batch (drop_last=True), or use another batch size"
)
METRICS = "metrics(outputs, targets) must return a mapping from names to values: one per sample, or the batch's mean"

DIVIDED = (
    "with --parallel fsdp2 each process has a part of the parameters, which are whole only while model(...) is called, "
    "and the loss uses them otherwise; call the model, or use --parallel ddp"
)


TRAINED_MODELS: WeakSet[torch.nn.Module] = WeakSet()
"""The models that runs of this process have trained."""

_PROVIDED = "_lrtui_provided"
"""Attribute of a task with the names of those that a run has set."""


class UserTask:
    """The user's task; its errors are reported with the line in the user's code and with what was expected.

    Args:
        task: the user's object.
        notation: the text that named it, such as `FILE.py:Name`.
    """

    def __init__(self, task: Task, notation: str) -> None:
        self.task = task
        self.name = str(getattr(task, "name", "") or type(task).__name__)
        size = getattr(task, "test_batch_size", None)
        self.test_batch_size = size if isinstance(size, int) and size > 0 else None
        self._loss: Any = getattr(task, "loss", None)
        self._step = getattr(task, "step", None)
        self.steps_manually = takes_optimizers(self._step)
        """Whether its step calls `backward()` and the optimizers itself."""
        self._test_step = getattr(task, "test_step", None)
        self._step_metrics = getattr(task, "step_metrics", None)
        self._notation = notation

    def provide(self, values: Mapping[str, Any], say: Say) -> None:
        """Set attributes of the task, such as `device` and `seed`, unless it has its own of that name."""
        given = set(getattr(self.task, _PROVIDED, ()))
        for name, value in values.items():
            if hasattr(self.task, name) and name not in given:
                own = getattr(self.task, name)
                if str(own) != str(value):
                    say(f"the task has its own {name}, {own!r:.60}, which stays; the run has {value}")
                continue
            with suppress(AttributeError, TypeError):  # a task with slots, or a frozen one, has none
                setattr(self.task, name, value)
                given.add(name)
                setattr(self.task, _PROVIDED, frozenset(given))

    def prepare(self, request: DataRequest, say: Say) -> DataSource:
        """Let the task find its data; return where it comes from."""
        prepare = getattr(self.task, "prepare", None)
        found = None
        if prepare is not None:
            with _explained("prepare(request, say) fails"):
                found = prepare(request, say)
        return found if isinstance(found, DataSource) else DataSource(self.name, "the task", self._notation)

    def training_data(self) -> tuple[Data, Any]:
        """Return what `training_data` returns, and that method."""
        return self._data("training_data")

    def test_data(self, say: Say) -> tuple[Data, Any] | None:
        """Return what `validation_data` or `test_data` returns, and that method; None for a task without test data."""
        names = [name for name in ("validation_data", "test_data") if callable(getattr(self.task, name, None))]
        if not names:
            return None
        if len(names) == 2:
            say("the task has validation_data() and test_data(): the tests of the run use validation_data()")
        data, method = self._data(names[0])
        return None if data is None else (data, method)

    def _data(self, which: str) -> tuple[Data, Any]:
        method = getattr(self.task, which)
        with _explained(f"{which}() fails"):
            return method(), method

    def model(self) -> torch.nn.Module:
        """Return a fresh model."""
        with _explained("model() fails"):
            model = self.task.model()
        if not isinstance(model, torch.nn.Module):
            raise TaskError(
                f"model(){source_location(self.task.model)} returned a {describe_shape(model)}, "
                "expected a torch.nn.Module"
            )
        self._reader = BatchReader(model, self._loss is not None)
        # model() or an earlier method may have set them
        metrics = getattr(self.task, "metrics", None)
        self._metrics = metrics if callable(metrics) and not is_metric_object(metrics) else None
        self.whole_set_metrics = WholeSetMetrics(self.task)
        return model

    def move_modules(self, device: torch.device) -> None:
        """Move the modules that are attributes of the task, such as a loss with class weights, to the device."""
        for value in vars(self.task).values() if hasattr(self.task, "__dict__") else ():
            if isinstance(value, torch.nn.Module):
                value.to(device)

    def training_step(self, model: torch.nn.Module, batch: Any) -> StepResult:
        """Return the loss of a batch, whose tensors are on the device, with what else the task returns.

        Raises:
            TaskError: for a mistake in the task.
        """
        if self._step is not None and not self.steps_manually:
            return self._own_step(self._step, "step(model, batch)", model, batch)
        return self._model_step(model, batch)

    def manual_step(self, model: torch.nn.Module, batch: Any, optimizers: Mapping[str, Any]) -> StepResult:
        """Let the task train on a batch with its optimizers; return the loss that it reports, and other values."""
        return self._own_step(self._step, MANUAL_CALL, model, batch, optimizers)

    def test_step(self, model: torch.nn.Module, batch: Any) -> StepResult:
        """Return the same for a batch of the test set."""
        if self._test_step is not None:
            return self._own_step(self._test_step, "test_step(model, batch)", model, batch)
        return self.training_step(model, batch)

    def run_model(self, model: torch.nn.Module, batch: Any) -> None:
        """Run the model on a batch for what its modules record on the way, such as the statistics of BatchNorm."""
        if self._step is not None and not self.steps_manually:
            self.training_step(model, batch)
        else:
            self._outputs(model, self._reader.read(batch))

    def describe(self, batch: Any) -> str:
        """Return in one line how a training batch is read."""
        what = describe_batch(batch)
        if self._step is not None:
            return f"{what}; {MANUAL_CALL if self.steps_manually else 'step(model, batch)'}"
        loss = "loss(outputs, targets)" if self._loss is not None else "loss from the model"
        return f"{what}; {self._reader.read(batch).text}; {loss}"

    def _own_step(self, method: Any, call: str, model: torch.nn.Module, batch: Any, *more: Any) -> StepResult:
        try:
            found = method(model, batch, *more)
        except Exception as error:  # a user's code can raise anything
            expected = ONE_SAMPLE if str(error).startswith(FAILURE) else f"{call} {STEP}"
            what = f"{call.partition('(')[0]} fails on a batch, {describe_shape(batch)}"
            raise _task_error(what, error, expected) from error
        return read_result(found, method, call, self._targets(batch), uses_outputs=self._uses_outputs)

    def _model_step(self, model: torch.nn.Module, batch: Any) -> StepResult:
        call = self._reader.read(batch)
        outputs = self._outputs(model, call)
        if self._loss is not None:
            return self._loss_of(outputs, call.targets)
        found = find_loss(outputs)
        if found is None:
            raise TaskError(
                f"the task{source_location(type(self.task))} has no loss(outputs, targets), and the model, called as "
                f"{call.text}, returned no loss but a {describe_shape(outputs)}; add one of loss(outputs, targets) and "
                f"{'test_step(model, batch)' if self.steps_manually else 'step(model, batch)'} to the task"
            )
        return StepResult(found[0], found[1], call.targets)

    def _outputs(self, model: torch.nn.Module, call: ModelCall) -> Any:
        try:
            return model(*call.args, **call.kwargs)
        except Exception as error:  # a user's model can raise anything
            expected = ONE_SAMPLE if str(error).startswith(FAILURE) else ""
            inputs = call.args[0] if len(call.args) == 1 else call.args or call.kwargs
            raise _task_error(f"the model fails on inputs {describe_shape(inputs)}", error, expected) from error

    def _loss_of(self, outputs: Any, targets: Any) -> StepResult:
        try:
            found = self._loss(outputs, targets)
        except Exception as error:  # a user's loss can raise anything
            given = f"outputs {describe_shape(outputs)} and targets {describe_shape(targets)}"
            raise _task_error(f"loss fails on {given}", error, LOSS) from error
        values: Values = {}
        if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping):
            found, values = found[0], read_values(found[1], self._loss, LOSS_CALL)
        if not is_loss(found):
            raise TaskError(f"loss{source_location(self._loss)} returned a {describe_shape(found)}; {LOSS}")
        return StepResult(found, outputs, targets, values)

    @property
    def _uses_outputs(self) -> bool:
        return self._metrics is not None or self.whole_set_metrics.are_there

    def _targets(self, batch: Any) -> Any:
        """Return the targets for `metrics`, if the batch could be read without the task's own step."""
        if not self._uses_outputs:
            return None
        try:
            return self._reader.read(batch).targets
        except TaskError:
            return batch

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients of a loss."""
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if not loss.requires_grad:
                source = self._step or self._loss or self.task.model
                what = f"the loss{source_location(source)} does not depend on any trained parameter"
                raise TaskError(f"{what}: loss or model is detached, or computed outside of torch") from error
            if "DTensor" in str(error):
                raise TaskError(f"{DIVIDED}: {describe_exception(error)}") from error
            raise

    def metrics(self, result: StepResult) -> Mapping[str, torch.Tensor]:
        """Return the task's metrics for a batch of the test set; empty if it has none."""
        outputs, targets = result.outputs, result.targets
        if outputs is None and self._uses_outputs:
            method = self._test_step or self._step or self.task.model
            name = "metrics" if self._metrics is not None else "test_metrics"
            raise TaskError(
                f"{name}(outputs, targets) has no outputs: return (loss, outputs) from "
                f"{'test_step' if self._test_step else 'step'}{source_location(method)}, or compute the metrics there "
                "and return (loss, {name: value})"
            )
        if self._metrics is None:
            return {}
        try:
            found = self._metrics(outputs, targets)
        except Exception as error:  # a user's metrics can raise anything
            given = f"outputs {describe_shape(outputs)} and targets {describe_shape(targets)}"
            raise _task_error(f"metrics fails on {given}", error, METRICS) from error
        return checked_metrics(found, self._metrics, METRICS)

    def objective(self, names: Collection[str]) -> Objective | None:
        """Return what the task's `best` and `mode` say decides which result is the best; None without `best`.

        Args:
            names: names of a test's results.

        Raises:
            TaskError: for a metric that its tests don't return, or a mode that is missing or wrong.
        """
        best, mode = getattr(self.task, "best", None), getattr(self.task, "mode", None)
        if best is None:
            return None
        where = f"{type(self.task).__name__}{source_location(type(self.task))}"
        if best not in names:
            raise TaskError(f"{where} has best = {best!r}, but its tests return {', '.join(names)}")
        mode = mode if mode is not None else {ACCURACY: "max", LOSS_NAME: "min"}.get(best)
        if mode not in ("max", "min"):
            has = f"mode = {mode!r}" if mode is not None else "no mode"
            raise TaskError(f'{where} has best = {best!r} and {has}, expected mode = "max" or mode = "min"')
        if best == LOSS_NAME and mode == "max":
            raise TaskError(f'{where} has best = "loss" and mode = "max", but training makes the loss low')
        return Objective(best, mode == "max")

    @property
    def has_step_metrics(self) -> bool:
        """Whether the task reports values at each step."""
        return self._step_metrics is not None

    def step_metrics(self, model: torch.nn.Module) -> Values:
        """Return the values of a step, before the optimizer's step; tensors stay on the device, detached."""
        if self._step_metrics is None:
            return {}
        try:
            with torch.no_grad():
                found = self._step_metrics(model)
        except Exception as error:  # a user's code can raise anything
            raise _task_error("step_metrics fails", error, STEP_METRICS) from error
        return read_values(found, self._step_metrics, "step_metrics(model)")


def _task_error(what: str, error: Exception, expected: str = "") -> LrtuiError:
    """Return the error to raise; a LrtuiError is returned unchanged."""
    if isinstance(error, LrtuiError):
        return error
    return TaskError(f"{what}: {describe_exception(error)}{f'; {expected}' if expected else ''}")


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a user's code can raise anything
        raise _task_error(what, error) from error
