"""Expressions of the step's number."""

from __future__ import annotations

import copy
import io
import math
import pickle
import time

import pytest
import torch

from lrtui.run.errors import NotationError
from lrtui.schedules.expression import Expression, check_expression


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.95 ** epoch", 0.95**7),
        ("0.95 ** step", 0.95**7),
        ("epoch", 7.0),
        ("  2 ", 2.0),
        ("7 // 2 + 7 % 4 - -1", 3 + 3 + 1),
        ("(1 + epoch) / 16", 0.5),
        ("1 if epoch < 3 else 0.5 if epoch <= 7 else 0", 0.5),
        ("1 < epoch < 8 and not epoch == 6 or 0", 1.0),
        ("min(1, epoch / 10) * max(2, 3, 1)", 0.7 * 3),
        ("abs(-3) + exp(0) + log(e) + sqrt(4)".replace("log(e)", "log(1)"), 6.0),
        ("log(8, 2)", 3.0),
        ("0.5 * (1 + cos(pi * epoch / 14))", 0.5 * (1 + math.cos(math.pi / 2))),
        ("sin(0) + floor(2.7)", 2.0),
    ],
)
def test_an_expression_has_the_value_of_python(text: str, value: float) -> None:
    assert Expression(text)(7) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "not an expression"),
        ("0.9 **", 6, "not an expression"),
        ("0.9 epoch", 4, "not an expression"),
        ("0.9 ** epok", 7, "unknown name 'epok'"),
        ("  é + 1", 2, "unknown name"),
        ("(1 +\n x)", 6, "unknown name 'x'"),
        ("e ** 2", 0, "unknown name 'e'"),
        ("cos", 0, "unknown name 'cos'"),
        ("epoch(1)", 0, "unknown function"),
        ("tan(1)", 0, "unknown function"),
        ("1 + min(3)", 4, "min takes 2 to 20 arguments, not 1"),
        ("exp()", 0, "exp takes 1 argument, not 0"),
        ("sqrt(1, 2)", 0, "sqrt takes 1 argument, not 2"),
        ("min(*epoch, 1)", 4, "Starred is not allowed"),
        ("log(x=1)", 0, "unknown function"),
        ("epoch.real", 0, "Attribute is not allowed"),
        ("().__class__.__bases__", 0, "not allowed"),
        ("__import__('os').system('true')", 0, "unknown function"),
        ("open('/etc/passwd')", 0, "unknown function"),
        ("'a' * 3", 0, "numbers within the range of a float"),
        ("True", 0, "numbers within the range of a float"),
        ("None", 0, "numbers within the range of a float"),
        ("1j", 0, "numbers within the range of a float"),
        ("9" * 400, 0, "numbers within the range of a float"),
        ("[1][0]", 0, "not allowed"),
        ("{1: 2}", 0, "not allowed"),
        ("[x for x in epoch]", 0, "not allowed"),
        ("lambda: 1", 0, "not allowed"),
        ("(x := 1)", 1, "not allowed"),
        ("f'{epoch}'", 0, "not allowed"),
        ("1 << 9", 0, "not allowed"),
        ("~epoch", 0, "not allowed"),
        ("1 in epoch", 0, "not allowed"),
        ("1 is epoch", 0, "not allowed"),
        ("await epoch", 0, "not allowed"),
        ("1; 2", 1, "not an expression"),
        ("x" * 501, 500, "at most 500"),
        ("1" + "+1" * 200, 0, "nested more than 100"),
        ("-" * 400 + "1", 100, "nested more than 100"),
        ("\x00", 0, "not an expression"),
    ],
)
def test_an_invalid_expression_is_refused_at_its_offset(text: str, position: int, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        Expression(text)
    assert message in caught.value.message
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / (epoch - 7)", "division by zero"),
        ("log(0 * epoch)", "has no value at epoch=7: a function is not defined for its argument"),
        ("10 ** 10 ** 10", "has no value at epoch=7: a number becomes too large"),
        ("exp(1000 * epoch)", "has no value at epoch=7: a number becomes too large"),
        ("0 ** (0 - epoch)", "has no value at epoch=7: division by zero"),
        ("(-1 * epoch) ** 0.5", "has no value at epoch=7: a fractional power of a negative number is not real"),
        ("max(0, (-1 * epoch) ** 0.5)", "has no value at epoch=7: a fractional power of a negative number"),
        ("floor((-1 * epoch) ** 0.5)", "has no value at epoch=7: a fractional power of a negative number"),
        ("sqrt(-1)", "has no value"),
        ("(-1) ** 0.5", "has no value"),
        ("exp(epoch * 1000)", "has no value"),
        ("9 ** 9 ** 9 ** 9", "has no value"),
        ("1e308 * epoch", "is inf at epoch=7"),
        ("1e308 * 10 - 1e308 * 10", "is nan at epoch=7"),
        ("floor(1e308 * 10)", "has no value"),
    ],
)
def test_a_value_that_is_not_finite_is_an_error(text: str, message: str) -> None:
    with pytest.raises(NotationError, match="epoch=7") as caught:
        Expression(text)(7)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9**9",
        "(" * 30 + "9**9" + ")**9" * 30,
        "9999999999999*" * 30 + "1",
        "floor(1e308)" + "*floor(1e308)" * 20,
    ],
)
def test_huge_numbers_take_no_time_and_no_memory(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(NotationError):
        Expression(text)(10**9)
    assert time.thread_time() - started < 2


def test_an_expression_is_copied_and_pickled_with_its_text() -> None:
    expression = Expression("0.9 ** epoch")
    assert copy.deepcopy(expression)(2) == pickle.loads(pickle.dumps(expression))(2) == 0.9**2
    assert pickle.loads(pickle.dumps(expression)).text == "0.9 ** epoch"


@pytest.mark.parametrize("name", ["LambdaLR", "MultiplicativeLR", "CyclicLR"])
def test_scheduler_state_with_an_expression_loads_with_weights_only(name: str) -> None:
    def build() -> torch.optim.lr_scheduler.LRScheduler:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        expression = Expression("0.9 ** epoch")
        if name == "CyclicLR":
            return torch.optim.lr_scheduler.CyclicLR(
                optimizer, 0.1, 1, step_size_up=3, scale_fn=expression, cycle_momentum=False
            )
        found: type[torch.optim.lr_scheduler.LambdaLR] = getattr(torch.optim.lr_scheduler, name)
        return found(optimizer, expression)

    scheduler = build()
    scheduler.optimizer.step()
    scheduler.step()
    file = io.BytesIO()
    torch.save(scheduler.state_dict(), file)
    file.seek(0)
    restored = build()
    restored.optimizer.step()
    restored.load_state_dict(torch.load(file, weights_only=True))
    restored.optimizer.param_groups[0]["lr"] = scheduler.get_last_lr()[0]
    scheduler.step()
    restored.step()
    assert restored.get_last_lr() == scheduler.get_last_lr()


def test_check_expression_returns_the_syntax_tree() -> None:
    assert check_expression("1 + epoch").lineno == 1
