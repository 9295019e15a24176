"""Thousands of invalid notations and option values, and a process that tries them all.

    python tests/schedules/hostile.py [FRACTION]

tries each, or a random fraction of them (the same in each run), through the command line, where torch can't be
imported, and prints a JSON object for each that was not refused as it should be, then one with the numbers.

Every case breaks a rule of Python or of the notation, independently of the parser: an unmatched bracket, a character
that no token starts with, a repeated argument, text instead of a number. Changes that may leave a notation valid, such
as another digit, are not made.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Literal

from lrtui.run.spec import RunSpec
from lrtui.schedules.anchor import ANCHORS
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS
from lrtui.schedules.parameter import Parameter

Kind = Literal["schedule", "optimizer", "at", "option", "words"]

SEED = 20_240_601

LONGEST_ARGUMENT = 131_071
"""Bytes of the longest argument that Linux passes: 32 pages less the null byte at its end."""

GOOD = "StepLR(3)"
"""The schedule beside an invalid optimizer or option."""


@dataclass(frozen=True, slots=True)
class Case:
    """Input that has to be refused.

    Args:
        kind: `words` are whole command lines, given as JSON.
        text: the notation, or the option's value.
        option: which one, for the kind `option`.
        names: for a misspelt name, the nearest known names; the message must contain one of them.
    """

    kind: Kind
    text: str
    option: str = ""
    names: tuple[str, ...] = ()

    def lines(self) -> Iterator[list[str]]:
        """Yield the command lines that contain it, `train` first."""
        match self.kind:
            case "schedule":
                # an argument that begins with a dash would be an option elsewhere
                yield ["train", "--", self.text]
                yield ["preview", "--", GOOD, self.text]
            case "optimizer":
                yield ["train", GOOD, f"--optimizer={self.text}"]
                yield ["preview", GOOD, f"--optimizer={self.text}"]
            case "at":
                yield ["train", GOOD, f"--at={self.text}"]
            case "option":
                if self.option != "batches-per-epoch":
                    yield ["train", GOOD, f"--{self.option}={self.text}"]
                if self.option in ("task", "epochs", "batch-size", "train-samples", "batches-per-epoch"):
                    yield ["preview", GOOD, f"--{self.option}={self.text}"]
            case "words":
                yield json.loads(self.text)

    @property
    def has_caret(self) -> bool:
        """Whether the answer has a caret."""
        return self.kind in ("schedule", "optimizer", "at") and self.text.strip() != ""


# --- written by hand: code in place of a value -----------------------------------------------------------------------

PAYLOADS = (
    "__import__('os').system('touch /tmp/lrtui-was-here')",
    "__import__('os')",
    "__import__('subprocess').Popen(['id'])",
    "__builtins__.__dict__['eval']('1')",
    "().__class__.__bases__[0].__subclasses__()",
    "''.__class__.__mro__[1]",
    "(lambda: 0).__globals__['__builtins__']",
    "(lambda f: f(f))(lambda f: f(f))",
    "lambda: 0",
    "lambda *a, **k: __import__('os').abort()",
    "f'{__import__(\"os\").getpid()}'.upper()",
    "f'{1}'",
    "f'{exit()!r:>{10**9}}'",
    "(x := 9)",
    "x := 9",
    "[x for x in range(10**9)][0]",
    "{x for x in range(3)}.pop()",
    "{x: x for x in range(3)}.get(1)",
    "sum(x for x in iter(int, 1))",
    "next(iter(int, 1))",
    "open('/tmp/lrtui-was-here', 'w')",
    "open('/etc/passwd').read()",
    "eval('1')",
    "exec('import os')",
    "compile('1', '', 'eval')",
    "getattr(optimizer, 'step')()",
    "setattr(object, 'x', 1)",
    "globals()",
    "vars()['x']",
    "exit()",
    "quit(0)",
    "input()",
    "breakpoint()",
    "print('x')",
    "(yield)",
    "(yield from x)",
    "await x()",
    "not x",
    "x and y",
    "x if y else z",
    "x[0]",
    "x[::-1]",
    "x @ y",
    "'%s' % x",
    "'x' * 10**9",
    "[0] * 10**9",
    "1 << 10**9",
    "...",
    "3j",
    "b'x'",
    "sys.exit",
    "os.environ['HOME']",
    "torch.load('x.pt')",
    "pickle.loads(b'cos\\nsystem\\n(S\"id\"\\ntR.')",
    "import os",
    "import os; os.abort()",
    "del x",
    "raise SystemExit",
    "assert False",
    "while True: pass",
    "def f(): pass",
    "class A: pass",
    "$(id)",
    "`id`",
    "; id",
    "&& id",
    "| id",
    "%s%s%n",
    "{{7*7}}",
    "${7*7}",
    "<script>",
    "../../etc/passwd",
    "' OR 1=1 --",
)
"""None of them is a number, a text, a name or a list, so that none is a valid value."""

_SCHEDULE_PLACES = (
    "{}",
    "StepLR(3, {})",
    "StepLR(step_size={})",
    "StepLR(3, gamma={})",
    "StepLR(3, *{})",
    "StepLR(3, **{})",
    "StepLR(3)({})",
    "StepLR(3).step({})",
    "{}.StepLR(3)",
    "StepLR(3, per={})",
    "StepLR(3, {}=1)",
    # the optimizer is skipped, and step_size is missing
    "StepLR(optimizer={})",
    "MultiStepLR([3, {}])",
    "OneCycleLR({})",
    "ReduceLROnPlateau(metric={})",
    "CyclicLR(0.1, 0.2, mode={})",
    "LambdaLR(lambda e: {})",
    "LambdaLR([lambda e: 1, lambda e: max(1, {})])",
    "LambdaLR(lambda e, x={}: 1)",
    "SequentialLR([{}, StepLR(3)], milestones=[2])",
    "ChainedScheduler([StepLR(3), {}])",
    "examples/my.py:Mine({})",
    "examples/my.py:Mine([1, {}])",
    "examples/my.py:Mine(3).step({})",
    "examples/my.py:Mine(3)({})",
)

_OPTIMIZER_PLACES = (
    "{}",
    "Adam(lr={})",
    "Adam(0.1, {})",
    "Adam(0.1, (0.9, {}))",
    "Adam(betas={})",
    "Adam(amsgrad={})",
    # the parameters are skipped, and an lr below 0 is invalid
    "Adam({}, lr=-1)",
    "Adam(params={}, lr=-1)",
    "Adam(**{})",
    "Adam()({})",
    "Adam(groups={})",
    'Adam(groups={{"fc*": {}}})',
    'Adam(groups={{"fc*": {{"lr": {}}}}})',
    'Adam(groups={{"fc*": {{{}: 1}}}})',
    'Adam(groups={{{}: {{"lr": 1}}}})',
    'Adam(groups={{**{}, "fc*": {{"lr": 1}}}})',
)

_AT_PLACES = ("{}", "epoch {}: lr*0.5", "epoch 1: {}", "step 1: lr*{}", "step 1: lr=1 group={}", "step 1: {} from base")


def injections() -> Iterator[Case]:
    """Yield code in the place of every value."""
    for payload in PAYLOADS:
        yield from (Case("schedule", place.format(payload)) for place in _SCHEDULE_PLACES)
        if '"' not in payload:
            # in double quotes the payload is the text of an expression
            yield Case("schedule", f'LambdaLR("{payload}")')
            yield Case("schedule", f'CyclicLR(0.1, 0.2, scale_fn="1 + {payload}")')
        yield from (Case("optimizer", place.format(payload)) for place in _OPTIMIZER_PLACES)
        yield from (Case("at", place.format(payload)) for place in _AT_PLACES)


READ_OVER = (
    "StepLR(optimizer=__import__('os').system('id'), step_size=3)",
    "StepLR(__import__.__class__, 3)",
    "StepLR(self.optimizer, 3)",
)
"""Schedules that are all `StepLR(step_size=3)`: the first argument is skipped, and never executed."""


# --- written by hand: too deep, too large, too long ------------------------------------------------------------------

_OPENERS = {
    "(": ")", "[": "]", "{": "}", "{1:": "}", "StepLR(": ")", "ChainedScheduler([": "])", "f(": ")", "f(a=": ")",
    "(lambda: ": ")", "x[": "]", "[*": "]", "{**": "}", "(yield ": ")", "[x for x in ": "]", "a.py:B(": ")",
    "-": "", "+": "", "~": "", "not ": "", "lambda: ": "", "lambda x=": "", "await ": "", "1+": "", "1**": "",
    "1<": "", "1 if 1 else ": "", "x.": "", "x or ": "", "*": "", "**": "", "a=": "", "a:": "", ":": "", ";": "",
    "=": "", "#": "", "\\\n": "", "\n": "", "\r": "", '"': "", "'": "", '"""': "", "f'{": "}'", '"\\': "",
}  # fmt: skip


def nesting() -> Iterator[Case]:
    """Yield deep nesting around a name, which is no valid value."""
    for opener, closer in _OPENERS.items():
        for times in (10, 41, 101, 1000, 9000 // len(opener), 20_000):
            for end in {"", closer}:
                deep = opener * times + "x" + end * times
                yield Case("schedule", deep)
                yield Case("schedule", f"StepLR(step_size={deep})")
                yield Case("optimizer", f"Adam(lr={deep})")
                if '"' not in deep and "\n" not in deep and "\r" not in deep:
                    yield Case("schedule", f'LambdaLR("{deep}")')
    # brackets inside a string, which a counter of brackets must not count
    for times in (100, 199, 1000, 4000):
        yield Case("schedule", f'StepLR("{")" * times}", {"(" * times}x{")" * times})')
        yield Case("schedule", f'StepLR(step_size="{"(" * times}")')
    # long, with the error at the end
    signs = ("lambda e:" + "-1+" * 60 + "1,", "lambda e:" + "e<" * 30 + "e,", "1" + "+-1" * 30 + ",", '"1+1+1+1+1",')
    for item in ("1,", "lambda e: 1,", '"1",', f'"{"1<" * 200}1",', "(1),", "[],", *signs):
        yield Case("schedule", f"LambdaLR([{item * (9900 // len(item))}x])")
        yield Case("schedule", f"a.py:B({item * (9900 // len(item))}x)")
        yield Case("schedule", f"MultiStepLR([{item * (9900 // len(item))}x])")
    for item in ("LinearLR(),", "StepLR(1),", "a:B(1),", "é:B('é'),"):
        yield Case("schedule", f"ChainedScheduler([{item * (9900 // len(item.encode()))}x])")
    for item in ('"lr": 1,', '"lr": 1-1-1,'):
        yield Case("optimizer", f'Adam(groups={{"a": {{{item * (9900 // len(item))}}}}}, x=1)')


_TOO_LARGE = (
    "9" * 301, "9" * 4301, "9" * 9000, "1_" * 3000 + "1", "0x" + "f" * 400, "0x" + "f" * 3700, "0X" + "F" * 9000,
    "0b" + "1" * 9000, "0o" + "7" * 9000, "1e999", "-1e999", "1e99999999999999", "1" * 200 + "e" + "9" * 90,
    "9" * 300 + ".0e300", "nan", "inf", "-inf", "NaN", "Infinity", "float('nan')", "float('inf')", "math.inf",
)  # fmt: skip
"""Invalid as an argument and as an expression."""

_NO_VALUE = (
    "9**9**9", "9**9**9**9**9", "10**400", "10.0**400", "2**99999", "1e308*10", "-1e308*10", "1e308+1e308", "1/0",
    "0/0", "0.0/0", "0**-1", "(-1)**0.5", "1e999-1e999", "9"*300+"**2", "9"*300+"*9e99", "1/(1-1)",
)  # fmt: skip
"""Invalid as an argument; as an expression only when it is evaluated."""

_NO_NUMBER = (
    "1e", "0x", "0b2", "0o8", "1__0", "_1", "012", "1.2.3", "1e+", "1..2", "٣", "３", "½", "1k", "3epochs", "1e3e3",
    "0.1f", "1,5,", "−1", "1 000", "0x1.8p3", "#3", "3%", "'", '"', "=", "==3", "<3", "3!", "?", "@",
)  # fmt: skip


def numbers() -> Iterator[Case]:
    """Yield numbers that are too large, have no value or are not numbers."""
    for number in (*_TOO_LARGE, *_NO_VALUE, *_NO_NUMBER):
        if number != "1,5,":
            yield Case("schedule", f"ExponentialLR(gamma={number})")
            yield Case("schedule", f"OneCycleLR(max_lr={number})")
            yield Case("schedule", f"OneCycleLR(max_lr=[0.1, {number}])")
            yield Case("optimizer", f"SGD(lr={number})")
            yield Case("optimizer", f'SGD(lr=0.1, groups={{"fc*": {{"lr": {number}}}}})')
        yield Case("schedule", f"StepLR(step_size={number})")
        yield Case("schedule", f"MultiStepLR(3, [{number}])")
        yield Case("schedule", f"SequentialLR([StepLR(3), StepLR(3)], [{number}, 3])")
        yield Case("optimizer", f"Adam(betas=(0.9, {number}, 3))")
    for number in (*_TOO_LARGE, *_NO_VALUE):
        yield Case("schedule", f"a.py:B(x={number})")
        yield Case("at", f"step {number}: lr*0.5")
        yield Case("at", f"step 1: lr={number}")
    yield from (Case("schedule", f"LambdaLR({number})") for number in _TOO_LARGE)
    yield from (Case("schedule", f"LambdaLR(lambda e: e + {number})") for number in _TOO_LARGE)
    yield from (Case("optimizer", f'Adam(groups={{"a": {{{number}: 1}}}})') for number in (*_TOO_LARGE, *_NO_VALUE))


def longest() -> Iterator[Case]:
    """Yield the longest possible arguments."""

    def fill(before: str, filling: str, after: str = "") -> str:
        # the text in front of it on the command line counts as well
        room = LONGEST_ARGUMENT - len("--optimizer=") - len((before + after).encode())
        return before + filling * (room // len(filling.encode())) + after

    shapes = (
        ("", "("), ("", "x"), ("", " "), ("", "é"), ("", "😀"), ("", "\\"), ("", '"'), ("StepLR(", "9", ")"),
        ("StepLR(", "1,", ")"), ("StepLR(3", " ", "x)"), ("StepLR(3", "\n", "x)"), ("StepLR(", "-", "1)"),
        ('LambdaLR("', "x", '")'), ("a:B(", "[],", "x)"), ("", "a:b("), ("a", " ", "="), ("", "a."), ("", "lambda"),
    )  # fmt: skip
    for shape in shapes:
        yield Case("schedule", fill(*shape))
        yield Case("optimizer", fill(*shape))
        yield Case("at", fill(*shape))
        yield Case("at", "step 1:" + fill(*shape)[:-10])
    yield from (Case("at", fill("step 1: lr" + sign, " ", "x y")) for sign in ("", "*", "=1 ", "=1 group", "=1 group="))
    yield Case("at", fill("step 1: ", "StepLR(3) from "))
    yield Case("at", fill("step 1: StepLR(3)", " ", "from x"))
    for option in ("epochs", "seed", "clip-grad-norm", "train-samples", "device", "precision", "task"):
        yield from (Case("option", fill("", filling, "x"), option) for filling in ("9", "_", " ", "x", "-"))


# --- written by hand: values of the wrong type -----------------------------------------------------------------------

_WRONG: dict[str, tuple[str, ...]] = {
    "int": ('"3"', "True", "2.5", "[3]", "(3, 3)", "{}", "{3}", "x", "x.y", "-1", "-10**6", "1e13", "10**19", "b'3'"),
    "float": ('"0.1"', "True", "False", "[0.1, 'x']", "{}", "{0.1}", "x", "x.y", "b'1'", "-x", "1 if 1 else 2"),
    "bool": ("0", "1", '"True"', "true", "[True]", "not True", "1 == 1", "-1"),
    "choice": ("0", "True", '"nonsense"', '""', "x", "b'x'", "['x']", "x.y", "'cos' 'x'"),
    "ints": ("3", "[]", "()", '["3"]', "[True]", "[2.5]", "[-1]", "[[3]]", "{3}", "[None]", "x", '"[3]"', "[3, *x]"),
    "floats": ('"0.1"', "True", "[]", '["0.1"]', "[True]", "[[0.1]]", "{0.1}", "x", "[None]", "[0.1, *x]"),
    "steps": ('"3"', "True", "[3]", "x", "1.0", "2.5", "-0.5", "{3}"),
    "pair": ("0.9", "()", "(0.9,)", "(0.9, 0.9, 0.9, 0.9)", "('x', 'y')", "(True, True)", "x", "{1, 2}", "'ab'"),
    "expression": (
        "True", "[]", "x", "x.y", "{}", "b'1'", '""', '" "', '"epok"', '"epoch."', '"epoch;"', '"epoch()"',
        '"True"', '"[1]"', '"min(1)"', '"min"', '"epoch.real"', '"exp(1, 2)"', '"max(*epoch)"', '"exp(x=1)"', '"1 if"',
        '"a := 1"', '"epoch = 1"', '"lambda: 1"', '"1j"', '"None"', '"epoch is 1"', '"1 in epoch"',
        '"1if 1else x"', '"~1"', '"1 << 9"',
        "lambda: 1", "lambda a, b: 1", "lambda *a: 1", "lambda **a: 1", "lambda a=1: 1", "lambda a, /, b: 1",
        "lambda e: x", "lambda e: e.x", "lambda e: e()", "lambda e: math", "lambda e: os.e(1)", "lambda e: (yield)",
        "max", "math.cos", '"\\ud800"', '"\\x00"', '"1\\n2"', '["1", []]', '["1", x]', '"' + "1" * 501 + '"',
    ),
    "schedules": ("3", "[]", "()", "[3]", '["StepLR(3)"]', "StepLR(3)", "[x]", "[StepLR]", "[[StepLR(3)]]", "{}"),
    "schedule": ("3", "[StepLR(3)]", '"StepLR(3)"', "x", "StepLR", "Warmup(2, StepLR(3))", "{}", "StepLR(3)(4)"),
}  # fmt: skip


def _wrong_values(parameter: Parameter) -> Iterator[str]:
    yield from _WRONG[parameter.kind]
    if not parameter.optional:
        yield "None"
    if parameter.kind == "float":
        yield from ("[]", "[0.1]", "(0.1,)")
    if parameter.kind in ("int", "steps", "float", "floats"):
        if parameter.minimum is not None:
            yield f"{parameter.minimum} - 1"
            if parameter.above:
                yield f"{parameter.minimum}"
        if parameter.maximum is not None:
            yield f"{parameter.maximum} + 1"


def wrong_types() -> Iterator[Case]:
    """Yield each argument of each catalogue entry with invalid values."""
    for kind, entries in (("schedule", CATALOGUE), ("optimizer", OPTIMIZERS)):
        for name, entry in entries.items():
            for parameter in entry.parameters:
                values = dict.fromkeys(_wrong_values(parameter))
                yield from (Case(kind, f"{name}({parameter.name}={value})") for value in values)  # type: ignore[arg-type]
    for name, entry in OPTIMIZERS.items():
        for parameter in entry.parameters:
            # for groups a few are enough: the same code reads them
            for value in list(dict.fromkeys(_wrong_values(parameter)))[:3]:
                yield Case("optimizer", f'{name}(groups={{"fc*": {{"{parameter.name}": {value}}}}})')


_SAMPLES = {
    "int": "3", "steps": "0.1", "float": "0.5", "bool": "True", "choice": '"x"', "ints": "[3]", "floats": "0.5",
    "pair": "(0.9, 0.9)", "expression": '"epoch"', "schedules": "[StepLR(3)]",
    "schedule": "StepLR(3)",
}  # fmt: skip


def wrong_calls() -> Iterator[Case]:
    """Yield calls with a repeated argument, one too many, or an unknown one."""
    for kind, entries in (("schedule", CATALOGUE), ("optimizer", OPTIMIZERS)):
        for name, entry in entries.items():
            first, sample = entry.parameters[0].name, _SAMPLES[entry.parameters[0].kind]
            calls = [
                f"{name}({sample}, {first}={sample})",
                f"{name}({', '.join(['1'] * (len(entry.parameters) + 1))})",
                f"{name}({first}={sample}, {sample})",
                f"{name}({first}={sample}, {name}={sample})",
                f"{name}({first}={sample}, x=1)",
                f"{name}({first}={sample}, **x)",
                f"{name}({first}={sample}, *x)",
                f"{name}[{sample}]",
                f"{name}",
                f"{name}.{first}",
                f"{name}({first}:{sample})",
                f"{name}({first}=)",
                f"{name}(={sample})",
                f"{name} {sample}",
                f"{name}({first}={sample}",
                f"{name}{first}={sample})",
                f"'{name}({first}={sample})'",
                f"lambda: {name}({first}={sample})",
                f"{name}({first}={sample}) if 1 else 0",
            ]
            for parameter in entry.parameters:
                one = f"{parameter.name}={_SAMPLES[parameter.kind]}"
                calls.append(f"{name}({one}, {one})")
            yield from (Case(kind, call) for call in calls)  # type: ignore[arg-type]
    for name, entry in CATALOGUE.items():
        if any(parameter.is_required and parameter.name not in entry.fills for parameter in entry.parameters):
            yield Case("schedule", f"{name}()")
            yield Case("schedule", f"{name}(optimizer)")
    for text in (
        "OneCycleLR(0.1, epochs=3)",
        "OneCycleLR(0.1, steps_per_epoch=3)",
        "SequentialLR([StepLR(3)], [2])",
        "SequentialLR([StepLR(3), StepLR(3)], [2, 4])",
        "SequentialLR([StepLR(1), StepLR(1), StepLR(1)], [4, 4])",
        "SequentialLR([StepLR(1), StepLR(1), StepLR(1)], [4, 2])",
        "SequentialLR([SequentialLR([StepLR(1), StepLR(1)], [1]), StepLR(3)], [2])",
        "ChainedScheduler([ReduceLROnPlateau()])",
        'ReduceLROnPlateau(per="batch")',
        'StepLR(3, per="batch", per="epoch")',
        'ChainedScheduler([StepLR(3, per="batch")])',
        'StepLR(3, metric="loss")',
        'ReduceLROnPlateau(metric="a b")',
        f'ReduceLROnPlateau(metric="{"x" * 61}")',
        "StepLR(3, last_epoch=5)",
        "StepLR(3, verbose=True)",
    ):
        yield Case("schedule", text)
    for text in (
        'Adam(groups={"a": {}})',
        'Adam(groups={"a": {"foreach": None}})',
        'Adam(groups={"a": {"lr": 1}, "a": {"lr": 2}})',
        'Adam(groups={"": {"lr": 1}})',
        'Adam(groups={3: {"lr": 1}})',
        'Adam(groups={"a": {3: 1}})',
        "Adam(groups={})",
        "Adam(groups=None)",
        'Adam(groups={"a"})',
        "Adam(" + ", ".join(f'"{i}": 1' for i in range(300)) + ")",
        "Adam(groups={" + ", ".join(f'"{i}": {{"lr": 1}}' for i in range(101)) + "})",
    ):
        yield Case("optimizer", text)


# --- generated: misspelt names ---------------------------------------------------------------------------------------


def distance(left: str, right: str) -> int:
    """Return how many letters are inserted, left out, changed or swapped with the next one."""
    rows = [list(range(len(right) + 1))]
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b)))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


def _nearest(word: str, known: Sequence[str]) -> tuple[str, ...]:
    distances = {name: distance(word.lower(), name.lower()) for name in known}
    return tuple(name for name, far in distances.items() if far == min(distances.values()))


def misspellings(name: str, known: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield misspellings of the name, each with the known names that are most similar to it.

    Slips that make another known name, or none that a call can have, are left out.
    """
    known = list(known)
    middle = len(name) // 2
    slips = {
        name.lower(),
        name.upper(),
        name + name[-1],
        name[:middle] + name[middle] + name[middle:],
        name[:middle] + name[middle + 1 :],
        name[:-1],
        name[:1] + "_" + name[1:],
        name + "s",
        # no name has such a letter in its middle
        name[:middle] + "q" + name[middle + 1 :],
        *(
            name[:i] + name[i + 1] + name[i] + name[i + 2 :]
            for i in {0, middle - 1, len(name) - 2}
            if 0 <= i < len(name) - 1
        ),
    } - {*known, name}
    for slip in sorted(slips):
        if len(name) > 1 and slip.isidentifier():
            yield slip, _nearest(slip, known)


def near_misses() -> Iterator[Case]:
    """Yield notations and options with one misspelt name."""
    for name, entry in CATALOGUE.items():
        arguments = entry.example[len(name) :]
        for slip, names in misspellings(name, CATALOGUE):
            yield Case("schedule", slip + arguments, names=names)
            yield Case("schedule", f"ChainedScheduler([StepLR(3), {slip}{arguments}])", names=names)
            yield Case("at", f"epoch 1: {slip}{arguments}", names=names)
            yield Case("words", json.dumps(["schedulers", slip]), names=names)
        if name.endswith("LR"):
            yield Case("schedule", name[:-2] + arguments, names=(name,))
        yield Case(
            "schedule", f"torch.optim.lr_scheduler.{name[:-1]}{arguments}", names=_nearest(name[:-1], [*CATALOGUE])
        )
    for name in OPTIMIZERS:
        for slip, names in misspellings(name, OPTIMIZERS):
            yield Case("optimizer", f"{slip}(lr=0.1)", names=names)
            yield Case("optimizer", slip, names=names)
    # those are skipped, or are no setting of a group
    taken = {"optimizer", "last_epoch", "verbose", "per", "metric", "params", "groups"}
    for kind, entries in (("schedule", CATALOGUE), ("optimizer", OPTIMIZERS)):
        for name, entry in entries.items():
            own = [parameter.name for parameter in entry.parameters]
            for argument in own:
                for slip, names in misspellings(argument, own):
                    if slip not in taken:
                        yield Case(kind, f"{name}({slip}=1)", names=names)  # type: ignore[arg-type]
                        if kind == "optimizer":
                            yield Case("optimizer", f'{name}(groups={{"fc*": {{"{slip}": 1}}}})', names=names)
            for parameter in entry.parameters:
                for choice in parameter.choices:
                    for slip, names in misspellings(choice, parameter.choices):
                        yield Case(kind, f'{name}({parameter.name}="{slip}")', names=names)  # type: ignore[arg-type]
    for word in ("epoch", "step", "test"):
        for slip, names in misspellings(word, ("epoch", "step", "test")):
            yield Case("at", f"{slip} 1: lr*0.5", names=names)
    for anchor in ANCHORS:
        for slip, names in misspellings(anchor, ANCHORS):
            yield Case("at", f"step 1: StepLR(3) from {slip}", names=names)
    commands = ("undo", "evaluate", "stop")
    for command in commands:
        for slip, _ in misspellings(command, commands):
            yield Case("at", f"step 1: {slip}", names=(command,))
    for item in fields(RunSpec):
        for choice in item.metadata.get("choices", ()):
            for slip, names in misspellings(choice, item.metadata["choices"]):
                yield Case("option", slip, item.name, names)
    yield from (
        Case("option", slip, "task", ("fashion-mnist",)) for slip in ("fashion_mnist", "fashion-mnst", "Fashion-MNIST")
    )
    for function in ("min", "max", "exp", "floor", "sqrt"):
        for slip, _ in misspellings(function, ("min", "max", "abs", "exp", "log", "sqrt", "cos", "sin", "floor")):
            yield Case("schedule", f'LambdaLR("{slip}(1, epoch)")', names=(function,))
    yield from (Case("schedule", f'LambdaLR("0.9 ** {slip}")', names=("epoch",)) for slip in ("epohc", "epoc", "Epoch"))


# --- written by hand: options ----------------------------------------------------------------------------------------

_NO_COUNTS = (
    "0", "-1", "-0", "+0", "1e9", "1e3", "ten", "1.5", "1.0", "nan", "inf", "-inf", "0x10", "0b1", "None", "True",
    "1 2", "[3]", "(3)", "3;", "3 epochs", "--", "-", "+", "_", ",", ".", "½", "①", "Ⅲ", "三", "1e", "1+1", "2**3",
    "3//1", "3%", "1'000", "1:2", "\x00", "\ud800", "\u202e3", "3\u200b", "\x1b[31m3", "9" * 41, "9" * 5000,
    "__import__('os')", "$(id)", "`id`", "; id", "../..", "--epochs", "--help", "0" * 41 + "3",
)  # fmt: skip

_NO_NUMBERS = (
    "0", "-1", "-0.0", "0e9", "1e-999", "nan", "-nan", "inf", "-inf", "infinity", "1e999", "ten", "0x1", "1,5", "1/3",
    "1e", ".", "-", "--1", "1 2", "None", "True", "½", "\x00", "\ud800", "9" * 400, "__import__('os')", "$(id)", "[1]",
)  # fmt: skip

_NO_WORDS = (
    "", " ", "x", "0", "None", "auto,cpu", "cpu cuda", "[cpu]", "cuda:", "tpu", "gpu", "fp8", "fp64", "int8", "\x00",
    "\ud800", "\u202eupc", "\x1b[31m", "__import__('os')", "$(id)", "../../etc/passwd", "%s%n", "{0}", "-", "--",
    "x" * 999,
)  # fmt: skip


def options() -> Iterator[Case]:
    """Yield invalid option values and command lines."""
    limits = {item.name: item.metadata.get("maximum") for item in fields(RunSpec)}
    empty = {item.name for item in fields(RunSpec) if item.metadata.get("empty")}
    for name in ("epochs", "batch_size", "accumulate", "log_interval", "train_samples", "test_samples"):
        option = name.replace("_", "-")
        yield from (Case("option", text, option) for text in _NO_COUNTS)
        if limits[name] is not None:
            yield Case("option", str(limits[name] + 1), option)
            # an empty text may stand for a default
            yield from [] if name in empty else [Case("option", "", option)]
    yield from (Case("option", text, "seed") for text in ("", str(2**63), *_NO_COUNTS) if text not in ("0", "-0", "+0"))
    yield from (
        Case("option", text, "batches-per-epoch") for text in ("", "10000001", *_NO_COUNTS) if text != "0" * 41 + "3"
    )
    yield from (Case("option", text, "clip-grad-norm") for text in _NO_NUMBERS)
    for option in ("device", "precision", "task"):
        yield from (Case("option", text, option) for text in _NO_WORDS if option != "task" or ":" not in text)
    for text in (
        "", " ", ":", "::", "epoch", "epoch 1", "epoch 1:", "epoch:", "epoch : lr*0.5", "epoch 0: lr*0.5", "1: lr*0.5",
        "epoch 11: lr*0.5", "epoch -1: lr*0.5", "epoch 1.5: lr*0.5", "epoch ten: lr*0.5", "epoch ٣: lr*0.5", "lr*0.5",
        "epoch 1 lr*0.5", "epoch 1; lr*0.5", "epoch 1, 2: lr*0.5", "epoch 1-2: lr*0.5", "epoch 1::lr*0.5",
        "test 0: stop",
        "step 1: lr*", "step 1: lr*0", "step 1: lr*-1", "step 1: lr*nan", "step 1: lr*inf", "step 1: lr*1e999",
        "step 1: lr=", "step 1: lr=-1", "step 1: lr=nan", "step 1: lr/2", "step 1: lr+1", "step 1: lr**2", "step 1: lr",
        "step 1: lr=1 group=x", "step 1: lr=1 group=-1", "step 1: lr=1 group=99999", "step 1: lr=1 group=",
        "step 1: lr*2 group=0", "step 1: lr=1/3", "step 1: lr=ten", "step 1: lr = 0x1", "step 1: pause",
        "step 1: resume",
        "step 1: StepLR", "step 1: StepLR(3) from", "step 1: StepLR(3) from x y", "step 1: from base", "step 1: exit",
        "step 9999999999999: lr*2", "step 1: lr*0.5; step 2: lr*0.5", "step 1: lr*0.5\nlr*2", "\x00", "step 1: \x00",
        "\ud800 1: lr*2", "step \ud800: lr*2", "step 1: \ud800", "\u202estep 1: lr*2", "step 1: StepLR(3) from base()",
    ):  # fmt: skip
        yield Case("at", text)
    for words in (
        ["train"], ["preview"], ["train", "--epochs"], ["train", GOOD, "--epochs"], ["train", GOOD, GOOD],
        ["train", GOOD, "--colour"], ["train", GOOD, "--epoch", "3"], ["train", GOOD, "--epochs=3", "--x"],
        ["train", GOOD, "-e", "3"], ["train", GOOD, "--json=1"], ["train", "--", GOOD, "--json"],
        ["train", "@/etc/passwd"], ["train", "-"], ["train", "--", "--"], ["train", "-1"], ["train", "--help=1"],
        ["preview", GOOD, "--json", "--csv"], ["preview", GOOD, "--seed", "3"],
        ["preview", GOOD, "--epochs", "1000000"],
        ["tran", GOOD], ["Train", GOOD], ["train ", GOOD], ["--epochs", "3", "train", GOOD], ["step-lr"], ["StepLr"],
        ["StepLR"], ["StepLR()"], ["--colour"], ["schedulers", GOOD], ["schedulers", ""], ["schedulers", "a", "b"],
        ["schedulers", "__import__('os')"], ["keys", "x"], ["keys", "--x"], ["info", "x"], ["info", "--data-dir"],
        [GOOD, GOOD], [GOOD, "--epochs", "0"], [GOOD, "--optimizer", "Adamm()"], ["\ud800"], ["\x00"], [" "],
        ["train", GOOD, "--\ud800"], ["train", GOOD, "--\x1b[31m=1"], ["train", GOOD, "--%s%n"], ["--" + "x" * 9999],
    ):  # fmt: skip
        yield Case("words", json.dumps(words))


# --- random changes --------------------------------------------------------------------------------------------------

_SCHEDULES = (
    "StepLR(step_size=3, gamma=0.5)",
    "ExponentialLR(gamma=0.9)",
    "CosineAnnealingLR(T_max=20, eta_min=1e-6)",
    "OneCycleLR(max_lr=[0.003, 0.001], pct_start=0.25, three_phase=True)",
    "MultiStepLR([5, 8], gamma=0.1)",
    "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR()], milestones=[2])",
    "ChainedScheduler([ConstantLR(factor=1/3), ExponentialLR(gamma=0.9)])",
    "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)",
    "LambdaLR(lambda e: 0.95 ** e)",
    "examples/my.py:Warm(3, peak=0.1, steps=[1, 2])",
    'LambdaLR("0.95 ** epoch")',
    'StepLR(3, per="batch")',
)

_OPTIMIZERS = (
    "Adam(lr=0.01)",
    "SGD(lr=0.1, momentum=0.9, nesterov=True)",
    "AdamW(lr=1e-3, betas=(0.9, 0.95))",
    "optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)",
    'SGD(lr=0.1, groups={"fc*": {"lr": 0.01}, "*.bias": {"momentum": 0}})',
)

NO_TOKEN = "$?`\u202e\u2066\u200b\u00ad\x1b\x07\x7f€→😀“”’\ufffd\U000e0041"
"""Characters that no Python token starts with or contains, and that are no spaces."""

NO_CHARACTER = "\x00\ud800\udfff"
"""Python refuses these even inside a string."""

_WRAPPERS = (
    "-{}", "not {}", "[{}]", "({}, 1)", "({},)", "{{{}}}", "{}.step()", "{}()", "{}[0]", "lambda: {}", "await {}",
    "{} if True else {}", "{} + {}", "{}, {}", "{} {}", "{}{}", "{}\n{}", "{};{}", "x := {}", "x == {}", "*{}", "**{}",
    "print({})", "f'{{{}}}'", "x[{}]", "for {}", "return {}", "{}:", ":{}", "{}=1", "x = y = {}", "x, y = {}", "{}!",
    "@{}",
)  # fmt: skip


def _bare_places(text: str) -> list[int]:
    """Return the offsets outside of strings and of the paths of users' classes."""
    inside = [match.span() for match in re.finditer(r'"[^"]*"|\S+\.py:', text)]
    return [place for place in range(len(text) + 1) if not any(start < place < end for start, end in inside)]


def _mutations(kind: Kind, text: str, chance: random.Random) -> Iterator[Case]:
    bare = _bare_places(text)
    # the call's bracket is closed last: a notation cut off before that has an open bracket or none
    yield from (Case(kind, text[:place]) for place in sorted(chance.sample(range(1, len(text)), 12)))
    for character in NO_TOKEN:
        for place in chance.sample(bare, 2):
            yield Case(kind, text[:place] + character + text[place:])
    for character in NO_CHARACTER:
        for place in chance.sample(range(len(text) + 1), 4):
            yield Case(kind, text[:place] + character + text[place:])
    brackets = [place for place in bare if text[place : place + 1] in tuple("()[]{}")]
    for place in brackets:
        yield Case(kind, text[:place] + text[place + 1 :])
        yield Case(kind, text[:place] + text[place] + text[place:])
        other = chance.choice([c for c in "()[]{}" if c != text[place]])
        yield Case(kind, text[:place] + other + text[place + 1 :])
    yield from (Case(kind, wrapper.format(*[text] * 2)) for wrapper in _WRAPPERS)


def mutations() -> Iterator[Case]:
    """Yield valid notations with a change that makes them invalid; the same ones each time."""
    chance = random.Random(SEED)
    for text in _SCHEDULES:
        yield from _mutations("schedule", text, chance)
    for text in _OPTIMIZERS:
        yield from _mutations("optimizer", text, chance)


def cases() -> list[Case]:
    """Return all cases, each once."""
    parts = (
        injections(), nesting(), numbers(), longest(), wrong_types(), wrong_calls(), near_misses(), options(),
        mutations(),
    )  # fmt: skip
    return list(dict.fromkeys(case for part in parts for case in part))


# --- the process that tries them -------------------------------------------------------------------------------------

EVENTS = ("exec", "builtins.input", "cpython.run_file", "pickle.find_class", "marshal.load", "import torch")
FAMILIES = ("socket.", "subprocess.", "shutil.", "ctypes.", "pty.", "webbrowser.", "urllib.", "tempfile.", "mmap.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Audit events while it is switched on: executed code, processes, sockets, files opened for writing."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            mode, flags = arguments[1] or "", arguments[2] or 0
            if set(mode) & set("wax+") or flags & WRITING:
                self.seen.append(f"open {arguments!r}"[:200])
        elif event in EVENTS or event.startswith(FAMILIES) or (event.startswith("os.") and event not in READING):
            self.seen.append(f"{event} {arguments!r}"[:200])


READING = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.getxattr", "os.listxattr")
"""Harmless events of the os module: the search for entry points lists folders."""


class NoTorch(MetaPathFinder):
    """Makes the import of torch fail, and records that it was tried."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in ("torch", "torchvision"):
            self._watch.seen.append(f"import {fullname}")
            raise ImportError(f"{fullname} can't be imported here")
        return None


def _run(words: list[str]) -> tuple[int | str, str, str]:
    """Return the exit status, or what was raised, and both streams."""
    from lrtui.__main__ import main

    # encoded as in a terminal: stdout fails for what it can't encode, stderr escapes it
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8")
    sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    status: int | str
    try:
        status = main(words)
    except BaseException as error:
        status = f"raised {type(error).__name__}: {error}"[:300]
    printed = []
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        printed.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # type: ignore[assignment]
    return status, printed[0], printed[1]


def faults(case: Case, status: int | str, out: str, err: str) -> list[str]:
    """Return what is wrong with the answer."""
    found = [] if status == 2 else [f"status {status}"]
    if out:
        found.append("printed to standard output")
    if "Traceback" in err.replace(case.text, ""):
        found.append("a traceback")
    if "Warning" in err.replace(case.text, ""):
        found.append("a warning")
    message = err
    if case.has_caret:
        lines = err.split("\n")
        at = next((i for i, line in enumerate(lines) if re.match(r" *\^ \S", line)), None)
        if at != 2 or not lines[0].startswith("lrtui") or lines[at].index("^") > len(lines[1]):
            found.append("no caret under the notation")
        else:
            message = lines[at]
    if not message.strip():
        found.append("no word")
    if case.names and not any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", message) for name in case.names):
        found.append(f"no {' or '.join(case.names)}")
    return found


WARM_UP = (
    ["train"], ["preview"], ["schedulers", "x"], ["keys", "x"], ["info", "x"], ["x"], ["StepLR()"],
    ["train", "StepLR()"], ["train", "LambdaLR('x')"], ["train", "LambdaLR(lambda e: x)"], ["train", "("],
    ["preview", "StepLR()"], ["preview", GOOD, "--optimizer=x()"], ["preview", GOOD, "--task=x"],
    ["preview", GOOD, "--batches-per-epoch=x"], ["train", GOOD, "--optimizer=x()"], ["train", GOOD, "--task=x"],
    ["train", GOOD, "--at=epoch 1: x"], ["train", GOOD, "--at=epoch 1: lr/2"], ["train", GOOD, "--epochs=x"],
    ["preview", GOOD, "--epochs=1000000"],
)  # fmt: skip
"""Command lines that import each module once, since an import executes code."""


def main() -> None:
    """Try all cases, or a fraction of them."""
    fraction = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    watch = Watch()
    sys.meta_path.insert(0, NoTorch(watch))
    for words in WARM_UP:
        _run(words)
    from lrtui.schedules.notation import parse_schedule

    watch.seen.clear()
    tried = cases()
    if fraction < 1:
        tried = random.Random(SEED).sample(tried, round(fraction * len(tried)))
    lines = 0
    for number, case in enumerate(tried):
        # both commands use the same parser: a part of the cases shows that `preview` calls it first as well
        for words in list(case.lines())[: 1 if case.has_caret and number % 5 else None]:
            lines += 1
            watch.on = True
            status, out, err = _run(words)
            watch.on = False
            found = faults(case, status, out, err) + [f"event {event}" for event in watch.seen]
            watch.seen.clear()
            if found:
                shown = [word if len(word) <= 120 else f"{word[:100]}... ({len(word)})" for word in words]
                print(json.dumps({"words": shown, "faults": found, "err": err[:400]}))
    for text in READ_OVER:
        watch.on = True
        read = str(parse_schedule(text))
        watch.on = False
        if read != "StepLR(step_size=3)" or watch.seen:
            print(json.dumps({"words": [text], "faults": [read, *watch.seen], "err": ""}))
        watch.seen.clear()
    torch = sorted(name for name in sys.modules if name.partition(".")[0] in ("torch", "torchvision"))
    print(json.dumps({"cases": len(tried), "lines": lines, "torch": torch}))


if __name__ == "__main__":
    main()
