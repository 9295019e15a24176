"""The training loop of a script: each `step()` call, switch and change of lr in its place."""

from __future__ import annotations

from lrtui.schedules.catalogue import Per
from lrtui.schedules.export_code.calls import scheduler_call
from lrtui.schedules.export_code.layout import INDENT, Imports, call_lines, comment_line
from lrtui.schedules.export_code.phases import Phase, ScriptFeatures
from lrtui.schedules.export_code.scale import READ_LRS, no_scale, scale_text
from lrtui.schedules.export_code.timeline import ChangePoint, ScaleChange, Timeline
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS


def loop_lines(features: ScriptFeatures, imports: Imports) -> list[str]:
    """Return the loop."""
    timeline = features.timeline
    first = timeline.start_step // timeline.batches_per_epoch
    epochs = "epochs" if not first else f"{first}, epochs"
    if features.counts_epochs:
        epochs = f"{first + 1}, epochs + 1"
    lines = [f"step = {timeline.start_step}  # optimizer steps done"] if features.counts_steps else []
    lines += ["test_results = []"] if features.looks_back else []
    lines.append(f"for epoch in range({epochs}):")
    lines += [*_indented(_batches(features, imports)), *_indented(_epoch_end(features, imports))]
    if features.phases[-1].averages_from is not None:
        imports.name("torch.optim.swa_utils", "update_bn")
        lines += [
            "# recompute the statistics of BatchNorm, which are not averaged",
            "update_bn(train_batches, averaged_model)",
        ]
    return lines


def _batches(features: ScriptFeatures, imports: Imports) -> list[str]:
    body = []
    if features.timeline.max_steps is not None:
        body += ["if step == max_steps:", f"{INDENT}break"]
    if features.scale_points:
        body += ["if step in scales:", f"{INDENT}scale = scales[step]", f"{INDENT}write_lr()"]
    for point in features.block_points:
        if not point.during_test:
            body += [f"if step == {point.step}:", *_indented(block_lines(point, features, imports))]
    body += [
        *([""] if body else []),
        *_update(features, imports),
        *_average(features, "batch"),
        *_step(features, "batch"),
    ]
    body += ["step += 1"] if features.counts_steps else []
    if features.timeline.accumulate > 1:
        return ["batches = iter(train_batches)", "while group := list(islice(batches, accumulate)):", *_indented(body)]
    return ["for inputs, targets in train_batches:", *_indented(body)]


def _update(features: ScriptFeatures, imports: Imports) -> list[str]:
    """Return the lines of one optimizer step."""
    timeline = features.timeline
    spec = timeline.optimizer
    entry = OPTIMIZERS.get(spec.name) if spec.is_from_task else spec.entry
    if entry is not None and entry.needs_closure:
        lines = ["optimizer.zero_grad()", *gradient_lines(timeline, imports), "return loss"]
        return ["def closure():", *_indented(lines), "", "optimizer.step(closure)"]
    return ["optimizer.zero_grad()", *gradient_lines(timeline, imports), "optimizer.step()"]


def gradient_lines(timeline: Timeline, imports: Imports) -> list[str]:
    """Return the lines that compute the loss and its gradients, and clip them."""
    if timeline.accumulate > 1:
        imports.name("itertools", "islice")
        lines = [
            "for inputs, targets in group:",
            f"{INDENT}loss = loss_function(model(inputs), targets) / len(group)",
            f"{INDENT}loss.backward()",
        ]
    else:
        lines = ["loss = loss_function(model(inputs), targets)", "loss.backward()"]
    if timeline.clip_grad_norm is not None:
        imports.name("torch", "nn")
        lines.append(f"nn.utils.clip_grad_norm_(model.parameters(), {timeline.clip_grad_norm!r})")
    return lines


def _average(features: ScriptFeatures, per: Per) -> list[str]:
    """Return the lines that average the weights, before each step of the schedule once averaging has started."""
    starts = [phase.averages_from for phase in features.phases if phase.schedule.per == per]
    if all(start is None for start in starts):
        return []
    # steps are counted at the end of a batch, epochs at their start
    done = "step >=" if per == "batch" else "epoch >"
    update = "averaged_model.update_parameters(model)"
    if not features.switches:
        return [update] if not starts[0] else [f"if {done} {starts[0]}:", f"{INDENT}{update}"]
    unit = f"{condition} and " if (condition := features.unit_condition(per)) else ""
    return [f"if {unit}average_from is not None and {done} average_from:", f"{INDENT}{update}"]


def _step(features: ScriptFeatures, per: Per) -> list[str]:
    """Return the lines of the schedule's step."""
    if not (features.per_batch if per == "batch" else features.per_epoch):
        return []
    step = "scheduler.step" if per == "batch" else features.epoch_step
    call, first = ("step_scheduler" if features.scales else step), ""
    if features.scales and features.warms_up_per_batch:
        first = step
    conditions = [condition] if (condition := features.unit_condition(per)) else []
    if per == "epoch" and features.epochs_missed:
        missed = ", ".join(map(str, features.epochs_missed))
        conditions.append(f"epoch not in ({missed},)" if "," not in missed else f"epoch not in ({missed})")
    lines = [f"{call}({first})"]
    if per == "epoch" and features.metrics:
        before = f"{first}, " if first else ""
        lines = [f"{call}({before}{_result(features)})"]
        if features.metric_varies:
            with_metric = f"{INDENT}{call}({before}results[metric])"
            lines = ["if metric is None:", f"{INDENT}{call}({first})", "else:", with_metric]
    if features.holds_in_loop:
        return [
            "# the cycle ends before the run; another step would raise the lr again",
            "if scheduler.last_epoch < scheduler.total_steps - 1:",
            *_indented(lines),
        ]
    return [f"if {' and '.join(conditions)}:", *_indented(lines)] if conditions else lines


def _result(features: ScriptFeatures) -> str:
    metric = features.metrics[0]
    return f"test_{metric}" if _is_plain(features) else f'results["{metric}"]'


def _is_plain(features: ScriptFeatures) -> bool:
    """Return whether the loop needs only one metric of each test."""
    return len(features.metrics) == 1 and not features.looks_back and not features.metric_varies


def _epoch_end(features: ScriptFeatures, imports: Imports) -> list[str]:
    lines = [*_average(features, "epoch")]
    if features.metrics:
        if _is_plain(features):
            lines.append(f'test_{features.metrics[0]} = evaluate(model)["{features.metrics[0]}"]')
        else:
            lines.append("results = evaluate(model)")
        lines += ["test_results.append(results)"] if features.looks_back else []
    for point in features.block_points:
        if point.during_test:
            epoch = -(-point.step // features.timeline.batches_per_epoch)
            lines += [f"if epoch == {epoch}:", *_indented(block_lines(point, features, imports))]
    return [*lines, *_step(features, "epoch")]


def _indented(lines: list[str]) -> list[str]:
    return [f"{INDENT}{line}" if line else "" for line in lines]


def reset_lines(features: ScriptFeatures) -> list[str]:
    """Return the function that removes every trace of a scheduler; it precedes the first scheduler."""
    if not features.switches:
        return []
    lines = '''\
# the groups as configured, before a scheduler writes to them
configured = [
    {name: value for name, value in group.items() if name != "params"}
    for group in optimizer.param_groups
]


def reset_groups():
    """Remove what the scheduler wrote to the groups: lr, momentum, initial_lr ..."""
    for group, settings in zip(optimizer.param_groups, configured):
        for name in group.keys() - settings.keys() - {"params"}:
            del group[name]
        group.update(settings)
'''
    if features.resets_by_lr:
        lines = lines.replace("def reset_groups():", "def reset_groups(lrs=None):")
        lines += """\
    if lrs is not None:
        for group, lr in zip(optimizer.param_groups, lrs):
            group["lr"] = lr
"""
    return [*lines.splitlines(), "", ""]


def first_lines(features: ScriptFeatures, imports: Imports) -> list[str]:
    """Return the lines that build the first scheduler."""
    phase, timeline = features.phases[0], features.timeline
    lines = []
    if timeline.start_lrs:
        lrs = ", ".join(map(repr, timeline.start_lrs))
        lines += [f"for group, lr in zip(optimizer.param_groups, [{lrs}]):", f'{INDENT}group["lr"] = lr']
    lines += call_lines("scheduler = ", scheduler_call(phase.schedule, imports, _calls(features, phase)))
    return [*lines, *_replay_lines(phase, features), *_variables(phase, features)]


def block_lines(point: ChangePoint, features: ScriptFeatures, imports: Imports) -> list[str]:
    """Return what is done at a point of the loop, without indent."""
    lines: list[str] = []
    phases = iter([phase for phase in features.phases[1:] if any(phase.change is each for each in point.changes)])
    for change in point.changes:
        if isinstance(change, ScaleChange):
            lines += [comment_line(change.comment)] if change.comment else []
            lines += [f"scale = {scale_text(change, features)}", "write_lr()"]
        else:
            lines += _switch(next(phases), features, imports)
    return lines


def _switch(phase: Phase, features: ScriptFeatures, imports: Imports) -> list[str]:
    change = phase.change
    lines = [comment_line(change.comment)] if change.comment else []
    # the lr that a placeholder has is not that of the run
    lrs = repr(list(change.lrs_before)) if features.follows_placeholder(phase) else READ_LRS
    lines.append(f"reset_groups(lrs={lrs})" if change.anchor == "current" else "reset_groups()")
    lines += call_lines("scheduler = ", scheduler_call(phase.schedule, imports, _calls(features, phase)))
    lines += _replay_lines(phase, features)
    if features.scales:
        lines += [f"scale, unscaled = {no_scale(features)}, {READ_LRS}"]
    return [*lines, *_variables(phase, features)]


def _calls(features: ScriptFeatures, phase: Phase) -> int:
    # the loop handles the end of the cycle
    return -1 if features.holds_in_loop else phase.calls


def _replay_lines(phase: Phase, features: ScriptFeatures) -> list[str]:
    calls = phase.calls_before
    if not calls:
        return []
    lines = ["# as if active from the start of the run"]
    index = next(number for number, each in enumerate(features.phases) if each is phase)
    if phase.schedule.metric is None and not any(_has_seen_a_step(each, phase) for each in features.phases[:index]):
        # no scheduler has seen an optimizer step yet, and this one would warn about that
        lines.append("optimizer._opt_called = True")
    if len(phase.schedule.units) > 1:
        return [*lines, *_replay_with_epochs(phase)]
    if phase.schedule.metric is None:
        return [*lines, f"for _ in range({calls}):", f"{INDENT}scheduler.step()"]
    return [
        *lines,
        f"for earlier in test_results[:{calls}]:",
        f'{INDENT}scheduler.step(earlier["{phase.schedule.metric}"])',
    ]


def _replay_with_epochs(phase: Phase) -> list[str]:
    """Return the earlier steps of a Warmup per batch around a schedule per epoch."""
    metric = phase.schedule.metric
    result = "" if metric is None else f'test_results[earlier // batches_per_epoch - 1]["{metric}"]'
    condition = "earlier % batches_per_epoch == 0"
    if phase.waits_for_result:
        # the step for the running test is made when the test has ended
        condition += f" and earlier < {phase.calls_before}"
    return [
        f"for earlier in range(1, {phase.calls_before + 1}):",
        f"{INDENT}scheduler.step()",
        f"{INDENT}if {condition}:",
        f"{INDENT * 2}scheduler.step_epoch({result})",
    ]


def _has_seen_a_step(phase: Phase, later: Phase) -> bool:
    """Return whether the scheduler of the phase has seen an optimizer step; a ReduceLROnPlateau does not count."""
    return phase.schedule.metric is None and phase.step < later.step


def _variables(phase: Phase, features: ScriptFeatures) -> list[str]:
    """Return the variables that tell the loop about the active schedule, if it varies."""
    lines = []
    conditions = [features.unit_condition("batch"), features.unit_condition("epoch")]
    if any("per_batch" in condition for condition in conditions):
        lines.append(f"per_batch = {'batch' in phase.schedule.units}")
    if "per_epoch" in conditions:
        lines.append(f"per_epoch = {'epoch' in phase.schedule.units}")
    if features.epoch_step == "step_epoch" and "epoch" in phase.schedule.units:
        lines.append(f"step_epoch = scheduler.step{'_epoch' if len(phase.schedule.units) > 1 else ''}")
    if features.metric_varies and "epoch" in phase.schedule.units:
        lines.append(f"metric = {phase.schedule.metric!r}".replace("'", '"'))
    if features.averages and (phase.averages_from is not None or features.switches):
        if phase.averages_from is not None:
            lines.append("averaged_model = AveragedModel(model)")
        if features.switches:
            lines.append(f"average_from = {phase.averages_from}")
    return lines
