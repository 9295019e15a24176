"""What a script needs to run by itself, and its user replaces: model, loss and data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from lrtui.schedules.export_code.course import Course
from lrtui.schedules.export_code.imports import Imports
from lrtui.schedules.export_code.layout import Call, call_lines

# fmt: off
MODULE_WORDS = frozenset((
    "append", "apply", "bfloat16", "buffers", "children", "compile", "cpu", "cuda", "double", "eval", "extend", "float",
    "forward", "half", "insert", "ipu", "modules", "mtia", "parameters", "pop", "to", "train", "training", "type",
    "xpu",
))
# fmt: on
"""What no layer can be called: a module has an attribute of that name."""

EVALUATE = '''\
def evaluate(model):
    """Return what the test set says of the model."""
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


def placeholder_lines(course: Course, metrics: Sequence[str], imports: Imports) -> list[str]:
    """Return the model, the loss and the data.

    Args:
        metrics: figures of a test that a schedule follows.
    """
    imports.name("torch", "nn")
    model, fits = _model(course, imports)
    lines = ["# yours: the model, the loss and the data; these only make the script run"]
    if not fits:
        lines.append("# (the names of this model's parameters don't fit all patterns of groups)")
    lines += call_lines("model = ", model)
    lines.append("loss_function = nn.CrossEntropyLoss()")
    each = "batches_per_epoch" if course.accumulate == 1 else "batches_per_epoch * accumulate"
    lines.append("batch = torch.randn(8, 4), torch.randint(2, (8,))")
    lines.append(f"train_batches = [batch] * {each}")
    if metrics:
        lines += ["test_batches = [batch]", *_evaluation(metrics)]
    return lines


def _model(course: Course, imports: Imports) -> tuple[Call, bool]:
    """Return a model, and whether each pattern of the optimizer's groups has a parameter in it."""
    spec = course.optimizer
    # Muon takes matrices only
    more = ", bias=False" if spec.name == "Muon" else ""
    kinds = ["weight"] if more else ["weight", "bias"]
    names, fits = _layer_names([pattern for pattern, _ in spec.groups], kinds)
    if not spec.groups:
        layers = (f"nn.Linear(4, 8{more})", "nn.ReLU()", f"nn.Linear(8, 2{more})")
        return Call("nn.Sequential", tuple(("", layer) for layer in layers)), fits
    imports.name("collections", "OrderedDict")
    sizes = ["4, 8", *["8, 8"] * (len(names) - 2), "8, 2"] if len(names) > 1 else ["4, 2"]
    pairs = [f'("{name}", nn.Linear({size}{more}))' for name, size in zip(names, sizes, strict=True)]
    return Call("nn.Sequential", (("", Call("OrderedDict", (("", [*pairs]),))),)), fits


def _layer_names(patterns: Sequence[str], kinds: Sequence[str]) -> tuple[list[str], bool]:
    """Return names of layers, such that each pattern is the first to match one of their parameters if possible."""
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
        # layers have numbers, unless the pattern says otherwise
        words = (stem, f"{stem}1") if stem[-1:].isdigit() else (f"{stem}1", stem)
        found = next((word for word in words if word not in MODULE_WORDS and takes(word)), None)
        if found is None:
            fits = False
        elif found not in layers:
            layers.append(found)
    return layers, fits


def _evaluation(metrics: Sequence[str]) -> list[str]:
    own = [f'        "{metric}": 0.0,  # yours' for metric in metrics if metric not in ("loss", "accuracy")]
    figures = '{"loss": loss / samples, "accuracy": right / samples}'
    result = [f"    return {figures}"]
    if own:
        known = ['        "loss": loss / samples,', '        "accuracy": right / samples,']
        result = ["    return {", *known, *own, "    }"]
    return [*EVALUATE.splitlines(), *result]
