"""The training loop: optimizer steps, tests, schedule steps, and where commands are obeyed between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import torch

from lrtui.run.commands import Command, RangeTest, Stop
from lrtui.run.errors import UsageError
from lrtui.run.events import (
    EpochDone,
    EvalDone,
    EvaluationStarted,
    LrSet,
    RunStarted,
)
from lrtui.run.inbox import Inbox
from lrtui.run.range_feed import RangeEnd
from lrtui.training.batches import Batch
from lrtui.training.checkpoint.keeper import Keeper
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.checkpoint.resume import ResumedRun
from lrtui.training.checkpoint.state import TrainingState
from lrtui.training.command_handler import CommandHandler, EvalTrigger
from lrtui.training.dead_units import is_looked_at, most_dead, reached_too
from lrtui.training.device import describe_device
from lrtui.training.evaluate import Evaluation, evaluate
from lrtui.training.loss_buffer import LossBuffer
from lrtui.training.optimizer_step import Update
from lrtui.training.pending_commands import PendingCommands
from lrtui.training.range_test import range_test, why_not_beside_a_run
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import RunSetup
from lrtui.training.weight_averaging import WeightAveraging


class Loop:
    """One run over a setup; used by one thread.

    Args:
        setup: what is trained, with what.
        inbox: where commands come from.
        reporter: where events go.
        checkpoints: where the run's checkpoints are kept; None where nothing is.
        resumption: what the run goes on from; it is not held on to.

    Raises:
        CheckpointError: for a checkpoint that does not fit.
    """

    def __init__(
        self,
        setup: RunSetup,
        inbox: Inbox,
        reporter: Reporter,
        checkpoints: Checkpoints | None = None,
        resumption: ResumedRun | None = None,
    ) -> None:
        self._setup, self._inbox = setup, inbox
        self._reporter = reporter
        self._loss_buffer = LossBuffer(reporter, setup.device)
        self._averaging = WeightAveraging(setup.model, setup.train, setup.device, setup.spec.precision)
        self._update = Update(setup)
        pending_commands = PendingCommands(setup.script) if resumption is None else resumption.pending_commands(setup)
        self._state = TrainingState(setup, self._averaging, self._update.gradient_scaler, pending_commands)
        self._progress = self._state.progress
        self._keeper = Keeper(checkpoints, self._state, reporter)
        self._desk = CommandHandler(
            inbox,
            pending_commands,
            reporter,
            setup.lr_control,
            setup.metric_names,
            self._evaluate_on_demand,
            self._keeper,
            self._range_test,
        )
        self._from: dict[str, Any] = {}
        self._warnings: list[str] = []
        if resumption is not None:
            resumption.restore(self._state)
            self._from, self._warnings = resumption.started_fields, resumption.warnings(setup)

    def run(self) -> None:
        """Train all epochs that are left.

        Raises:
            StopRequested: where the user stopped the run.
            Diverged: at the first loss that is not finite.
            TaskError: where the user's own code fails.
        """
        self._say_started()
        self._reporter.clock.go_on()
        try:
            self._train_all_epochs()
        except Exception:
            # steps that were done are told, whatever ended the run; a loss that is not finite is then the reason
            self._loss_buffer.flush()
            raise

    def _train_all_epochs(self) -> None:
        progress, control = self._progress, self._setup.lr_control
        if not progress.testing:
            # a run that has done all its epochs may be made longer before it goes on
            self._obey()
        while progress.epoch <= control.horizon.epochs:
            # a run that goes on from within an epoch's test has no step of it left
            if not progress.testing:
                self._train_one_epoch()
                if control.schedule.per == "epoch":
                    self._average_weights()
                progress.testing = True
            result = self._evaluate_after_epoch()
            # the schedule steps after the test, as in the tutorial: a plateau is judged by this epoch's result
            self._step_schedule(result)
            self._reporter.say(
                EpochDone,
                epoch=progress.epoch,
                lrs=progress.lrs,
                samples_per_second=progress.samples_per_second,
                dead_layer=most_dead(progress.reached),
            )
            self._state.begin_next_epoch(self._reporter.clock.seconds)
            self._keeper.save("epoch")

    # -- training -----------------------------------------------------------------------------------------------------

    def _train_one_epoch(self) -> None:
        """Go once through the training data in a new order, or through what is left of it."""
        setup, reporter, progress = self._setup, self._reporter, self._progress
        steps = _grouped(self._state.batches_left(self._obey), setup.spec.accumulate)
        for step_in_epoch in range(progress.steps, setup.horizon.batches_per_epoch):
            self._obey()
            progress.lrs = setup.lr_control.lrs

            # forward and backward, the optimizer's step, then the schedule's
            loss, samples = self._update.make(next(steps))
            if is_looked_at(step_in_epoch, setup.horizon.batches_per_epoch):
                progress.reached = reached_too(setup.model, progress.reached)
            # reading the loss here would make an accelerator wait: the buffer decides when
            at_log_line = step_in_epoch % setup.spec.log_interval == 0
            self._loss_buffer.add(progress.epoch, step_in_epoch, progress.lrs, loss, at_log_line)
            reporter.step += 1
            progress.steps += 1
            progress.samples += samples

            if setup.lr_control.schedule.per == "batch":
                self._average_weights()
                setup.lr_control.after_step()
        self._loss_buffer.flush()
        # samples a second are those of training: tests have their own time
        progress.note_speed(reporter.clock.seconds)

    def _obey(self) -> None:
        if not self._desk.has_work:
            return
        # what a command changes comes after the steps that were done before it, and so does a checkpoint
        self._loss_buffer.flush()
        self._desk.obey()  # blocks while the run is paused

    # -- what comes after an epoch ------------------------------------------------------------------------------------

    def _evaluate_after_epoch(self) -> Mapping[str, float]:
        """Go once through the test set with the model, and with the averaged one where there is one."""
        progress = self._progress
        if not progress.result:
            progress.result = self._evaluate(self._setup.model, "epoch end").all_metrics
        if self._averaging.averaged_model is not None:
            self._evaluate(self._averaging.averaged_model, "epoch end", averaged=True)
        return progress.result

    def _evaluate_on_demand(self, command: Command, scripted: bool) -> None:
        begun, aside = self._reporter.clock.seconds, self._progress.seconds_aside
        with self._state.looking(command, scripted=scripted):
            self._evaluate(self._setup.model, "on demand", command=command, scripted=scripted)
        # checkpoints that were made meanwhile are part of that time
        self._progress.seconds_aside = aside + self._reporter.clock.seconds - begun

    def _range_test(self, command: RangeTest) -> None:
        if refusal := why_not_beside_a_run(self._setup.train):
            command.feed.close(RangeEnd("failed", UsageError(refusal)))
            return
        range_test(
            self._setup,
            command.sweep,
            command.feed,
            gradient_scaler=self._update.gradient_scaler,
            is_called_away=lambda: self._inbox.find(Stop) is not None,
        )

    def _evaluate(
        self,
        model: torch.nn.Module,
        trigger: EvalTrigger,
        *,
        averaged: bool = False,
        command: Command | None = None,
        scripted: bool = False,
    ) -> Evaluation:
        """Go once through the test set and publish what it says."""
        setup, reporter, epoch = self._setup, self._reporter, self._progress.epoch
        asked = {} if command is None else {"command": command.text, "command_id": command.id}
        reporter.say(EvaluationStarted, epoch=epoch, scripted=scripted, **asked)
        begun = reporter.clock.seconds

        def obey() -> None:
            self._desk.obey(during=trigger)

        with self._state.looking():
            if averaged:
                self._averaging.update_batch_norm(obey)
            result = evaluate(model, setup.task, setup.test, setup.device, setup.spec.precision, obey)
        metrics = dict(result.metrics)
        reporter.say(
            EvalDone,
            epoch=epoch,
            loss=result.loss,
            accuracy=metrics.pop("accuracy", None),
            metrics=metrics,
            seconds_taken=reporter.clock.seconds - begun,
            averaged=averaged,
        )
        return result

    def _average_weights(self) -> None:
        control = self._setup.lr_control
        if self._averaging.update(control.schedule, control.step_calls):
            self._loss_buffer.flush()
            self._reporter.notice("averaging", f"weights are averaged from step {self._reporter.step:,} on (SWALR)")

    def _step_schedule(self, result: Mapping[str, float]) -> None:
        control = self._setup.lr_control
        before = control.lrs
        if control.after_epoch(self._reporter.step, result):
            self._reporter.say(LrSet, lrs_before=before, lrs_after=control.lrs, scale=control.scale, by="plateau")

    def _say_started(self) -> None:
        setup, horizon = self._setup, self._setup.lr_control.horizon
        self._reporter.say(
            RunStarted,
            spec=replace(setup.spec, epochs=horizon.epochs),
            device=describe_device(setup.device),
            torch_threads=torch.get_num_threads(),
            data=setup.data,
            parameter_count=setup.parameter_count,
            batches_per_epoch=horizon.batches_per_epoch,
            total_steps=horizon.total_steps,
            group_names=setup.group_names,
            group_lrs=setup.lr_control.lrs,
            **self._from,
        )
        for words in self._warnings:
            self._reporter.notice("resume", words, level="warning")


def _grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Yield the batches of each optimizer step; the last one may have fewer."""
    iterator = iter(batches)
    while group := list(islice(iterator, size)):
        yield group
