"""Parameter groups by the pattern of their parameters' names, as a script makes them."""

from __future__ import annotations

from lrtui.schedules.export_code.calls import setting_words
from lrtui.schedules.export_code.imports import Imports
from lrtui.schedules.export_code.layout import INDENT
from lrtui.schedules.optimizer_notation import OptimizerSpec
from lrtui.schedules.schedule import value_words

FUNCTION = '''\
def parameter_groups(model):
    """Return the parameters by group: each is in that of the first pattern it matches."""
    members = {None: [], **{pattern: [] for pattern in groups}}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            fitting = (pattern for pattern in groups if fnmatchcase(name, pattern))
            members[next(fitting, None)].append(parameter)
    return [
        {"params": parameters, **groups.get(pattern, {})}
        for pattern, parameters in members.items()
    ]
'''


def group_lines(spec: OptimizerSpec, imports: Imports) -> list[str]:
    """Return the settings of the groups and the function that makes them; nothing where there are none."""
    if not spec.groups:
        return []
    imports.name("fnmatch", "fnmatchcase")
    lines = ["# settings of groups, by the pattern of their parameters' names; the default group comes first"]
    lines.append("groups = {")
    for pattern, items in spec.groups:
        settings = ", ".join(f'"{name}": {setting_words(value)}' for name, value in items)
        lines.append(f"{INDENT}{value_words(pattern)}: {{{settings}}},")
    return [*lines, "}", *FUNCTION.splitlines()]
