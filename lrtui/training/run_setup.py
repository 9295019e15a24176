"""The setup of a run: model, data, optimizer and schedule, built and checked before the first batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace

import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.commands import Command, EvaluateNow, SetLr, Stop, SwitchSchedule
from lrtui.run.errors import NotationError, TaskError, UsageError
from lrtui.run.evaluations import Objective
from lrtui.run.spec import RunSpec, check_option
from lrtui.schedules.build import check_buildable
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.optimizer_build import check_flags
from lrtui.schedules.schedule import Schedule, check_trainable
from lrtui.schedules.script import ScriptLine, read_script
from lrtui.schedules.simulate import simulate
from lrtui.tasks.registry import find_task, steps_per_epoch
from lrtui.tasks.task import DataRequest, Say, Task
from lrtui.text.format import sample_counts
from lrtui.training.batch_norm import batch_norm_warnings, check_smallest_batch, share_batch_norm, values_per_sample
from lrtui.training.batches import Batches
from lrtui.training.device import choose_device
from lrtui.training.evaluate import try_test, try_training_batch
from lrtui.training.fsdp import check_shardable, shard
from lrtui.training.lr_control import LrControl
from lrtui.training.lr_trial import MAX_CALLS_TRIED
from lrtui.training.optimizer_setup import set_up_optimizer
from lrtui.training.process_count import process_warnings
from lrtui.training.random_state import draw_seed, seed_everything
from lrtui.training.run_data import read_test_data, read_training_data, samples_in
from lrtui.training.script_simulation import SimulatedScript
from lrtui.training.switch_of_one import for_single_optimizer
from lrtui.training.task_schedule import schedule_of_run, stored_schedule
from lrtui.training.user_task import TRAINED_MODELS, UserTask
from lrtui.training.weight_averaging import check_averageable

CONSTANT = Schedule("ConstantLR", (("factor", 1.0),))
"""Stands for the schedules of optimizers that a switch does not name, while it is tried."""

MAX_STEPS_TRIED = 200_000
"""Maximum number of steps after which a script's command is tried before a run; they take 2 s."""

OVER = (
    "the run ends within epoch {epoch}, after {steps:,} steps, and can't be extended any more: start a run with more "
    "--max-steps"
)
"""Why a run can't be extended at its end; its next epoch would begin at another step than those before."""

MAX_STEPS_SIMULATED = 10_000_000
"""Maximum number of steps of which the lr is computed before a run; they take 1 GB of memory."""


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Model, data, optimizer and lr control of one run, ready for the first batch.

    Args:
        spec: the settings, with the schedule's lengths filled in.
        data: name, source, where, and the number of samples under `train` and `test`.
        test: None for a task without test data.
        metric_names: names of a test's results, `loss` first; none without test data.
        objective: what the task names as best; None if it names nothing.
        was_trained: whether an earlier run of this process has trained the model, so that it has the weights of then.
        script: the commands of the settings' `at`, in the order of their moments.
        warnings: what will go wrong, as the first batch of the test and the script show; one sentence each.
        group: the processes that train the run, of which this is one.
    """

    spec: RunSpec
    task: UserTask
    train: Batches
    test: Batches | None
    data: dict[str, str | int]
    metric_names: tuple[str, ...]
    device: torch.device
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    group_names: tuple[str, ...]
    lr_control: LrControl
    horizon: Horizon
    script: list[ScriptLine]
    warnings: tuple[str, ...] = ()
    objective: Objective | None = None
    was_trained: bool = False
    group: ProcessGroup = ALONE

    @property
    def parameter_count(self) -> int:
        """Number of trainable parameters of the model."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)


def set_up(spec: RunSpec, say: Say, task: Task | None = None, group: ProcessGroup = ALONE) -> RunSetup:
    """Load the data, seed, build model, optimizer and schedule, and try what can be tried before the first batch.

    Args:
        say: receives progress messages: which data, from where.
        task: replaces the one that the settings name.
        group: the processes that train the run; all of them call this with equal settings.

    Raises:
        UsageError: for an invalid setting.
        DataError: if there is no data.
        TaskError: for a mistake in the task.
    """
    check_trainable(parse_schedule(spec.schedule))  # refused before the data is loaded
    device = choose_device(spec.device)
    group.use_device(device)
    check_flags(parse_optimizer(spec.optimizer), device.type)
    user_task = UserTask(task or find_task(spec.task, spec.seed), spec.task)
    user_task.provide({"device": device, "seed": spec.seed}, say)
    order = torch.Generator()
    seed_everything(spec.seed)  # a task may split its data randomly
    with group.turn():
        source = user_task.prepare(DataRequest(spec.data_dir, spec.train_samples, spec.test_samples), say)
    most_batches = None if spec.max_steps is None else spec.max_steps * spec.accumulate
    train = read_training_data(spec, user_task, device, order, say, group)
    test = read_test_data(spec, user_task, device, say, group)
    if train.batch_size not in (None, spec.batch_size):
        say(f"training_data() gives batches of {train.batch_size}: --batch-size {spec.batch_size} is ignored")
        spec = replace(spec, batch_size=train.batch_size)
    if train.goes_on and spec.train_samples is None and train.batch_size is not None:
        # the length of an epoch stays if the run is extended
        spec = replace(spec, train_samples=len(train) * train.batch_size)
    data: dict[str, str | int] = {
        "name": source.name,
        "source": source.source,
        "where": source.where,
        "train": samples_in(train),
        "test": 0 if test is None else samples_in(test),
    }
    say(f"data: {source.name} from {source.source} ({source.where}), {sample_counts(data)}")
    horizon = Horizon.of(spec, steps_per_epoch(len(train), spec.accumulate))
    schedule = schedule_of_run(spec, user_task.task, horizon, say)
    # again, so that the same seed gives the same weights whatever was drawn for the data
    seed_everything(spec.seed)
    # the model, too, may be downloaded
    with group.turn():
        model = user_task.model().to(device)
    user_task.move_modules(device)
    if group.world_size > 1:
        share_batch_norm(model, device)
        if spec.parallel == "fsdp2":
            check_shardable(spec, user_task, schedule)
            shard(model, device, group)
    if not model.training:
        model.train()  # pretrained ones often come in evaluation mode
    with values_per_sample(model) as values:
        if test is not None:
            first_results = try_test(user_task, model, test, device, spec.precision, say, group)
        else:
            first_results = {}
            try_training_batch(user_task, model, train, device, spec.precision, group)
    if test is not None and (gathered := user_task.whole_set_metrics.describe(int(data["test"]))):
        say(gathered)
    check_smallest_batch(train, values, most_batches)
    was_trained = model in TRAINED_MODELS
    metric_names = tuple(first_results)
    objective = user_task.objective(metric_names) if metric_names else None
    order.manual_seed(draw_seed())
    check_averageable(model, schedule)
    chosen = set_up_optimizer(spec, user_task, model, device, say)
    spec = replace(spec, optimizer=chosen.text, epochs=horizon.epochs)
    script = read_script(spec.at, horizon.epochs, horizon.batches_per_epoch, max_steps=horizon.max_steps)
    if test is None:
        _check_tests_nothing(script)
    _try_schedules(schedule, chosen.spec, horizon, script, metric_names)
    script_warnings = _try_script(spec, schedule, horizon, script)
    lr_control = LrControl(chosen.optimizer, schedule, horizon)
    return RunSetup(
        spec=replace(spec, schedule=stored_schedule(lr_control.schedule, user_task.task)),
        task=user_task,
        train=train,
        test=test,
        data=data,
        metric_names=metric_names,
        device=device,
        model=model,
        optimizer=chosen.optimizer,
        group_names=chosen.spec.group_names,
        lr_control=lr_control,
        horizon=horizon,
        script=script,
        warnings=(
            *process_warnings(spec, group, device),
            *batch_norm_warnings(model, group),
            *chosen.warnings,
            *_metric_warnings(schedule, script, first_results, objective),
            *script_warnings,
        ),
        objective=objective,
        was_trained=was_trained,
        group=group,
    )


def _metric_warnings(
    schedule: Schedule, script: list[ScriptLine], results: Mapping[str, float], objective: Objective | None
) -> Iterator[str]:
    switches = [parse_schedule(line.command.schedule) for line in script if isinstance(line.command, SwitchSchedule)]
    for each in (schedule, *switches):
        if text := threshold_warning(each, results, "the first test batch"):
            yield text
        for part in each.walk():
            mode = part.get("mode")
            if objective is not None and part.metric == objective.metric and mode != objective.mode:
                yield f'{part} cuts the lr while {part.metric} improves: the task has mode = "{objective.mode}"'


def threshold_warning(schedule: Schedule, results: Mapping[str, float], where: str) -> str:
    """Return the warning of a relative threshold on a negative metric; empty if the schedule has none.

    Args:
        results: results of a test by name.
        where: which test, for the message.
    """
    if not schedule.never_cuts_on(results):
        return ""
    return (
        f"{schedule} never cuts the lr while {schedule.metric} is negative ({results[str(schedule.metric)]:.4g} on "
        f'{where}), because its threshold is relative: add threshold_mode="abs"'
    )


def _try_schedules(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    script: list[ScriptLine],
    metric_names: tuple[str, ...],
) -> None:
    """Refuse a schedule, of the run or of its script, that would fail only when the run gets there."""
    check_metric(schedule, metric_names)
    if schedule.user_path is None and horizon.calls(schedule.per) <= MAX_CALLS_TRIED:
        # per epoch, one step of each epoch is enough
        simulate(schedule, optimizer, Horizon(horizon.epochs, 1) if schedule.per == "epoch" else horizon)
    groups = len(optimizer.group_names)
    for line in script:
        command = line.command
        if isinstance(command, SwitchSchedule):
            later = parse_schedule(command.schedule)
            check_metric(later, metric_names)
            start = 0 if command.anchor == "start" else line.step(horizon.batches_per_epoch)
            rest = replace(horizon, start_step=start)
            if not optimizer.parts:
                later = for_single_optimizer(later)
            elif later.is_per_optimizer and not later.positional:
                # those of the other optimizers go on
                later = replace(later, items=(("", CONSTANT), *later.items))
            check_buildable(later, optimizer, rest)
            if (
                later.user_path is None
                and rest.calls(later.per) <= MAX_CALLS_TRIED
                and rest.steps <= MAX_STEPS_SIMULATED
            ):
                simulate(later, optimizer, rest)
        group = getattr(command, "group", None)
        if group is not None and group >= groups:
            message = f"no parameter group {group}: the optimizer has {groups}, numbered from 0"
            raise NotationError(message, line.text, 0)


def _try_script(spec: RunSpec, schedule: Schedule, horizon: Horizon, script: list[ScriptLine]) -> list[str]:
    """Refuse a script with a switch or an lr that the run would refuse when it gets there, because its lr is 0 then.

    A schedule that follows a metric never raises the lr, so it is tried as if it never cut. Under a user's class, and
    after too many steps, the lr is unknown before the run.

    Returns:
        Warnings of switches that may leave the lr at 0.
    """
    stop = next((index for index, line in enumerate(script) if isinstance(line.command, Stop)), len(script))
    tried = [line for line in script[:stop] if _needs_lr(line.command)]
    if not tried:
        return []
    until = tried[-1].step(horizon.batches_per_epoch)
    switches = [line.command for line in script[:stop] if isinstance(line.command, SwitchSchedule)]
    schedules = [schedule, *(parse_schedule(switch.schedule) for switch in switches)]
    is_per_batch = any(each.per == "batch" for each in schedules)
    if until > (MAX_STEPS_TRIED if is_per_batch else MAX_STEPS_SIMULATED):
        return []
    simulated = SimulatedScript(replace(spec, at=tuple(line.text for line in script[:stop])), horizon.batches_per_epoch)
    try:
        simulated.run(until)
    except TaskError:
        # a user's class may read what only exists in a run
        return []
    for command, step, error in simulated.refused:
        if isinstance(command, (SwitchSchedule, SetLr)):
            raise UsageError(f"--at: {command.text} at step {step:,}: {error}")
    return simulated.warnings


def _needs_lr(command: Command) -> bool:
    """Return whether a run refuses the command if its lr is 0."""
    return isinstance(command, SetLr) or (isinstance(command, SwitchSchedule) and command.anchor == "current")


def _check_tests_nothing(script: list[ScriptLine]) -> None:
    for line in script:
        if line.when == "test" or isinstance(line.command, EvaluateNow):
            raise NotationError("this task has no test data, so that no test runs", line.text, 0)


def check_metric(schedule: Schedule, metrics: Collection[str]) -> None:
    """Check that the test returns the metric that the schedule follows; without it the schedule would never step.

    Raises:
        UsageError: names the available metrics.
    """
    for part in schedule.walk():
        if part.metric is not None and part.metric not in metrics:
            known = ", ".join(metrics)
            has = f"the tests of this task return {known}" if metrics else "this task has no test data"
            raise UsageError(f"{part} follows the test's {part.metric}; {has}")


def check_epochs(epochs: int) -> None:
    """Check the number of epochs of a run that is extended.

    Raises:
        UsageError: names the allowed numbers.
    """
    check_option(next(item for item in fields(RunSpec) if item.name == "epochs"), epochs)
