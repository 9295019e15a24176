from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import optimizers, schedules

from lrtui.run.errors import NotationError
from lrtui.schedules.notation import parse_optimizer, parse_schedule


@settings(max_examples=300, deadline=None)
@given(schedules())
def test_a_schedule_parses_back_from_its_notation(text: str) -> None:
    schedule = parse_schedule(text)
    assert parse_schedule(str(schedule)) == schedule
    assert str(parse_schedule(str(schedule))) == str(schedule)


@settings(max_examples=100, deadline=None)
@given(optimizers())
def test_an_optimizer_parses_back_from_its_notation(text: str) -> None:
    spec = parse_optimizer(text)
    assert parse_optimizer(str(spec)) == spec


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("StepLR(3, 0.5)", "StepLR(step_size=3, gamma=0.5)"),
        ("StepLR(optimizer, 3)", "StepLR(step_size=3)"),
        ("  StepLR(step_size=3)  ;", "StepLR(step_size=3)"),
        ("scheduler = StepLR(optimizer, step_size=30, gamma=0.1)", "StepLR(step_size=30, gamma=0.1)"),
        ("torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=3)", "StepLR(step_size=3)"),
        ("optim.lr_scheduler.ExponentialLR(optimizer=opt, gamma=0.9, last_epoch=-1)", "ExponentialLR(gamma=0.9)"),
        ("lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda e: 0.95 ** e)", 'LambdaLR("0.95 ** epoch")'),
        ("LambdaLR(optimizer, lambda epoch: math.cos(math.pi * epoch / 10))", 'LambdaLR("cos(pi * epoch / 10)")'),
        ("LambdaLR([lambda e: 1, lambda e: 0.5 ** e])", 'LambdaLR(["1", "0.5 ** epoch"])'),
        ("torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)", "SWALR(swa_lr=0.05)"),
        ("MultiStepLR(milestones=(3, 6))", "MultiStepLR([3, 6])"),
        ("ConstantLR(factor=1/3)", "ConstantLR(factor=0.3333333333333333)"),
        ("CosineAnnealingLR(T_max=20.0)", "CosineAnnealingLR(T_max=20)"),
        ("OneCycleLR(max_lr=1e-3, total_steps=None)", "OneCycleLR(max_lr=0.001)"),
        ("ChainedScheduler([StepLR(optimizer, 3)], optimizer=optimizer)", "ChainedScheduler([StepLR(step_size=3)])"),
        ('StepLR(3, per="batch")', 'StepLR(step_size=3, per="batch")'),
        ("StepLR(\n    step_size=3,\n    gamma=0.5,\n)", "StepLR(step_size=3, gamma=0.5)"),
    ],
)
def test_code_pasted_from_a_script_is_parsed(pasted: str, meant: str) -> None:
    assert str(parse_schedule(pasted)) == meant


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("StepLr(3)", "StepLr", "did you mean StepLR"),
        ("Exponential(0.9)", "Exponential", "did you mean ExponentialLR"),
        ("StepLR(stepsize=3)", "stepsize", "did you mean step_size"),
        ("StepLR()", "StepLR", "needs step_size"),
        ("StepLR(0)", "0", "at least 1"),
        ("StepLR(-3)", "-3", "at least 1"),
        ("StepLR(2.5)", "2.5", "whole number"),
        ("StepLR(True)", "True", "whole number"),
        ('StepLR("3")', '"3"', "whole number"),
        ("StepLR(3, gamma=1e999)", "1e999", "finite"),
        ("StepLR(3, 0.1, 7, 9)", "7", "at most"),
        ("StepLR(3, step_size=3)", "step_size", "twice"),
        ("StepLR(*[3])", "*[3]", "write out the arguments"),
        ("StepLR(3, verbose=True)", "verbose", "removed"),
        ("StepLR(3, last_epoch=5)", "last_epoch", "counts the steps itself"),
        ("StepLR(9**9**9)", "9**9**9", "step_size"),
        ("MultiStepLR([])", "[]", "empty"),
        ("MultiStepLR([3, x])", "x", "milestones"),
        ("OneCycleLR(max_lr=0)", "0", "above 0"),
        ('OneCycleLR(0.1, anneal_strategy="cubic")', '"cubic"', "'cos' or 'linear'"),
        ("OneCycleLR(0.1, epochs=3)", "OneCycleLR", "give both epochs and steps_per_epoch"),
        ('LambdaLR("0.9 ** epok")', "epok", "unknown name"),
        ('LambdaLR("open(1)")', "open", "unknown function"),
        ("LambdaLR(lr_lambda=f)", "f)", "expression"),
        ("LambdaLR(lambda a, b: 1)", "lambda", "one argument"),
        ("SequentialLR([StepLR(3), StepLR(3)], [2, 4])", "SequentialLR", "1 milestone "),
        ("SequentialLR([StepLR(1), StepLR(1), StepLR(1)], [4, 2])", "SequentialLR", "increasing order"),
        ("SequentialLR([StepLR(3), OneCycleLR(0.1)], [2])", "OneCycleLR", 'per="batch"'),
        (
            "SequentialLR([ChainedScheduler([StepLR(1)]), StepLR(3)], [2])",
            "ChainedScheduler",
            "inside a ChainedScheduler",
        ),
        ('SequentialLR([StepLR(3, per="batch"), StepLR(3)], [2])', 'per="batch"', "outermost"),
        ("ChainedScheduler([ReduceLROnPlateau()])", "ReduceLROnPlateau", "needs a metric"),
        ('ReduceLROnPlateau(per="batch")', "ReduceLROnPlateau", "per epoch only"),
        ('StepLR(3, per="minute")', '"minute"', "batch"),
        ("StepLR", "StepLR", "a schedule is a call"),
        ("3", "3", "a schedule is a call"),
        ("StepLR(3", "(3", "never closed"),
        ("StepLR(3))", ")", "not a Python call"),
        ("__import__('os').system('x')", "__import__('os').system", "unknown schedule"),
        ("StepLR(__import__('os'))", "__import__('os')", "step_size"),
        ("x = y = 3", "=", "not a Python call"),
    ],
)
def test_an_error_has_its_offset_and_a_suggestion(text: str, at: str, message: str) -> None:
    with pytest.raises(NotationError) as refused:
        parse_schedule(text)
    error = refused.value
    assert message in str(error)
    assert error.position is not None
    assert text[error.position :].startswith(at) or error.position == text.rindex(at)
    assert "^" in error.explain()


def test_empty_text_is_refused_with_an_example() -> None:
    with pytest.raises(NotationError, match=r"is empty; write for example ExponentialLR"):
        parse_schedule("  ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Adam", "write Adam(lr=0.01)"),
        ("Adamm(lr=0.1)", "did you mean Adam"),
        ("lion_pytorch.Lion(lr=1)", "write lion_pytorch:Lion"),
        ('AdamW([{"params": decay}], lr=0.1)', "groups="),
        ("AdamW(optimizer_groups, lr=0.1)", "groups="),
        ("AdamW(params=param_groups(model), lr=0.1)", "groups="),
        ('Adam(groups={(): {"lr": 1}})', "needs a pattern"),
        ("Adam(default_group=False)", "groups have every parameter"),
        ("Adam(lr=-1)", "at least 0"),
        ("Adam(learning_rate=0.1)", "no argument learning_rate"),
        ("Adam(betas=(0.9,))", "2 numbers"),
        ('Adam(groups={"fc*": {}})', "sets nothing"),
        ('Adam(groups={"fc*": {"lrr": 1}})', "did you mean lr"),
        ("Adam(groups={3: {}})", "pattern must be a string"),
        ("Adam(groups=[])", "patterns"),
    ],
)
def test_an_error_in_an_optimizer_is_refused(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message.replace("(", r"\(").replace(")", r"\)")):
        parse_optimizer(text)


def test_parameter_groups_keep_their_order_and_lrs() -> None:
    spec = parse_optimizer('SGD(lr=0.1, momentum=0.9, groups={"fc*": {"lr": 0.01}, "*.bias": {"momentum": 0}})')
    assert spec.group_names == ("default", "fc*", "*.bias")
    assert spec.lrs == (0.1, 0.01, 0.1)
    assert parse_optimizer(str(spec)) == spec


def test_an_optimizer_pasted_from_a_script_is_parsed() -> None:
    assert str(parse_optimizer("optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)")) == "Adam(lr=0.01)"


def test_a_user_class_is_named_by_its_module_or_file() -> None:
    schedule = parse_schedule("my_package.schedules:Warm(optimizer, 3, peak=0.1, steps=[1, 2])")
    assert (schedule.user_path, schedule.name, schedule.positional) == ("my_package.schedules", "Warm", (3,))
    inner = parse_schedule("SequentialLR([LinearLR(), examples/my.py:Warm(3)], [2])").children[1]
    assert (inner.user_path, inner.name) == ("examples/my.py", "Warm")
    assert str(parse_schedule("a.py:B(x='1')")) == 'a.py:B(x="1")'


def test_nested_schedules_step_in_the_unit_of_the_outermost_one() -> None:
    assert parse_schedule("OneCycleLR(0.1)").per == "batch"
    assert parse_schedule("StepLR(3)").per == "epoch"
    nested = parse_schedule('SequentialLR([LinearLR(), OneCycleLR(0.1)], [2], per="batch")')
    assert nested.per == "batch"
    assert {child.per for child in nested.children} == {"batch"}


def test_the_default_metric_of_a_plateau_depends_on_its_mode() -> None:
    assert parse_schedule("ReduceLROnPlateau()").metric == "loss"
    assert parse_schedule('ReduceLROnPlateau(mode="max")').metric == "accuracy"
    assert parse_schedule('ReduceLROnPlateau(metric="f1")').metric == "f1"


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "[" * 30 + "]" * 30, "-" * 9000 + "1", "StepLR(" * 500 + ")" * 500, "x" * 200_000,
     "StepLR(" + "9" * 9000 + ")", "ChainedScheduler([" * 30 + "StepLR(3)" + "])" * 30, "\x00StepLR(3)",
     "StepLR(3)\x00", "é" * 100, "StepLR(3 if 1 else 2)",
     "1+" * 4000 + "1", "StepLR(step_size=" + "1+" * 4000 + "1)", "lambda: 0", "{}", "StepLR(3)\nStepLR(4)", "\ud800"],
)  # fmt: skip
def test_absurd_text_is_refused_quickly(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(NotationError):
        parse_schedule(text)
    # generous: the test looks for minutes, or a crash of the parser
    assert time.thread_time() - started < 5


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="StepLR()[]=,.0123456789\"'per batch:{}*", max_size=60))
def test_any_text_is_a_schedule_or_is_refused(text: str) -> None:
    try:
        parse_schedule(text)
    except NotationError as error:
        assert str(error)
        error.explain()
