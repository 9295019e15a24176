"""The training loop of a script: each `step()` call, switch and change of lr in its place."""

from __future__ import annotations

from lrtui.schedules.export_code.calls import scheduler_call
from lrtui.schedules.export_code.layout import INDENT, Imports, call_lines, comment_line
from lrtui.schedules.export_code.phases import Phase, ScriptFeatures
from lrtui.schedules.export_code.timeline import ChangePoint, ScaleChange


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
    entry = timeline.optimizer.entry
    if entry is not None and entry.needs_closure:
        lines = [*_gradients(features, imports), "return loss"]
        return ["def closure():", *_indented(lines), "", "optimizer.step(closure)"]
    return [*_gradients(features, imports), "optimizer.step()"]


def _gradients(features: ScriptFeatures, imports: Imports) -> list[str]:
    """Return the lines that compute the loss and its gradients."""
    timeline = features.timeline
    lines = ["optimizer.zero_grad()"]
    if timeline.accumulate > 1:
        imports.name("itertools", "islice")
        lines += [
            "for inputs, targets in group:",
            f"{INDENT}loss = loss_function(model(inputs), targets) / len(group)",
            f"{INDENT}loss.backward()",
        ]
    else:
        lines += ["loss = loss_function(model(inputs), targets)", "loss.backward()"]
    if timeline.clip_grad_norm is not None:
        imports.name("torch", "nn")
        lines.append(f"nn.utils.clip_grad_norm_(model.parameters(), {timeline.clip_grad_norm!r})")
    return lines


def _average(features: ScriptFeatures, per: str) -> list[str]:
    """Return the lines that average the weights, before each step of the schedule once averaging has started."""
    starts = [phase.averages_from for phase in features.phases if phase.schedule.per == per]
    if all(start is None for start in starts):
        return []
    # steps are counted at the end of a batch, epochs at their start
    done = "step >=" if per == "batch" else "epoch >"
    update = "averaged_model.update_parameters(model)"
    if not features.switches:
        return [update] if not starts[0] else [f"if {done} {starts[0]}:", f"{INDENT}{update}"]
    unit = ("per_batch and " if per == "batch" else "not per_batch and ") if features.both_units else ""
    return [f"if {unit}average_from is not None and {done} average_from:", f"{INDENT}{update}"]


def _step(features: ScriptFeatures, per: str) -> list[str]:
    """Return the lines of the schedule's step."""
    if not (features.per_batch if per == "batch" else features.per_epoch):
        return []
    call = "step_scheduler" if features.scales else "scheduler.step"
    conditions = []
    if features.both_units:
        conditions.append("per_batch" if per == "batch" else "not per_batch")
    if per == "epoch" and features.epochs_missed:
        missed = ", ".join(map(str, features.epochs_missed))
        conditions.append(f"epoch not in ({missed},)" if "," not in missed else f"epoch not in ({missed})")
    lines = [f"{call}()"]
    if per == "epoch" and features.metrics:
        lines = [f"{call}({_result(features)})"]
        if features.metric_varies:
            lines = ["if metric is None:", f"{INDENT}{call}()", "else:", f"{INDENT}{call}(results[metric])"]
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
            epoch = point.step // features.timeline.batches_per_epoch
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
    lines.append(f"reset_groups(lrs={READ_LRS})" if change.anchor == "current" else "reset_groups()")
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
    if phase.schedule.metric is None:
        return [*lines, f"for _ in range({calls}):", f"{INDENT}scheduler.step()"]
    return [
        *lines,
        f"for earlier in test_results[:{calls}]:",
        f'{INDENT}scheduler.step(earlier["{phase.schedule.metric}"])',
    ]


def _has_seen_a_step(phase: Phase, later: Phase) -> bool:
    """Return whether the scheduler of the phase has seen an optimizer step; a ReduceLROnPlateau does not count."""
    return phase.schedule.metric is None and phase.step < later.step


def _variables(phase: Phase, features: ScriptFeatures) -> list[str]:
    """Return the variables that tell the loop about the active schedule, if it varies."""
    lines = []
    if features.both_units:
        lines.append(f"per_batch = {phase.schedule.per == 'batch'}")
    if features.metric_varies and phase.schedule.per == "epoch":
        lines.append(f"metric = {phase.schedule.metric!r}".replace("'", '"'))
    if features.averages and (phase.averages_from is not None or features.switches):
        if phase.averages_from is not None:
            lines.append("averaged_model = AveragedModel(model)")
        if features.switches:
            lines.append(f"average_from = {phase.averages_from}")
    return lines


READ_LRS = '[group["lr"] for group in optimizer.param_groups]'


def scale_text(scaled: ScaleChange, features: ScriptFeatures) -> str:
    """Return the scale as text: a number, or a list if groups differ."""
    return repr(scaled.scale[0]) if features.one_scale else repr(list(scaled.scale))


def no_scale(features: ScriptFeatures) -> str:
    """Return the text of a scale of 1."""
    return "1.0" if features.one_scale else f"[1.0] * {len(features.timeline.optimizer.lrs)}"


def scale_lines(features: ScriptFeatures) -> list[str]:
    """Return the functions that keep the scale outside the scheduler, and the table of its changes."""
    if not features.scales:
        return []
    table = []
    if features.scale_points:
        table = ["# new scale from these steps on"]
        table.append("scales = {")
        for point in features.scale_points:
            last = point.changes[-1]
            assert isinstance(last, ScaleChange)
            text = ", ".join(change.comment for change in point.changes if change.comment)
            behind = f"  {comment_line(text)}" if text else ""
            table.append(f"{INDENT}{point.step}: {scale_text(last, features)},{behind}")
        table.append("}")
    table_text = "\n".join(table)
    each, factors = ("lr * scale", "") if features.one_scale else ("lr * factor", ", scale")
    names = "group, lr" if features.one_scale else "group, lr, factor"
    return f"""\
# the lr of the schedule is multiplied by this
scale = {no_scale(features)}
unscaled = {READ_LRS}
{table_text}

def write_lr():
    for {names} in zip(optimizer.param_groups, unscaled{factors}):
        group["lr"] = {each}


def step_scheduler(*metric):
    # the scheduler must see the unscaled lr, since it may compute the next one from it
    for group, lr in zip(optimizer.param_groups, unscaled):
        group["lr"] = lr
    scheduler.step(*metric)
    unscaled[:] = {READ_LRS}
    write_lr()

""".splitlines()
