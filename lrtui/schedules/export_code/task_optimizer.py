"""The function in a script that stands for the `optimizer(model)` of a task, and the script of several optimizers."""

from __future__ import annotations

from lrtui.run.errors import UsageError
from lrtui.schedules.export_code.calls import scheduler_call
from lrtui.schedules.export_code.layout import INDENT, Call, Imports, Value, call_lines
from lrtui.schedules.export_code.loop import gradient_lines
from lrtui.schedules.export_code.timeline import Timeline
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.optimizer import OptimizerSpec, setting_text
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS
from lrtui.schedules.schedule import Schedule

ONE, SEVERAL = "make_optimizer", "make_optimizers"
"""Names of the function for one optimizer and for several."""


def function_lines(spec: OptimizerSpec, imports: Imports) -> list[str]:
    """Return the function that makes the optimizers, with groups of a parameter each."""
    imports.name("torch", "optim")
    what = "the optimizers by name" if spec.parts else "the optimizer"
    lines = [f"def {SEVERAL if spec.parts else ONE}(model):"]
    lines.append(f'{INDENT}"""Return {what}; put yours here."""')
    lines.append(f"{INDENT}parameters = list(model.parameters())")
    parts = spec.parts or (("", spec),)
    group, groups = 0, len(spec.group_names)
    for name, part in parts:
        call = _optimizer_call(part, group, groups)
        lines += call_lines(f"{name} = " if name else "return ", call, depth=1)
        if part.name not in OPTIMIZERS:
            lines[-1] += f"  # yours is a {part.name}"
        group += len(part.group_names)
    if spec.parts:
        names = ", ".join(f'"{name}": {name}' for name, _ in spec.parts)
        lines.append(f"{INDENT}return {{{names}}}")
    return lines


def _optimizer_call(spec: OptimizerSpec, first: int, groups: int) -> Call:
    """Return the call of the class, with the groups from `first` on of so many in all."""
    each: list[Value] = []
    settings = [dict(items) for _, items in spec.groups] or [{}]
    for index, items in enumerate(settings, start=first):
        members = f"parameters[{index}:]" if index == groups - 1 else f"parameters[{index}:{index + 1}]"
        each.append(
            "{" + ", ".join([f'"params": {members}', *(f'"{n}": {setting_text(v)}' for n, v in items.items())]) + "}"
        )
    arguments = spec.arguments
    name = spec.name
    if name not in OPTIMIZERS:
        # one of PyTorch's whose momentum has the same name
        name = "AdamW" if "betas" in arguments else "SGD"
    known = {parameter.name for parameter in OPTIMIZERS[name].parameters}
    given = tuple((argument, setting_text(value)) for argument, value in arguments.items() if argument in known)
    return Call(f"optim.{name}", (("", each), *given))


def model_call(spec: OptimizerSpec) -> Call:
    """Return a model with a parameter for each group."""
    if spec.name == "SparseAdam":
        return Call("nn.EmbeddingBag", (("", "8"), ("", "2"), ("sparse", "True")))
    layers = ["nn.Linear(4, 8, bias=False)", *["nn.Linear(8, 8, bias=False)"] * max(0, len(spec.group_names) - 2)]
    return Call("nn.Sequential", tuple(("", layer) for layer in (*layers, "nn.Linear(8, 2, bias=False)")))


def check_exportable(timeline: Timeline) -> None:
    """Check that the script of several optimizers can be written.

    Raises:
        UsageError: for a run whose lr was changed by hand, or that averages weights.
    """
    schedule = timeline.first.schedule
    if timeline.effective.points or timeline.start_step or schedule.averages_from is not None:
        raise UsageError(
            "code for several optimizers is written for a schedule that runs from the start to the end of a run, "
            "without changes of the lr, branches or averaged weights"
        )


def scheduler_lines(timeline: Timeline, imports: Imports) -> list[str]:
    """Return the lines that make the scheduler of each optimizer."""
    lines = ["optimizers = make_optimizers(model)", "schedulers = {}"]
    horizon = Horizon(timeline.epochs, timeline.batches_per_epoch, max_steps=timeline.max_steps)
    for name, schedule in _schedules(timeline):
        call = scheduler_call(schedule, imports, horizon.calls(schedule.per))
        lines += call_lines(f'schedulers["{name}"] = ', _on(call, f'optimizers["{name}"]'))
    return lines


def _schedules(timeline: Timeline) -> list[tuple[str, Schedule]]:
    groups = [(name, len(part.group_names)) for name, part in timeline.optimizer.parts]
    found, first = [], 0
    for name, count in groups:
        schedule = timeline.first.schedule.for_optimizer(name, first, count, sum(count for _, count in groups))
        found.append((name, schedule))
        first += count
    return found


def _on(value: Value, optimizer: str) -> Value:
    """Return the call with another optimizer in place of `optimizer`."""
    if isinstance(value, Call):
        return Call(value.name, tuple((name, _on(each, optimizer)) for name, each in value.arguments))
    if isinstance(value, list):
        return [_on(each, optimizer) for each in value]
    return optimizer if value == "optimizer" else value


def loop_lines(timeline: Timeline, imports: Imports) -> list[str]:
    """Return the loop that steps all optimizers after one backward pass."""
    ends_early = timeline.max_steps is not None
    body = ["if step == max_steps:", f"{INDENT}break", ""] if ends_early else []
    body += ["for optimizer in optimizers.values():", f"{INDENT}optimizer.zero_grad()"]
    body += gradient_lines(timeline, imports)
    body += ["for optimizer in optimizers.values():", f"{INDENT}optimizer.step()"]
    schedules = _schedules(timeline)
    body += [f'schedulers["{name}"].step()' for name, schedule in schedules if "batch" in schedule.units]
    body += ["step += 1"] if ends_early else []
    lines = ["for inputs, targets in train_batches:"]
    if timeline.accumulate > 1:
        lines = ["batches = iter(train_batches)", "while group := list(islice(batches, accumulate)):"]
    lines += [f"{INDENT}{line}" if line else "" for line in body]
    if any(schedule.follows_metric for _, schedule in schedules):
        lines.append("results = evaluate(model)")
    for name, schedule in schedules:
        if "epoch" in schedule.units:
            # a warmup per batch around a schedule per epoch has a method for each
            method = "step_epoch" if len(schedule.units) > 1 else "step"
            metric = next((part.metric for part in schedule.walk() if part.metric is not None), None)
            result = f'results["{metric}"]' if metric is not None else ""
            lines.append(f'schedulers["{name}"].{method}({result})')
    start = ["step = 0  # optimizer steps done"] if ends_early else []
    return [*start, "for epoch in range(epochs):", *(f"{INDENT}{line}" if line else "" for line in lines)]
