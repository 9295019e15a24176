"""Messages count nouns with `counted`, so that none says "1 seeds"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import lrtui

PACKAGE = Path(lrtui.__file__).parent

MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}

ALLOWED = {
    # a text, `800 training and 100 test`
    ("analysis/race/standing.py", "samples"),
    # always more than one
    ("attached/step_hooks.py", "calls"),
    # the first word of the noun follows a larger number
    ("training/data.py", "what"),
    # a rate
    ("tui/panes/footer.py", "speed"),
    # a class of its own, which is copied into the code of a run
    ("schedules/warmup_then_curve.py", "len(lows)"),
    ("schedules/warmup_then_curve.py", "len(optimizer.param_groups)"),
    ("run/series.py", "len(self)"),
}
"""Values that stand before the plural of a noun and are not counted: the module, and the expression."""

# such as `entry.name` before the verb "steps"
NAMES = re.compile(r"(.*\.)?(name|title|call)")

CONSTANT = re.compile(r"[A-Z_]+( [-+] 1)?")


def counted_nouns() -> set[str]:
    calls = [node for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[1].value.split()[-1]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "counted" and isinstance(call.args[1], ast.Constant)
    }


def plurals(tree: ast.Module, nouns: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each value in an f-string that is followed by the plural of a noun, and that plural."""
    plural = re.compile(rf" (?!counts |give |FROM |in )(?:[\w-]+ )?(?:{'|'.join(nouns)})(?:es|s)\b")
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        for value, after in zip(text.values, text.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant):
                expression = ast.unparse(value.value)
                if (found := plural.match(after.value)) and not CONSTANT.fullmatch(expression):
                    yield expression, found[0]


def test_every_message_that_counts_a_noun_has_its_singular() -> None:
    nouns = counted_nouns()
    assert {"seed", "step", "epoch", "run", "batch", "process"} <= nouns
    found = {
        (module, expression): noun
        for module, tree in MODULES.items()
        for expression, noun in plurals(tree, nouns)
        if not NAMES.fullmatch(expression.strip("'"))
    }
    assert {place: noun for place, noun in found.items() if place not in ALLOWED} == {}
    assert found.keys() >= ALLOWED
