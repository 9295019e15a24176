"""Expressions as lambdas: bit for bit the same value, and the same refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest
from example_counts import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui.run.errors import NotationError
from lrtui.schedules.export_code.calls import lambda_text, needs_math
from lrtui.schedules.expression import Expression

LEAVES = st.one_of(
    st.sampled_from(["epoch", "step", "pi"]),
    st.integers(0, 10**6).map(str),
    st.floats(0, 1e6, allow_nan=False).map(repr),
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def fill(form: str, count: int) -> st.SearchStrategy[str]:
        return st.tuples(*[inner] * count).map(lambda parts: form.format(*parts))

    binary = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "==", ">=", "and", "or"])
    return st.one_of(
        st.tuples(inner, binary, inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(st.sampled_from(["-", "+", "not "]), inner).map(lambda parts: f"({parts[0]}{parts[1]})"),
        fill("({} if {} else {})", 3),
        fill("({} < {} <= {})", 3),
        st.sampled_from(["min({}, {})", "max({}, {})", "log({}, {})"]).flatmap(lambda form: fill(form, 2)),
        st.sampled_from(["abs", "exp", "log", "sqrt", "cos", "sin", "floor"]).flatmap(
            lambda name: fill(f"{name}({{}})", 1)
        ),
    )


EXPRESSIONS = st.recursive(LEAVES, _grown, max_leaves=12).filter(lambda text: len(text) <= 500)


def value_of(function: Any, epoch: int) -> Any:
    try:
        return function(epoch)
    except Exception:
        return None


def _same(text: str, epoch: int) -> None:
    wanted = value_of(Expression(text), epoch)
    if wanted is None:
        return
    function = eval(lambda_text(text), {"math": math} if needs_math(text) else {})
    found = float(function(epoch))
    assert (found, math.copysign(1, found)) == (wanted, math.copysign(1, wanted)), lambda_text(text)


@settings(deadline=None, max_examples=examples(100, deep=300))
@given(EXPRESSIONS, st.integers(0, 10**9))
def test_a_lambda_has_the_value_of_its_expression(text: str, epoch: int) -> None:
    _same(text, epoch)


@pytest.mark.deep
@settings(deadline=None, max_examples=20_000)
@given(EXPRESSIONS, st.integers(0, 10**12))
def test_a_lambda_has_the_value_of_its_expression_at_length(text: str, epoch: int) -> None:
    _same(text, epoch)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("0.95 ** epoch", "lambda epoch: 0.95 ** epoch"),
        ("2 ** step", "lambda step: 2.0 ** step"),
        ("step + epoch", "lambda epoch: epoch + epoch"),
        ("epoch ** 2", "lambda epoch: epoch ** 2.0"),
        ("epoch * epoch", "lambda epoch: float(epoch) * epoch"),
        ("0.1 ** (epoch // 30)", "lambda epoch: 0.1 ** (epoch // 30)"),
        ("min(1, epoch / 5)", "lambda epoch: min(1, epoch / 5)"),
        ("cos(pi)", "lambda epoch: math.cos(math.pi)"),
    ],
)
def test_a_lambda_is_plain_python(expression: str, text: str) -> None:
    assert lambda_text(expression) == text


def test_integers_beyond_float_range_are_multiplied_as_expressions_do() -> None:
    text = "(3 ** 40 * 7 + 1) % 10"
    assert eval(lambda_text(text))(0) == Expression(text)(0) != (3**40 * 7 + 1) % 10


def test_invalid_expressions_are_refused() -> None:
    with pytest.raises(NotationError):
        lambda_text("__import__('os')")
