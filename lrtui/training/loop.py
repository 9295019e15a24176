"""The training loop: optimizer steps, tests, schedule steps, and where commands are obeyed between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch

from lrtui.run.commands import Command
from lrtui.run.events import (
    EpochDone,
    EvalDone,
    EvaluationStarted,
    LrSet,
    RunStarted,
)
from lrtui.run.inbox import Inbox
from lrtui.training.averaging import WeightAveraging
from lrtui.training.batches import Batch, sample_count, to_device
from lrtui.training.command_desk import CommandDesk, EvalTrigger
from lrtui.training.device import describe_device
from lrtui.training.evaluate import Evaluation, evaluate
from lrtui.training.loss_buffer import LossBuffer
from lrtui.training.precision import gradient_scaler, precision_context
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import RunSetup


class Loop:
    """One run over a setup; used by one thread.

    Args:
        setup: what is trained, with what.
        inbox: where commands come from.
        reporter: where events go.
    """

    def __init__(self, setup: RunSetup, inbox: Inbox, reporter: Reporter) -> None:
        self._setup = setup
        self._reporter = reporter
        self._loss_buffer = LossBuffer(reporter, setup.device)
        self._averaging = WeightAveraging(setup.model, setup.train, setup.device, setup.spec.precision)
        self._gradient_scaler = gradient_scaler(setup.device, setup.spec.precision)
        self._desk = CommandDesk(
            inbox, setup.script, reporter, setup.lr_control, setup.metric_names, self._evaluate_on_demand
        )
        self._epoch = 1
        self._seconds_aside = 0.0
        """Of the epoch under way, spent on tests that a command asked for."""

    def run(self) -> None:
        """Train all epochs.

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
        for epoch in range(1, self._setup.spec.epochs + 1):
            self._epoch = epoch
            # samples a second are those of training: tests have their own time
            begun, self._seconds_aside = self._reporter.clock.seconds, 0.0
            lrs_used, samples = self._train_one_epoch()
            speed = samples / max(self._reporter.clock.seconds - begun - self._seconds_aside, 1e-9)
            result = self._evaluate_after_epoch()
            # the schedule steps after the test, as in the tutorial: a plateau is judged by this epoch's result
            self._step_schedule(result)
            self._reporter.say(EpochDone, epoch=self._epoch, lrs=lrs_used, samples_per_second=speed)

    # -- training -----------------------------------------------------------------------------------------------------

    def _train_one_epoch(self) -> tuple[tuple[float, ...], int]:
        """Go once through the training data in a new order; return the lrs of the last step, and how many samples."""
        setup, reporter = self._setup, self._reporter
        lrs, samples = setup.lr_control.lrs, 0
        steps = _grouped(setup.train.shuffled(), setup.spec.accumulate)
        for step_in_epoch, batches in enumerate(steps):
            self._obey()
            lrs = setup.lr_control.lrs

            # forward and backward, the optimizer's step, then the schedule's
            setup.optimizer.zero_grad(set_to_none=True)
            loss, count = self._forward_backward(batches)
            self._step_optimizer()
            # reading the loss here would make an accelerator wait: the buffer decides when
            self._loss_buffer.add(self._epoch, step_in_epoch, lrs, loss, step_in_epoch % setup.spec.log_interval == 0)
            reporter.step += 1
            samples += count

            if setup.lr_control.schedule.per == "batch":
                self._average_weights()
                setup.lr_control.after_step()
        self._loss_buffer.flush()
        return lrs, samples

    def _forward_backward(self, batches: list[Batch]) -> tuple[torch.Tensor, int]:
        """Return the mean loss of all samples of the batches, 0-d, and how many; leave its gradients in the parameters.

        With several batches each counts by its share of the samples: of a loss that is a mean over samples that makes
        what one batch of them all would have. BatchNorm, class weights and ignored targets see each batch alone.
        """
        setup = self._setup
        counts = [sample_count(batch) for batch in batches]
        total = sum(counts)
        losses = []
        for batch, count in zip(batches, counts, strict=True):
            inputs, targets = to_device(batch, setup.device)
            with precision_context(setup.device, setup.spec.precision):
                loss = setup.task.loss(setup.task.outputs(setup.model, inputs), targets)
            if len(batches) > 1:
                loss = loss * (count / total)
            setup.task.backward(self._gradient_scaler.scale(loss))
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum(), total

    def _step_optimizer(self) -> None:
        setup, limit = self._setup, self._setup.spec.clip_grad_norm
        if limit is not None:
            # clip the true gradients, not those scaled to stay within fp16's range
            self._gradient_scaler.unscale_(setup.optimizer)
            torch.nn.utils.clip_grad_norm_(setup.model.parameters(), limit)
        self._gradient_scaler.step(setup.optimizer)
        self._gradient_scaler.update()

    def _obey(self) -> None:
        if not self._desk.has_work:
            return
        # what a command changes comes after the steps that were done before it
        self._loss_buffer.flush()
        self._desk.obey()  # blocks while the run is paused

    # -- what comes after an epoch ------------------------------------------------------------------------------------

    def _evaluate_after_epoch(self) -> Evaluation:
        """Go once through the test set with the model, and with the averaged one where there is one."""
        if self._setup.lr_control.schedule.per == "epoch":
            self._average_weights()
        result = self._evaluate(self._setup.model, "epoch end")
        if self._averaging.averaged_model is not None:
            self._evaluate(self._averaging.averaged_model, "epoch end", averaged=True)
        return result

    def _evaluate_on_demand(self, command: Command) -> None:
        begun = self._reporter.clock.seconds
        self._evaluate(self._setup.model, "on demand", command=command.words)
        self._seconds_aside += self._reporter.clock.seconds - begun

    def _evaluate(
        self, model: torch.nn.Module, trigger: EvalTrigger, *, averaged: bool = False, command: str = ""
    ) -> Evaluation:
        """Go once through the test set and publish what it says."""
        setup, reporter = self._setup, self._reporter
        reporter.say(EvaluationStarted, epoch=self._epoch, command=command)
        begun = reporter.clock.seconds

        def obey() -> None:
            self._desk.obey(during=trigger)

        if averaged:
            self._averaging.update_batch_norm(obey)
        result = evaluate(model, setup.task, setup.test, setup.device, setup.spec.precision, obey)
        metrics = dict(result.metrics)
        reporter.say(
            EvalDone,
            epoch=self._epoch,
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

    def _step_schedule(self, result: Evaluation) -> None:
        control = self._setup.lr_control
        before = control.lrs
        if control.after_epoch(self._reporter.step, result.all_metrics):
            self._reporter.say(LrSet, lrs_before=before, lrs_after=control.lrs, scale=control.scale, by="plateau")

    def _say_started(self) -> None:
        setup = self._setup
        self._reporter.say(
            RunStarted,
            spec=setup.spec,
            device=describe_device(setup.device),
            torch_threads=torch.get_num_threads(),
            data=setup.data,
            parameter_count=setup.parameter_count,
            batches_per_epoch=setup.horizon.batches_per_epoch,
            total_steps=setup.horizon.total_steps,
            group_names=setup.group_names,
            group_lrs=setup.lr_control.lrs,
        )


def _grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Yield the batches of each optimizer step; the last one may have fewer."""
    iterator = iter(batches)
    while group := list(islice(iterator, size)):
        yield group
