"""The training loop: read it aloud."""

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
from lrtui.training.averaging import Averaging
from lrtui.training.batches import Batch, sample_count, to_device
from lrtui.training.bench import Bench
from lrtui.training.command_desk import CommandDesk, Test
from lrtui.training.device import describe_device
from lrtui.training.evaluate import Evaluation, evaluate
from lrtui.training.gathering import LossGathering
from lrtui.training.precision import gradient_scaler, precision_context
from lrtui.training.reporter import Reporter


class Loop:
    """One run over a bench; used by one thread.

    Args:
        bench: what is trained, with what.
        inbox: where commands come from.
        reporter: where events go.
    """

    def __init__(self, bench: Bench, inbox: Inbox, reporter: Reporter) -> None:
        self._bench = bench
        self._reporter = reporter
        self._losses = LossGathering(reporter, bench.device)
        self._averaging = Averaging(bench.model, bench.train, bench.device, bench.spec.precision)
        self._gradient_scaler = gradient_scaler(bench.device, bench.spec.precision)
        self._desk = CommandDesk(inbox, bench.script, reporter, bench.lr_control, bench.metrics, self._test_on_demand)
        self._epoch = 1

    def run(self) -> None:
        """Train all epochs.

        Raises:
            StopRequested: where the user stopped the run.
            Diverged: at the first loss that is not finite.
            TaskError: where the user's own code fails.
        """
        self._say_started()
        self._reporter.clock.go_on()
        for epoch in range(1, self._bench.spec.epochs + 1):
            self._epoch = epoch
            # samples a second are those of training: the test after it has its own time
            begun = self._reporter.clock.seconds
            lrs_used, samples = self._train_one_epoch()
            speed = samples / max(self._reporter.clock.seconds - begun, 1e-9)
            result = self._test_at_epoch_end()
            # the schedule steps after the test, as in the tutorial: a plateau is judged by this epoch's result
            self._step_schedule(result)
            self._reporter.say(EpochDone, epoch=self._epoch, lrs=lrs_used, samples_per_second=speed)

    # -- training -----------------------------------------------------------------------------------------------------

    def _train_one_epoch(self) -> tuple[tuple[float, ...], int]:
        """Go once through the training data in a new order; return the lrs of the last step, and how many samples."""
        bench, reporter = self._bench, self._reporter
        lrs, samples = bench.lr_control.lrs, 0
        steps = _grouped(bench.train.shuffled(), bench.spec.accumulate)
        for number, batches in enumerate(steps):
            self._obey()
            lrs = bench.lr_control.lrs

            # forward and backward, the optimizer's step, then the schedule's
            bench.optimizer.zero_grad(set_to_none=True)
            loss, count = self._take_gradients(batches)
            self._step_optimizer()
            if bench.lr_control.schedule.per == "batch":
                self._average_weights()
                bench.lr_control.after_batch()

            # reading the loss here would make an accelerator wait: the gathering decides when
            self._losses.add(self._epoch, number, lrs, loss, number % bench.spec.log_interval == 0)
            reporter.step += 1
            samples += count
        self._losses.publish()
        return lrs, samples

    def _take_gradients(self, batches: list[Batch]) -> tuple[torch.Tensor, int]:
        """Return the mean loss of all samples of the batches, 0-d, and how many; leave its gradients in the parameters.

        With several batches each counts by its share of the samples, so that they add up to what one batch of them
        all would have.
        """
        bench = self._bench
        counts = [sample_count(batch) for batch in batches]
        total = sum(counts)
        losses = []
        for batch, count in zip(batches, counts, strict=True):
            inputs, targets = to_device(batch, bench.device)
            with precision_context(bench.device, bench.spec.precision):
                loss = bench.task.loss(bench.task.outputs(bench.model, inputs), targets)
            if len(batches) > 1:
                loss = loss * (count / total)
            bench.task.backward(self._gradient_scaler.scale(loss))
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum(), total

    def _step_optimizer(self) -> None:
        bench, limit = self._bench, self._bench.spec.clip_grad_norm
        if limit is not None:
            # clipped are the gradients themselves, not what they were multiplied with to stay within fp16's range
            self._gradient_scaler.unscale_(bench.optimizer)
            torch.nn.utils.clip_grad_norm_(bench.model.parameters(), limit)
        self._gradient_scaler.step(bench.optimizer)
        self._gradient_scaler.update()

    def _obey(self) -> None:
        if self._desk.has_work:
            # what a command changes comes after the steps that were done before it
            self._losses.publish()
        self._desk.obey()

    # -- what comes after an epoch ------------------------------------------------------------------------------------

    def _test_at_epoch_end(self) -> Evaluation:
        """Go once through the test set with the model, and with the averaged one where there is one."""
        if self._bench.lr_control.schedule.per == "epoch":
            self._average_weights()
        result = self._test(self._bench.model, "of the epoch")
        if self._averaging.averaged is not None:
            self._test(self._averaging.averaged, "of the epoch", averaged=True)
        return result

    def _test_on_demand(self, command: Command) -> None:
        self._test(self._bench.model, "on demand", command=command.words)

    def _test(self, model: torch.nn.Module, kind: Test, *, averaged: bool = False, command: str = "") -> Evaluation:
        """Go once through the test set and publish what it says."""
        bench, reporter = self._bench, self._reporter
        reporter.say(EvaluationStarted, epoch=self._epoch, command=command)
        begun = reporter.clock.seconds

        def obey() -> None:
            self._desk.obey(during=kind)

        if averaged:
            self._averaging.update_batch_norm(obey)
        result = evaluate(model, bench.task, bench.test, bench.device, bench.spec.precision, obey)
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
        control = self._bench.lr_control
        if self._averaging.take_in(control.schedule, control.calls):
            self._reporter.notice("averaging", f"weights are averaged from step {self._reporter.step:,} on (SWALR)")

    def _step_schedule(self, result: Evaluation) -> None:
        control = self._bench.lr_control
        before = control.lrs
        if control.after_epoch(self._reporter.step, result.results):
            self._reporter.say(LrSet, lrs_before=before, lrs_after=control.lrs, scale=control.scale, by="plateau")

    def _say_started(self) -> None:
        bench = self._bench
        self._reporter.say(
            RunStarted,
            spec=bench.spec,
            device=describe_device(bench.device),
            torch_threads=torch.get_num_threads(),
            data=bench.data,
            parameter_count=bench.parameter_count,
            batches_per_epoch=bench.horizon.batches_per_epoch,
            total_steps=bench.horizon.total_steps,
            group_names=bench.group_names,
            group_lrs=bench.lr_control.lrs,
        )


def _grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Yield the batches of each optimizer step; the last one may have fewer."""
    iterator = iter(batches)
    while group := list(islice(iterator, size)):
        yield group
