"""The training state of a run, which a checkpoint saves and restores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lrtui.run.commands import Command
from lrtui.run.evaluations import Objective
from lrtui.schedules.schedule import Schedule
from lrtui.training.batches import Batch
from lrtui.training.checkpoint.format import Checkpoint
from lrtui.training.device import describe_device
from lrtui.training.fsdp import divided, is_sharded, whole
from lrtui.training.optimizer_modes import OptimizerModes
from lrtui.training.pending_commands import PendingCommands
from lrtui.training.progress import Progress
from lrtui.training.random_state import RandomStates, random_states, set_random_states, share_random_states
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import RunSetup
from lrtui.training.task_state import UnsavedParts, load_state, saved_state
from lrtui.training.weight_averaging import WeightAveraging, restore_buffers, unsaved_buffers


class TrainingState:
    """The state of one run between two steps, or between two batches of a test.

    Args:
        setup: the model, the data, the optimizer and the settings.
        averaging: the averaged model.
        gradient_scaler: gradient scaler of the optimizer steps.
        pending: the commands that are still to come.
    """

    def __init__(
        self,
        setup: RunSetup,
        averaging: WeightAveraging,
        gradient_scaler: torch.amp.GradScaler,
        pending: PendingCommands,
    ) -> None:
        share_random_states(setup.group, setup.train.generators)
        self._random_at_start = random_states(setup.train.generators)
        self.progress = Progress(self._random_at_start)
        self.pending = pending
        self.modes = OptimizerModes(setup.model, setup.optimizer, keeps_gradients=setup.task.steps_manually)
        self._setup, self._averaging, self._gradient_scaler = setup, averaging, gradient_scaler
        self._unsaved = UnsavedParts(setup.task, setup.model, setup.optimizer)
        self._held_states: RandomStates | None = None
        self._test_on_demand: tuple[Command, bool] | None = None
        self._lacks_workers = self._lacks_stream = False
        self._gathered: tuple[dict[str, Any], dict[str, Any]] | None = None

    @contextmanager
    def random_states_held(self, command: Command | None = None, *, scripted: bool = False) -> Iterator[None]:
        """Let checkpoints made within the block store the current random states: a test must not change training.

        Args:
            command: the command that asked for the test; a run resumed from such a checkpoint repeats it.
            scripted: whether the command is the script's.
        """
        outer = self._held_states, self._test_on_demand
        if self._held_states is None:
            self._held_states = self._random_states()
        if command is not None:
            self._test_on_demand = command, scripted
        try:
            yield
        finally:
            self._held_states, self._test_on_demand = outer

    def remaining_batches(self, take_commands: Callable[[], None]) -> Iterator[Batch]:
        """Return the remaining batches of the epoch; those that are done are repeated and skipped.

        Args:
            take_commands: called between two batches that are skipped.
        """
        train, done = self._setup.train, self.progress.steps * self._setup.spec.accumulate
        if self._lacks_workers:
            self._lacks_workers, now = False, self._random_states()
            train.start_workers()
            set_random_states(now, train.generators)
        begun = self.progress.random
        if train.goes_on:
            # the pass began with the run, and goes on unless the run has been resumed
            begun, done = self._random_at_start, self._skipped(done)
        if not done:
            return train.shuffled()
        now = self._random_states()
        with self.random_states_held():
            try:
                set_random_states(begun, train.generators)
                return train.resumed(done, take_commands)
            finally:
                set_random_states(now, train.generators)

    def _skipped(self, done: int) -> int:
        """Return how many batches of a stream a resumed run skips, the first time: those of earlier epochs as well."""
        if not self._lacks_stream:
            return 0
        self._lacks_stream = False
        return done + (self.progress.epoch - 1) * len(self._setup.train)

    def start_next_epoch(self, seconds: float) -> None:
        """Move to the next epoch; `seconds` are those of the run's clock."""
        share_random_states(self._setup.group, self._setup.train.generators)
        self.progress.start_next_epoch(seconds, self._random_states())

    def gather(self) -> None:
        """Get the parts of the model that the other processes have, for a checkpoint of rank 0; all call it."""
        if is_sharded(self._setup.model):
            is_first = self._setup.group.is_first
            states = self.modes.model_state(), self.modes.optimizer_state()
            model, optimizer = (whole(state, is_kept=is_first) for state in states)
            self._gathered = (model, optimizer) if is_first else None

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite; otherwise a resumed run would diverge."""
        weights = self._setup.model.parameters() if self._gathered is None else self._gathered[0].values()
        return all(bool(torch.isfinite(weight).all()) for weight in weights)

    @property
    def schedule(self) -> Schedule:
        """The current schedule."""
        return self._setup.lr_control.schedule

    @property
    def objective(self) -> Objective | None:
        """What the task names as best; None if it names nothing."""
        return self._setup.objective

    def result_at(self, step: int) -> Mapping[str, float] | None:
        """Return the result of the test that ended the epoch of this step, or None."""
        control = self._setup.lr_control
        # the last epoch may be a part of one
        epoch = -(-step // control.horizon.batches_per_epoch)
        return control.test_results[epoch - 1] if 1 <= epoch <= len(control.test_results) else None

    def capture(self, reporter: Reporter) -> Checkpoint:
        """Return the state as it is now; its tensors are the live ones."""
        setup, control = self._setup, self._setup.lr_control
        script, replay = self.pending.script_left, self.pending.replay_left(reporter.step)
        if self._test_on_demand is not None:
            command, scripted = self._test_on_demand
            (script if scripted else replay).insert(0, f"step {reporter.step}: {command.text}")
        task_state = saved_state(setup.task.task)
        model, optimizer = self._gathered or (self.modes.model_state(), self.modes.optimizer_state())
        self._gathered = None
        self._unsaved.look(task_state)
        return Checkpoint(
            spec=control.horizon.apply_to(setup.spec),
            seq=reporter.last_seq,
            step=reporter.step,
            seconds=reporter.clock.seconds,
            progress=self.progress.state(),
            model=model,
            buffers=unsaved_buffers(setup.model),
            optimizer=optimizer,
            lr_control=control.state(),
            averaging=self._averaging.state(control.schedule),
            gradient_scaler=self._gradient_scaler.state_dict(),
            random=self._held_states or self._random_states(),
            script=script,
            replay=replay,
            epoch_ends=[],
            sizes=sizes(setup),
            versions=versions(setup),
            task=task_state,
            unsaved=list(self._unsaved.names),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Load what `capture` returned.

        Raises:
            Exception: whatever loading a part that does not fit raises.
        """
        setup = self._setup
        setup.model.load_state_dict(divided(checkpoint.model, setup.model.state_dict()))
        restore_buffers(setup.model, checkpoint.buffers)
        setup.lr_control.restore(checkpoint.lr_control)
        self.modes.restore_optimizer(checkpoint.optimizer)
        self._averaging.restore(checkpoint.averaging, setup.lr_control.schedule)
        self._gradient_scaler.load_state_dict(checkpoint.gradient_scaler)
        self.progress.restore(checkpoint.progress)
        load_state(setup.task.task, checkpoint.task)
        self._unsaved.names = list(checkpoint.unsaved)
        self._lacks_workers, self._lacks_stream = self.progress.epoch > 1, True
        set_random_states(checkpoint.random, setup.train.generators)
        share_random_states(setup.group, setup.train.generators)

    def _random_states(self) -> RandomStates:
        return random_states(self._setup.train.generators)


def sizes(setup: RunSetup) -> dict[str, int]:
    """Return the sizes that must be the same in a checkpoint and the run that resumes from it."""
    return {
        "training samples": int(setup.data["train"]),
        "test samples": int(setup.data["test"]),
        "steps an epoch": setup.horizon.batches_per_epoch,
        "parameters": setup.parameter_count,
    }


def versions(setup: RunSetup) -> dict[str, str]:
    """Return what else the last digits of a run's numbers depend on, besides its settings."""
    return {
        "torch": str(torch.__version__),
        "numpy": str(np.__version__),
        "device": describe_device(setup.device),
        "processes": str(setup.group.world_size),
        "threads": str(torch.get_num_threads()),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
