"""The whole script: imports, placeholders, parameter groups, optimizer, scheduler and loop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from lrtui.schedules.export_code import task_optimizer
from lrtui.schedules.export_code.calls import optimizer_call
from lrtui.schedules.export_code.layout import (
    COUNTED_CLASS,
    FLOOR_CLASS,
    HELD_CLASS,
    WARMUP_CLASS,
    Call,
    Imports,
    call_lines,
    comment_line,
    spaced,
)
from lrtui.schedules.export_code.loop import first_lines, loop_lines, reset_lines
from lrtui.schedules.export_code.parameter_groups import group_lines
from lrtui.schedules.export_code.phases import ScriptFeatures
from lrtui.schedules.export_code.scale import scale_lines
from lrtui.schedules.export_code.timeline import Timeline
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.parameter_pattern import is_rule

HELD_CLASS_SOURCE = f'''\
class {HELD_CLASS}(OneCycleLR):
    """A OneCycleLR that holds its last lr; PyTorch's raises the lr again and then fails."""

    def get_lr(self):
        calls = self.last_epoch
        self.last_epoch = min(calls, self.total_steps - 1)
        try:
            return super().get_lr()
        finally:
            self.last_epoch = calls
'''

FLOOR_CLASS_SOURCE = f'''\
class {FLOOR_CLASS}(LambdaLR):
    """From step `start` on the factor multiplies what the lr exceeds `min_lr` by."""

    def __init__(self, optimizer, lr_lambda, start, min_lr):
        groups = len(optimizer.param_groups)
        self.start = start
        self.min_lrs = min_lr if isinstance(min_lr, list) else [min_lr] * groups
        super().__init__(optimizer, lr_lambda)

    def get_lr(self):
        if self.last_epoch < self.start:
            return super().get_lr()
        factor = self.lr_lambdas[0](self.last_epoch)
        pairs = zip(self.base_lrs, self.min_lrs)
        return [low + (lr - low) * factor for lr, low in pairs]
'''

WARMUP_CLASS_SOURCE = f'''\
class {WARMUP_CLASS}:
    """Raises the lr to that of another scheduler, which starts after so many steps."""

    def __init__(self, optimizer, steps, scheduler, start_factor=0.0, per_epoch=False):
        self.optimizer, self.steps, self.scheduler = optimizer, steps, scheduler
        self.start_factor, self.per_epoch = start_factor, per_epoch
        self.targets = [group["lr"] for group in optimizer.param_groups]
        self.calls = 0
        self.write_lr()

    def write_lr(self):
        factor = 1.0
        if self.calls < self.steps:
            rise = (1 - self.start_factor) * self.calls / self.steps
            factor = self.start_factor + rise
        for group, lr in zip(self.optimizer.param_groups, self.targets):
            group["lr"] = lr * factor

    def step(self, *metric):
        self.calls += 1
        if self.calls <= self.steps:
            self.write_lr()
        elif not self.per_epoch:
            self.scheduler.step(*metric)

    def step_epoch(self, *metric):
        """Step the scheduler after an epoch, unless all of it was warmup."""
        if self.calls > self.steps:
            self.scheduler.step(*metric)
'''

COUNTED_CLASS_SOURCE = f'''\
class {COUNTED_CLASS}:
    """Steps a scheduler of timm, which takes the number of the step."""

    def __init__(self, scheduler):
        self.scheduler, self.calls = scheduler, 0

    def step(self):
        self.calls += 1
        if self.scheduler.t_in_epochs:
            self.scheduler.step(self.calls)
        else:
            self.scheduler.step_update(self.calls)
'''


def torch_code(timeline: Timeline) -> str:
    """Return a PyTorch script that has the lr of the timeline at every step, exactly.

    It runs as it is, with a placeholder model and data that the user replaces.

    Args:
        timeline: the timeline to reproduce.
    """
    timeline = timeline.effective
    if timeline.optimizer.parts:
        return _code_of_several(timeline)
    features, imports = ScriptFeatures(timeline), Imports()
    sizes = [f"epochs = {timeline.epochs}", f"batches_per_epoch = {timeline.batches_per_epoch}"]
    if timeline.accumulate > 1:
        sizes[-1] += "  # optimizer steps"
        sizes.append(f"accumulate = {timeline.accumulate}  # batches per step")
    if timeline.max_steps is not None:
        sizes.append(f"max_steps = {timeline.max_steps}  # the last epoch ends early")
    placeholders = placeholder_lines(timeline, features.metrics, imports)
    spec = timeline.optimizer
    groups = task_optimizer.function_lines(spec, imports) if spec.is_from_task else group_lines(spec, imports)
    parameters = "parameter_groups(model)" if groups else "model.parameters()"
    made = (
        Call(task_optimizer.ONE, (("", "model"),)) if spec.is_from_task else optimizer_call(spec, parameters, imports)
    )
    optimizer = call_lines("optimizer = ", made)
    reset, first = reset_lines(features), first_lines(features, imports)
    scale, loop = scale_lines(features), loop_lines(features, imports)
    if features.averages:
        imports.name("torch.optim.swa_utils", "AveragedModel")
    parts = [groups, *([optimizer, reset, first] if reset else [[*optimizer, *first]]), scale, loop]
    return _joined(timeline, imports, [sizes, placeholders, *parts])


def _joined(timeline: Timeline, imports: Imports, parts: Sequence[list[str]]) -> str:
    """Return the source text, with the imports and the definitions that the parts need in front."""
    classes = HELD_CLASS_SOURCE.splitlines() if imports.holds_one_cycle else []
    classes += FLOOR_CLASS_SOURCE.splitlines() if imports.uses_floor else []
    classes += WARMUP_CLASS_SOURCE.splitlines() if imports.uses_warmup else []
    classes += COUNTED_CLASS_SOURCE.splitlines() if imports.uses_counted else []
    for lines in imports.functions.values():
        classes += [*lines, ""]
    every = [[comment_line(note) for note in timeline.notes], imports.lines(), classes, *parts]
    return "\n".join(spaced([line for part in every if part for line in (*part, "")])).rstrip("\n") + "\n"


def _code_of_several(timeline: Timeline) -> str:
    """Return the script of a run with several optimizers."""
    task_optimizer.check_exportable(timeline)
    imports = Imports()
    sizes = [f"epochs = {timeline.epochs}", f"batches_per_epoch = {timeline.batches_per_epoch}"]
    sizes += [f"accumulate = {timeline.accumulate}  # batches per step"] if timeline.accumulate > 1 else []
    sizes += [f"max_steps = {timeline.max_steps}  # the last epoch ends early"] if timeline.max_steps else []
    metrics = list(dict.fromkeys(part.metric for part in timeline.first.schedule.walk() if part.metric is not None))
    placeholders = placeholder_lines(timeline, metrics, imports)
    function = task_optimizer.function_lines(timeline.optimizer, imports)
    schedulers = task_optimizer.scheduler_lines(timeline, imports)
    loop = task_optimizer.loop_lines(timeline, imports)
    return _joined(timeline, imports, [sizes, placeholders, function, schedulers, loop])


# fmt: off
MODULE_ATTRIBUTES = frozenset((
    "append", "apply", "bfloat16", "buffers", "children", "compile", "cpu", "cuda", "double", "eval", "extend", "float",
    "forward", "half", "insert", "ipu", "modules", "mtia", "parameters", "pop", "to", "train", "training", "type",
    "xpu",
))
# fmt: on
"""Attributes of nn.Module, which no layer can be named after."""

EVALUATE = '''\
def evaluate(model):
    """Return the metrics of the model on the test set."""
    model.eval()
    loss, right, samples = 0.0, 0, 0
    with torch.no_grad():
        for inputs, targets in test_batches:
            outputs = model(inputs)
            loss += loss_function(outputs, targets).item() * len(targets)
            right += (outputs.argmax(1) == targets).sum().item()
            samples += len(targets)
    model.train()
'''


def placeholder_lines(timeline: Timeline, metrics: Sequence[str], imports: Imports) -> list[str]:
    """Return placeholders for the model, the loss and the data.

    Args:
        metrics: test metrics that a schedule follows.
    """
    imports.name("torch", "nn")
    model, fits = _model(timeline, imports)
    lines = ["# placeholders: replace the model, the loss and the data with yours"]
    if not fits:
        lines.append("# (the parameter names of this model do not match every group pattern)")
    lines += call_lines("model = ", model)
    lines.append("loss_function = nn.CrossEntropyLoss()")
    each = "batches_per_epoch" if timeline.accumulate == 1 else "batches_per_epoch * accumulate"
    inputs = "torch.randint(8, (8, 4))" if _is_sparse(timeline.optimizer) else "torch.randn(8, 4)"
    lines.append(f"batch = {inputs}, torch.randint(2, (8,))")
    lines.append(f"train_batches = [batch] * {each}")
    if metrics:
        lines += ["test_batches = [batch]", *_evaluation(metrics)]
    return lines


def _is_sparse(spec: OptimizerSpec) -> bool:
    return spec.name == "SparseAdam" and (spec.is_from_task or not spec.path)


def _model(timeline: Timeline, imports: Imports) -> tuple[Call, bool]:
    """Return a model, and whether every group pattern matches one of its parameters."""
    spec = timeline.optimizer
    if spec.is_from_task:
        return task_optimizer.model_call(spec), True
    # Muon accepts matrices only
    no_bias = ", bias=False" if spec.name == "Muon" else ""
    kinds = ["weight"] if no_bias else ["weight", "bias"]
    if _is_sparse(spec):
        # it takes sparse gradients only
        return Call("nn.EmbeddingBag", (("", "8"), ("", "2"), ("sparse", "True"))), not spec.groups
    keys = [(patterns,) if isinstance(patterns, str) else patterns for patterns, _ in spec.groups]
    # any model with layers has parameters for a rule
    names, fits = _layer_names([each[0] for each in keys if not any(map(is_rule, each))], kinds)
    if not spec.groups:
        layers = (f"nn.Linear(4, 8{no_bias})", "nn.ReLU()", f"nn.Linear(8, 2{no_bias})")
        return Call("nn.Sequential", tuple(("", layer) for layer in layers)), fits
    imports.name("collections", "OrderedDict")
    sizes = ["4, 8", *["8, 8"] * (len(names) - 2), "8, 2"] if len(names) > 1 else ["4, 2"]
    pairs = [f'("{name}", nn.Linear({size}{no_bias}))' for name, size in zip(names, sizes, strict=True)]
    return Call("nn.Sequential", (("", Call("OrderedDict", (("", [*pairs]),))),)), fits


def _layer_names(patterns: Sequence[str], kinds: Sequence[str]) -> tuple[list[str], bool]:
    """Return layer names, if possible such that each pattern is the first to match one of their parameters."""
    layers = ["body"] if "body" not in patterns else ["trunk"]
    fits = True
    for index, pattern in enumerate(patterns):

        def takes(layer: str, pattern: str = pattern, earlier: Sequence[str] = patterns[:index]) -> bool:
            names = [f"{layer}.{kind}" for kind in kinds]
            return any(
                fnmatchcase(name, pattern) and not any(fnmatchcase(name, before) for before in earlier)
                for name in names
            )

        if any(takes(layer) for layer in layers):
            continue
        stem = re.sub(r"[^A-Za-z0-9_]", "", pattern.split(".")[0])[:40]
        # layers are numbered unless the pattern rules that out
        candidates = (stem, f"{stem}1") if stem[-1:].isdigit() else (f"{stem}1", stem)
        found = next((word for word in candidates if word not in MODULE_ATTRIBUTES and takes(word)), None)
        if found is None:
            fits = False
        elif found not in layers:
            layers.append(found)
    return layers, fits


def _evaluation(metrics: Sequence[str]) -> list[str]:
    custom = [f'        "{metric}": 0.0,  # replace' for metric in metrics if metric not in ("loss", "accuracy")]
    figures = '{"loss": loss / samples, "accuracy": right / samples}'
    result = [f"    return {figures}"]
    if custom:
        known = ['        "loss": loss / samples,', '        "accuracy": right / samples,']
        result = ["    return {", *known, *custom, "    }"]
    return [*EVALUATE.splitlines(), *result]
