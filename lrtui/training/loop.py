"""The training loop: read it aloud."""

from __future__ import annotations

import torch

from lrtui.run.events import (
    EpochDone,
    EvalDone,
    EvaluationStarted,
    LrSet,
    RunStarted,
)
from lrtui.run.inbox import Inbox
from lrtui.training.bench import Bench
from lrtui.training.command_desk import CommandDesk
from lrtui.training.device import describe_device, precision_context
from lrtui.training.evaluate import Evaluation, evaluate
from lrtui.training.gathering import LossGathering
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
        self._inbox = inbox
        self._reporter = reporter
        self._losses = LossGathering(reporter, bench.device)
        self._desk = CommandDesk(inbox, reporter, bench.lr_control, self._test)
        self._epoch = 1

    def run(self) -> None:
        """Train all epochs.

        Raises:
            StopRequested: where the user stopped the run.
            Diverged: at the first loss that is not finite.
        """
        self._say_started()
        self._reporter.clock.go_on()
        for epoch in range(1, self._bench.spec.epochs + 1):
            self._epoch = epoch
            # samples a second are those of training: the test after it has its own time
            begun = self._reporter.clock.seconds
            used = self._train_one_epoch()
            speed = len(self._bench.data.train) / max(self._reporter.clock.seconds - begun, 1e-9)
            result = self._test()
            # the schedule steps after the test, as in the tutorial: a plateau is judged by this epoch's result
            self._step_schedule(result)
            self._reporter.say(EpochDone, epoch=self._epoch, lrs=used, samples_per_second=speed)

    def _train_one_epoch(self) -> tuple[float, ...]:
        """Go once through the training data in a new order; return the lrs that the last step used."""
        bench, reporter = self._bench, self._reporter
        lrs = bench.lr_control.lrs
        order = torch.randperm(len(bench.data.train), generator=bench.order).to(bench.device)
        for batch, indices in enumerate(torch.split(order, bench.spec.batch_size)):
            self._obey()
            inputs, targets = bench.data.train.batch(indices)
            lrs = bench.lr_control.lrs

            # forward and backward
            bench.optimizer.zero_grad(set_to_none=True)
            with precision_context(bench.device, bench.spec.precision):
                loss = bench.task.loss(bench.model(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]

            # the step, then the schedule's
            bench.optimizer.step()
            bench.lr_control.after_batch()

            # reading the loss here would make an accelerator wait: the gathering decides when
            self._losses.add(self._epoch, batch, lrs, loss.detach(), batch % bench.spec.log_interval == 0)
            reporter.step += 1
        self._losses.publish()
        return lrs

    def _obey(self) -> None:
        if self._inbox:
            # what a command changes comes after the steps that were done before it
            self._losses.publish()
        self._desk.obey()

    def _test(self) -> Evaluation:
        """Go once through the test set and publish what it says."""
        bench, reporter = self._bench, self._reporter
        reporter.say(EvaluationStarted, epoch=self._epoch)
        begun = reporter.clock.seconds
        result = evaluate(
            bench.model,
            bench.task,
            bench.data.test,
            bench.device,
            bench.spec.precision,
            between_batches=lambda: self._desk.obey(evaluating=True),
        )
        reporter.say(
            EvalDone,
            epoch=self._epoch,
            loss=result.loss,
            accuracy=result.accuracy,
            seconds_taken=reporter.clock.seconds - begun,
        )
        return result

    def _step_schedule(self, result: Evaluation) -> None:
        control = self._bench.lr_control
        before = control.lrs
        if control.after_epoch(self._reporter.step, result.as_metrics()):
            self._reporter.say(LrSet, lrs_before=before, lrs_after=control.lrs, scale=control.scale, by="plateau")

    def _say_started(self) -> None:
        bench = self._bench
        self._reporter.say(
            RunStarted,
            spec=bench.spec,
            device=describe_device(bench.device),
            torch_threads=torch.get_num_threads(),
            data=bench.data.description.as_json(),
            parameter_count=bench.parameter_count,
            batches_per_epoch=bench.horizon.batches_per_epoch,
            total_steps=bench.horizon.total_steps,
            group_names=bench.group_names,
            group_lrs=bench.lr_control.lrs,
        )
