"""The training loop: optimizer steps, the test after each epoch, schedule steps, and commands between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

import torch

from lrtui.run.commands import Command, RangeTest, Stop
from lrtui.run.errors import UsageError
from lrtui.run.events import EpochDone, EvalDone, EvaluationStarted, LrSet, RunStarted
from lrtui.run.inbox import Inbox
from lrtui.run.range_feed import RangeEnd
from lrtui.training.batch_share import share_of
from lrtui.training.batches import Batch
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.checkpoint.resume import ResumedRun
from lrtui.training.checkpoint.state import TrainingState
from lrtui.training.command_handler import CommandHandler, EvalTrigger
from lrtui.training.dead_units import is_inspected, live_units, most_dead_layer
from lrtui.training.device import describe_device
from lrtui.training.evaluate import Evaluation, evaluate
from lrtui.training.loss_buffer import LossBuffer
from lrtui.training.nan_metrics import NanMetrics
from lrtui.training.optimizer_step import OptimizerStep
from lrtui.training.pending_commands import PendingCommands
from lrtui.training.range_test import range_test, why_not_during_a_run
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import RunSetup
from lrtui.training.task_optimizer import untrained_criteria
from lrtui.training.user_task import TRAINED_MODELS
from lrtui.training.weight_averaging import WeightAveraging

TRAINED_BEFORE = (
    "model() returned the model of an earlier run of this process: this run starts with the weights that it has "
    "trained, not with those of its seed; create the model within model()"
)


class Loop:
    """Trains one run; used by one thread.

    Args:
        setup: the model, the data, the optimizer and the settings.
        inbox: where users' commands arrive.
        reporter: publishes the events.
        checkpoints: checkpoints of the run; None makes none.
        resumed: the checkpoint to continue from; the loop holds no reference to it.

    Raises:
        CheckpointError: for a checkpoint that does not fit.
    """

    def __init__(
        self,
        setup: RunSetup,
        inbox: Inbox,
        reporter: Reporter,
        checkpoints: Checkpoints | None = None,
        resumed: ResumedRun | None = None,
    ) -> None:
        self._setup, self._inbox, self._reporter = setup, inbox, reporter
        self._checkpoints = checkpoints or Checkpoints()
        self._loss_buffer = LossBuffer(reporter, setup.device, setup.group)
        self._averaging = WeightAveraging(
            setup.model, setup.task, setup.train, setup.device, setup.spec.precision, setup.group
        )
        self._step = OptimizerStep(setup)
        steps_per_epoch = setup.horizon.batches_per_epoch
        pending = resumed.pending_commands(setup) if resumed else PendingCommands(steps_per_epoch, setup.script)
        self._state = TrainingState(setup, self._averaging, self._step.gradient_scaler, pending)
        self._progress = self._state.progress
        self._handler = CommandHandler(
            setup, self._state, inbox, reporter, self._checkpoints, self._evaluate_on_demand, self._range_test
        )
        if resumed is not None:
            resumed.restore(self._state)
        self._has_described_batch = self._has_looked_for_untrained = False
        self._nan_metrics = NanMetrics(reporter, [*setup.lr_control.test_results, self._progress.result])
        self._started_fields = resumed.started_fields if resumed else {}
        self._warnings = resumed.warnings(setup) if resumed else []

    def run(self) -> None:
        """Train all remaining epochs.

        Raises:
            StopRequested: if the user stopped the run.
            Diverged: at the first loss that is not finite.
            TaskError: if the user's code fails.
        """
        self._publish_started()
        self._reporter.clock.resume()
        try:
            self._train()
        except Exception:
            # publish the remaining steps however the run ended; if a loss is not finite, that is the reason
            self._loss_buffer.flush()
            raise
        finally:
            self._state.modes.finish()

    def _train(self) -> None:
        progress, lr_control = self._progress, self._setup.lr_control
        if not progress.testing:
            # a resumed run whose epochs are all done may be extended here
            self._take_commands()
        while progress.epoch <= lr_control.horizon.epochs:
            # a run that resumes within the test at the end of an epoch has no steps left in this epoch
            if not progress.testing:
                self._train_one_epoch()
                if lr_control.schedule.per == "epoch":
                    self._average_weights()
                progress.testing = True
            result = self._evaluate_after_epoch()
            # the schedule steps after the test, as in the tutorial: a plateau depends on this epoch's result
            self._step_schedule(result)
            self._reporter.publish(
                EpochDone,
                epoch=progress.epoch,
                lrs=progress.lrs,
                samples_per_second=progress.samples_per_second,
                dead_layer=most_dead_layer(progress.live_units),
            )
            self._state.start_next_epoch(self._reporter.clock.seconds)
            self._checkpoints.save("epoch", self._state, self._reporter)

    def _train_one_epoch(self) -> None:
        """Go through the training data once in a new order, or through the rest of it."""
        setup, reporter, progress, lr_control = self._setup, self._reporter, self._progress, self._setup.lr_control
        steps_per_epoch = setup.horizon.batches_per_epoch
        last = lr_control.horizon.end_of_epoch(progress.epoch) - (progress.epoch - 1) * steps_per_epoch
        batches = _grouped(self._state.remaining_batches(self._take_commands), setup.spec.accumulate)
        while progress.steps < steps_per_epoch and reporter.step < lr_control.total_steps:
            step_in_epoch = progress.steps
            self._test_within_epoch()
            # a command may change the lr, block while the run is paused, or leave the loop
            self._take_commands()
            progress.lrs = lr_control.lrs

            group = next(batches)
            self._describe_batch(group[0])
            loss, values, samples = self._step.forward_backward(group)
            self._warn_of_untrained()
            metrics = {**values, **self._step.step_metrics()}
            self._step.update_weights()

            if is_inspected(step_in_epoch, last):
                progress.live_units = live_units(setup.model, progress.live_units)
            # reading the loss here would make an accelerator wait for each step: the buffer reads it later
            at_log_line = step_in_epoch % setup.spec.log_interval == 0
            self._loss_buffer.add(progress.epoch, step_in_epoch, progress.lrs, loss, metrics, at_log_line)
            reporter.step += 1
            progress.steps += 1
            progress.samples += samples

            if lr_control.schedule.per == "batch":
                self._average_weights()
                lr_control.after_step()
        self._loss_buffer.flush()
        progress.measure_speed(reporter.clock.seconds)

    def _describe_batch(self, batch: Batch) -> None:
        """Say once how a batch is read."""
        if not self._has_described_batch:
            self._has_described_batch = True
            self._reporter.notice("batch", f"batch: {self._setup.task.describe(share_of(batch).batch)}")

    def _warn_of_untrained(self) -> None:
        """Say once, after the first backward(), which modules of the task no optimizer trains."""
        if self._has_looked_for_untrained:
            return
        self._has_looked_for_untrained, setup = True, self._setup
        if text := untrained_criteria(setup.task.task, setup.model, setup.optimizer):
            self._reporter.notice("optimizer", text, level="warning")

    def _take_commands(self) -> None:
        if self._handler.has_work:
            # publish the steps before a command or checkpoint first
            self._loss_buffer.flush()
            self._handler.handle()

    def _average_weights(self) -> None:
        lr_control = self._setup.lr_control
        if self._averaging.update(lr_control.schedule, lr_control.step_calls):
            self._loss_buffer.flush()
            self._reporter.notice("averaging", f"weights are averaged from step {self._reporter.step:,} on")

    def _step_schedule(self, result: Mapping[str, float]) -> None:
        lr_control = self._setup.lr_control
        before, schedule = lr_control.lrs, lr_control.schedule
        has_cut = lr_control.after_epoch(self._reporter.step, result)
        if has_cut:
            self._reporter.publish(
                LrSet, lrs_before=before, lrs_after=lr_control.lrs, scale=lr_control.scale, by="plateau"
            )
        self._nan_metrics.check_step(lr_control.test_results, schedule, cut=has_cut)

    # -- tests --------------------------------------------------------------------------------------------------------

    def _evaluate_after_epoch(self) -> Mapping[str, float]:
        """Evaluate the model, and the averaged model if there is one; return the model's result.

        Without test data there are no results.
        """
        progress = self._progress
        if self._setup.test is None:
            return {}
        if not progress.result:
            progress.result = self._evaluate(self._setup.model, "epoch end").all_metrics
        if self._averaging.averaged_model is not None:
            # the user's own class, whose methods the task's step may call
            self._evaluate(self._averaging.averaged_model.module, "epoch end", averaged=True)
        return progress.result

    def _test_within_epoch(self) -> None:
        """Test the model if `--test-every` says so; a run resumed within this test repeats it."""
        every, step, progress = self._setup.spec.test_every, self._reporter.step, self._progress
        if every is None or not progress.steps or step % every or progress.tested_step == step:
            return
        self._loss_buffer.flush()
        with self._not_counted_as_training():
            self._evaluate(self._setup.model, "on demand", periodic=True)
        progress.tested_step = step

    @contextmanager
    def _not_counted_as_training(self) -> Iterator[None]:
        started_at, excluded = self._reporter.clock.seconds, self._progress.seconds_excluded
        yield
        # includes the checkpoints saved during the test
        self._progress.seconds_excluded = excluded + self._reporter.clock.seconds - started_at

    def _evaluate_on_demand(self, command: Command, scripted: bool) -> None:
        if self._setup.test is None:
            raise UsageError("this task has no test data")
        with self._not_counted_as_training(), self._state.random_states_held(command, scripted=scripted):
            self._evaluate(self._setup.model, "on demand", command=command, scripted=scripted)

    def _evaluate(
        self,
        model: torch.nn.Module,
        trigger: EvalTrigger,
        *,
        averaged: bool = False,
        command: Command | None = None,
        scripted: bool = False,
        periodic: bool = False,
    ) -> Evaluation:
        """Run the test set through the model and publish the result."""
        setup, reporter, epoch = self._setup, self._reporter, self._progress.epoch
        assert setup.test is not None, "the callers check this"
        answered = {} if command is None else {"command": command.text, "command_id": command.id}
        reporter.publish(EvaluationStarted, epoch=epoch, scripted=scripted, periodic=periodic, **answered)
        started_at = reporter.clock.seconds

        def take_commands() -> None:
            self._handler.handle(during=trigger)

        with self._state.random_states_held(), self._state.modes.evaluating():
            if averaged:
                self._averaging.update_batch_norm(take_commands)
            result = evaluate(
                model, setup.task, setup.test, setup.device, setup.spec.precision, take_commands, group=setup.group
            )
        metrics = dict(result.metrics)
        reporter.publish(
            EvalDone,
            epoch=epoch,
            loss=result.loss,
            accuracy=metrics.pop("accuracy", None),
            metrics=metrics,
            seconds_taken=reporter.clock.seconds - started_at,
            averaged=averaged,
        )
        self._nan_metrics.check(result.all_metrics, setup.lr_control.schedule)
        return result

    def _range_test(self, command: RangeTest) -> None:
        if refusal := why_not_during_a_run(self._setup.train):
            command.feed.close(RangeEnd("failed", UsageError(refusal)))
            return
        range_test(
            self._setup,
            command.sweep,
            command.feed,
            gradient_scaler=self._step.gradient_scaler,
            should_stop=lambda: self._inbox.find(Stop) is not None,
        )

    def _publish_started(self) -> None:
        setup, horizon = self._setup, self._setup.lr_control.horizon
        self._reporter.publish(
            RunStarted,
            spec=horizon.apply_to(setup.spec),
            device=describe_device(setup.device),
            torch_threads=torch.get_num_threads(),
            data=setup.data,
            parameter_count=setup.parameter_count,
            batches_per_epoch=horizon.batches_per_epoch,
            total_steps=horizon.total_steps,
            group_names=setup.group_names,
            group_lrs=setup.lr_control.lrs,
            best=None if setup.objective is None else setup.objective.metric,
            mode=None if setup.objective is None else setup.objective.mode,
            processes=setup.group.world_size,
            **self._started_fields,
        )
        for text in setup.warnings:
            self._reporter.notice("schedule", text, level="warning")
        if setup.was_trained and not self._started_fields:
            self._reporter.notice("start", TRAINED_BEFORE, level="warning")
        TRAINED_MODELS.add(setup.model)
        for text in self._warnings:
            self._reporter.notice("resume", text, level="warning")


def _grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Yield the batches of each optimizer step; the last one may have fewer."""
    iterator = iter(batches)
    while group := list(islice(iterator, size)):
        yield group
