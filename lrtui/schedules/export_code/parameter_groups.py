"""The parameter groups of an optimizer in a script: their settings, and the function that builds them."""

from __future__ import annotations

from lrtui.schedules.export_code.layout import INDENT, Imports
from lrtui.schedules.optimizer import OptimizerSpec, setting_text
from lrtui.schedules.parameter_pattern import is_rule, rule_as_python
from lrtui.schedules.schedule import value_text

GROUPS_FUNCTION = '''\
def parameter_groups(model):
    """Return the parameter groups; a parameter belongs to the first pattern that it matches."""
    members = {None: [], **{pattern: [] for pattern in groups}}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            matching = (pattern for pattern in groups if fnmatchcase(name, pattern))
            members[next(matching, None)].append(parameter)
    return [
        {"params": parameters, **groups.get(pattern, {})}
        for pattern, parameters in members.items()
    ]
'''


BELONGS_FUNCTION = '''\
def belongs(name, parameter, patterns):
    """Return whether the parameter matches one of the patterns or rules."""
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        rule = rules.get(pattern)
        if rule(parameter) if rule else fnmatchcase(name, pattern):
            return True
    return False
'''


def group_lines(spec: OptimizerSpec, imports: Imports) -> list[str]:
    """Return the settings of the groups and the function that builds them."""
    if not spec.groups:
        return []
    imports.name("fnmatch", "fnmatchcase")
    first = "; the default group comes first" if spec.keeps_default_group else ""
    lines = [f"# settings by pattern of parameter names{first}"]
    lines.append("groups = {")
    for pattern, items in spec.groups:
        settings = ", ".join(f'"{name}": {setting_text(value)}' for name, value in items)
        lines.append(f"{INDENT}{setting_text(pattern)}: {{{settings}}},")
    function = GROUPS_FUNCTION
    if not spec.keeps_default_group:
        function = function.replace("members.items()\n", "members.items()\n        if parameters\n")
    rules = {
        rule: rule_as_python(rule, "parameter")
        for patterns, _ in spec.groups
        for rule in ((patterns,) if isinstance(patterns, str) else patterns)
        if is_rule(rule)
    }
    if rules or not all(isinstance(patterns, str) for patterns, _ in spec.groups):
        table = [f"{INDENT}{value_text(rule)}: lambda parameter: {text}," for rule, text in rules.items()]
        lines += ["}", "rules = {", *table]
        function = f"{BELONGS_FUNCTION}\n\n{function}".replace(
            "fnmatchcase(name, pattern))\n            members",
            "belongs(name, parameter, pattern))\n            members",
        )
    return [*lines, "}", *function.splitlines()]
