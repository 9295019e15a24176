"""Hostile input is refused with a message and an offset, and never executed."""

from __future__ import annotations

import ast
import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import hostile
import pytest
from example_counts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import optimizers, schedules

from lrtui.__main__ import main
from lrtui.run.errors import NotationError, UsageError
from lrtui.run.spec import RunSpec, read_option
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import parse_script_line

ALPHABETS = (
    "StepLR()[]=,.0123456789\"'per batch:{}*",
    "()[]{}\"'\\#\n\r\t\f ;:=",
    "lambda e:=<+-*/%0.9_x()f'\"{}",
    "a.py:B(=)'\"~/é-😀[],1\n",
    "\x00\ud800\udfff\u202e\u2066\u200b\xa0\u2028\ufeff\x85StepLR(3)",
    "01_9eEjJxXoObBfF.+-",
)
"""Characters that the parser treats specially."""

PIECES = (
    "__import__('os')", "lambda e: ", "optimizer", "\x00", "\ud800", "\\\n", "\r\n", '"""', "#", "1e999", "9" * 301,
    "**", "None", "True", ":=", "(" * 41, "-" * 101, "é:B(", "per=", "groups={", "math.", "'\\x00'", "f'{", "nan",
    "1if 1else 2",
)  # fmt: skip


def test_there_are_thousands_of_hostile_arguments_the_same_in_each_run() -> None:
    cases = hostile.cases()
    assert len(set(cases)) == len(cases) >= 2000
    assert cases == hostile.cases()
    near_misses = sum(bool(case.names) for case in cases)
    assert near_misses >= 500


def test_a_mutation_is_not_python_or_not_a_valid_notation() -> None:
    for case in hostile.mutations():
        # our syntax, not Python's: it would be part of the path
        if ".py:" in case.text or case.text.strip() == "":
            continue
        try:
            tree = ast.parse(case.text.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            continue
        known = (*hostile.CATALOGUE, *hostile.OPTIMIZERS)
        is_call = isinstance(tree, ast.Call) and ast.unparse(tree.func).rpartition(".")[2] in known
        assert not is_call, case


@pytest.mark.parametrize("fraction", [0.25, pytest.param(1.0, marks=pytest.mark.deep)])
def test_hostile_arguments_are_refused_with_a_caret_and_nothing_is_executed(fraction: float) -> None:
    command = [sys.executable, hostile.__file__, str(fraction)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *wrong, numbers = (json.loads(line) for line in done.stdout.splitlines())
    shown = "\n".join(json.dumps(record, ensure_ascii=False) for record in wrong[:20])
    assert not wrong, f"{len(wrong)} answers are not what they should be:\n{shown}"
    assert numbers["torch"] == []
    assert numbers["lines"] >= numbers["cases"] >= 2000


def test_the_attacked_process_detects_executed_code(tmp_path: Path) -> None:
    # a check that accepts anything would pass
    acts = {
        "exec": "exec('1')",
        "eval": "eval('1')",
        "os.system": "__import__('os').system('true')",
        "subprocess.Popen": "__import__('subprocess').Popen(['true']).wait()",
        "socket": "__import__('socket').socket()",
        "open": f"open({str(tmp_path / 'x')!r}, 'w')",
        "os.open": f"os.close(os.open({str(tmp_path / 'x')!r}, os.O_RDWR))",
        "os.mkdir": f"os.mkdir({str(tmp_path / 'y')!r})",
        "torch": "import torch",
    }
    code = f"""
import os, sys, subprocess, socket
sys.path.insert(0, {str(Path(hostile.__file__).parent)!r})
import hostile
watch = hostile.Watch()
sys.meta_path.insert(0, hostile.NoTorch(watch))
for name, act in {acts!r}.items():
    act = compile(act, "", "exec")
    function = type(lambda: 0)(act, globals())
    watch.on = True
    try:
        function()
    except ImportError:
        pass
    watch.on = False
    print(name, bool(watch.seen))
    watch.seen.clear()
watch.on = True
open(os.devnull).close()
watch.on = False
print("reading", bool(watch.seen))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert dict(line.split() for line in done.stdout.splitlines()) == dict.fromkeys(acts, "True") | {
        "reading": "False"
    }, done.stderr


@pytest.mark.parametrize(
    ("status", "out", "err", "found"),
    [
        (2, "", "lrtui train:\nStepLr(3)\n^ unknown schedule StepLr; did you mean StepLR?\n", []),
        (1, "", "lrtui train:\nStepLr(3)\n^ unknown schedule StepLr; did you mean StepLR?\n", ["status 1"]),
        (2, "x", "lrtui train:\nStepLr(3)\n^ did you mean StepLR?\n", ["printed to standard output"]),
        (2, "", "lrtui train:\nStepLr(3)\n^ unknown schedule StepLr\n", ["no StepLR"]),
        (2, "", "lrtui train: unknown schedule; did you mean StepLR?\n", ["no caret under the notation"]),
        (2, "", "lrtui train:\nStepLr(3)\n          ^ StepLR\n", ["no caret under the notation"]),
        (2, "", "lrtui train:\nStepLr(3)\n^ StepLR\nTraceback (most recent call last):\n", ["a traceback"]),
    ],
)
def test_a_wrong_answer_is_detected(status: int, out: str, err: str, found: list[str]) -> None:
    assert hostile.faults(hostile.Case("schedule", "StepLr(3)", names=("StepLR",)), status, out, err) == found


@st.composite
def _disturbed(draw: st.DrawFn, valid: st.SearchStrategy[str]) -> str:
    """Return valid notation with slices of it left out, doubled, moved and replaced; it may still be valid."""
    text = draw(valid)
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        end = min(end, start + draw(st.integers(0, 12)))
        cut = text[start:end]
        other = draw(st.sampled_from(["", cut * 2, *PIECES]) | st.text(max_size=3))
        text = text[:start] + other + text[end:]
    return text


def _texts(valid: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    inside = st.sampled_from(["StepLR({})", "LambdaLR({})", "LambdaLR('{}')", "Adam({})", "a.py:B({})", "x = {}", "{}"])
    # a nested string: str.format would take its braces for fields
    return st.one_of(
        st.text(st.characters(), max_size=80),
        *(
            st.builds(lambda outer, text: outer.replace("{}", text), inside, st.text(alphabet, max_size=40))
            for alphabet in ALPHABETS
        ),
        _disturbed(valid),
    )


def _check(parse: Callable[[str], Any], text: str, *, reads_back: bool) -> None:
    try:
        value = parse(text)
    except NotationError as error:
        assert error.position is not None
        assert 0 <= error.position <= len(text)
        assert str(error)
        assert not text.strip() or "^ " in error.explain()
        return
    assert not reads_back or parse(str(value)) == value


@settings(max_examples=examples(300, deep=1000), deadline=None)
@given(_texts(schedules()))
def test_any_text_is_a_schedule_that_parses_again_or_is_refused_at_an_offset(text: str) -> None:
    _check(parse_schedule, text, reads_back=True)


@settings(max_examples=examples(150, deep=500), deadline=None)
@given(_texts(optimizers() | optimizers(["fc*", "*.bias"])))
def test_any_text_is_an_optimizer_that_parses_again_or_is_refused_at_an_offset(text: str) -> None:
    _check(parse_optimizer, text, reads_back=True)


@settings(max_examples=examples(150, deep=500), deadline=None)
@given(
    st.builds(
        str.__add__,
        st.sampled_from(["", "epoch 1:", "step 3: ", "test 2:", "step 1: lr", "step 1: lr*"]),
        _texts(schedules().map(lambda text: f"{text} from base")),
    )
)
def test_any_text_is_a_script_line_or_is_refused_at_an_offset(text: str) -> None:
    _check(parse_script_line, text, reads_back=False)


@settings(max_examples=examples(150, deep=500), deadline=None)
@given(st.sampled_from(fields(RunSpec)), st.text(max_size=50) | st.text("-+_,.0123456789einfa ", max_size=50))
def test_any_text_is_an_option_value_or_is_refused(item: Any, text: str) -> None:
    try:
        value = read_option(item, text)
    except UsageError as error:
        assert f"--{item.name.replace('_', '-')}" in str(error)
    else:
        RunSpec(**{item.name: value})


@pytest.mark.skipif(sys.platform != "linux", reason="how long an argument may be is Linux's own")
@pytest.mark.parametrize(
    ("before", "filling", "after", "has_caret"),
    [
        ("", "(", "", True),
        ("StepLR(", "9", ")", True),
        ("StepLR(3, ", "😀", ")", True),
        ("--optimizer=", "[", "", True),
        ("--optimizer=Adam(lr=", "-", "1)", True),
        # a backtracking pattern would take minutes for these
        ("--at=step 1: lr*", " ", "x y", True),
        ("--at=step 1: lr=1 group=", " ", "x y", True),
        ("--epochs=", "9", "", False),
        ("--task=", "x", "", False),
    ],
)
def test_the_longest_argument_of_the_system_is_refused(
    before: str, filling: str, after: str, has_caret: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    longest = hostile.LONGEST_ARGUMENT
    room = longest - len((before + after).encode())
    word = before + filling * (room // len(filling.encode())) + "x" * (room % len(filling.encode())) + after
    assert len(word.encode()) == longest
    arguments = ["train", *([hostile.GOOD] if before.startswith("--") else [])]
    command = [sys.executable, "-m", "lrtui", *arguments]
    if filling == "😀":
        # in a process: the longest argument is one that the system passes
        done = subprocess.run(
            [*command, word], capture_output=True, text=True, encoding="utf-8", timeout=600, check=False
        )
        status, out, err = done.returncode, done.stdout, done.stderr
    else:
        status = main([*arguments, word])
        out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    # the message is readable: it does not repeat the argument
    assert len(err) < 1000
    assert not has_caret or any(line.lstrip(" ").startswith("^ ") for line in err.split("\n"))
    with pytest.raises(OSError) as refused:  # noqa: PT011  the number says which
        subprocess.run([*command, word + "x"], capture_output=True, check=False)
    assert refused.value.errno == errno.E2BIG
