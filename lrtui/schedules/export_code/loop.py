"""The training loop of a script: each step() in its place."""

from __future__ import annotations

from lrtui.schedules.export_code.course import Moment
from lrtui.schedules.export_code.course_plan import Plan
from lrtui.schedules.export_code.imports import Imports
from lrtui.schedules.export_code.layout import INDENT
from lrtui.schedules.export_code.switching import block_lines


def loop_lines(plan: Plan, imports: Imports) -> list[str]:
    """Return the loop."""
    course = plan.course
    first = course.start_step // course.batches_per_epoch
    epochs = "epochs" if not first else f"{first}, epochs"
    if plan.counts_epochs:
        epochs = f"{first + 1}, epochs + 1"
    lines = [f"step = {course.start_step}  # optimizer steps done"] if plan.counts_steps else []
    lines += ["test_results = []"] if plan.looks_back else []
    lines.append(f"for epoch in range({epochs}):")
    return [*lines, *_indented(_batches(plan, imports)), *_indented(_epoch_end(plan, imports)), *_after(plan)]


def _batches(plan: Plan, imports: Imports) -> list[str]:
    body = []
    if plan.scale_moments:
        body += ["if step in scales:", f"{INDENT}scale = scales[step]", f"{INDENT}write_lr()"]
    for moment in plan.block_moments:
        if not moment.testing:
            body += [f"if step == {moment.step}:", *_indented(block_lines(moment, plan, imports))]
    body += [*([""] if body else []), *_update(plan, imports), *_average(plan, "batch"), *_step(plan, "batch")]
    body += ["step += 1"] if plan.counts_steps else []
    if plan.course.accumulate > 1:
        return ["batches = iter(train_batches)", "while group := list(islice(batches, accumulate)):", *_indented(body)]
    return ["for inputs, targets in train_batches:", *_indented(body)]


def _update(plan: Plan, imports: Imports) -> list[str]:
    """Return one step of the optimizer."""
    course = plan.course
    lines = ["optimizer.zero_grad()"]
    if course.accumulate > 1:
        imports.name("itertools", "islice")
        lines += [
            "for inputs, targets in group:",
            f"{INDENT}loss = loss_function(model(inputs), targets) / len(group)",
            f"{INDENT}loss.backward()",
        ]
    else:
        lines += ["loss = loss_function(model(inputs), targets)", "loss.backward()"]
    if course.clip_grad_norm is not None:
        imports.name("torch", "nn")
        lines.append(f"nn.utils.clip_grad_norm_(model.parameters(), {course.clip_grad_norm!r})")
    return [*lines, "optimizer.step()"]


def _average(plan: Plan, per: str) -> list[str]:
    """Return the averaging of weights; it comes before each of the schedule's own steps from a SWALR's begin on."""
    begins = [phase.averages_from for phase in plan.phases if phase.schedule.per == per]
    if all(begin is None for begin in begins):
        return []
    # steps are counted up at the end of a batch's block, epochs at the beginning of theirs
    done = "step >=" if per == "batch" else "epoch >"
    update = "averaged_model.update_parameters(model)"
    if not plan.switches:
        return [update] if not begins[0] else [f"if {done} {begins[0]}:", f"{INDENT}{update}"]
    unit = ("per_batch and " if per == "batch" else "not per_batch and ") if plan.both_units else ""
    return [f"if {unit}average_from is not None and {done} average_from:", f"{INDENT}{update}"]


def _step(plan: Plan, per: str) -> list[str]:
    """Return the schedule's step."""
    if not (plan.per_batch if per == "batch" else plan.per_epoch):
        return []
    call = "step_scheduler" if plan.scales else "scheduler.step"
    conditions = []
    if plan.both_units:
        conditions.append("per_batch" if per == "batch" else "not per_batch")
    if per == "epoch" and plan.epochs_missed:
        missed = ", ".join(map(str, plan.epochs_missed))
        conditions.append(f"epoch not in ({missed},)" if "," not in missed else f"epoch not in ({missed})")
    lines = [f"{call}()"]
    if per == "epoch" and plan.metrics:
        lines = [f"{call}({_result(plan)})"]
        if plan.metric_varies:
            lines = ["if metric is None:", f"{INDENT}{call}()", "else:", f"{INDENT}{call}(results[metric])"]
    if plan.holds_in_loop:
        return [
            "# it is over before the run is, and holds: another step would take the lr up again",
            "if scheduler.last_epoch < scheduler.total_steps - 1:",
            *_indented(lines),
        ]
    return [f"if {' and '.join(conditions)}:", *_indented(lines)] if conditions else lines


def _result(plan: Plan) -> str:
    metric = plan.metrics[0]
    return f"test_{metric}" if _is_plain(plan) else f'results["{metric}"]'


def _is_plain(plan: Plan) -> bool:
    """Say whether one figure of each test is all that is wanted of it."""
    return len(plan.metrics) == 1 and not plan.looks_back and not plan.metric_varies


def _epoch_end(plan: Plan, imports: Imports) -> list[str]:
    lines = [*_average(plan, "epoch")]
    if plan.metrics:
        if _is_plain(plan):
            lines.append(f'test_{plan.metrics[0]} = evaluate(model)["{plan.metrics[0]}"]')
        else:
            lines.append("results = evaluate(model)")
        lines += ["test_results.append(results)"] if plan.looks_back else []
    for moment in plan.block_moments:
        if moment.testing:
            lines += _in_test(moment, plan, imports)
    return [*lines, *_step(plan, "epoch")]


def _in_test(moment: Moment, plan: Plan, imports: Imports) -> list[str]:
    epoch = moment.step // plan.course.batches_per_epoch
    return [f"if epoch == {epoch}:", *_indented(block_lines(moment, plan, imports))]


def _after(plan: Plan) -> list[str]:
    if plan.phases[-1].averages_from is None:
        return []
    return ["# BatchNorm's statistics are not averaged, but computed anew", "update_bn(train_batches, averaged_model)"]


def _indented(lines: list[str]) -> list[str]:
    return [f"{INDENT}{line}" if line else "" for line in lines]
