"""The schedulers of `lrtui.schedulers`, compared at each step with formulas written independently."""

from __future__ import annotations

import io
import math
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from generated_code import lrs_of
from torch.optim.lr_scheduler import ChainedScheduler, ExponentialLR, LinearLR, SequentialLR

import lrtui.schedulers
from lrtui.analysis.checks import check_schedule
from lrtui.engine.run_code import code_of_spec
from lrtui.run.errors import NotationError
from lrtui.run.spec import RunSpec
from lrtui.schedulers import (
    REX,
    WSD,
    ConstantWithWarmup,
    CosineWithLinearTail,
    InverseSqrt,
    WarmupCosine,
    WarmupLinear,
    WarmupPolynomial,
)
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

NAMES = [name for name in lrtui.schedulers.__all__ if name != "Warmup"]
PEAKS = (0.1, 0.003, 0.0)
SETS = 50


def optimizer_of(peaks: tuple[float, ...] = PEAKS) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in peaks], lr=0.1)


def lrs(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def followed(optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> list[list[float]]:
    """Return the lrs of so many steps."""
    found = []
    for _ in range(steps):
        found.append(lrs(optimizer))
        optimizer.step()
        scheduler.step()
    return found


# --- the formulas, in float64 ----------------------------------------------------------------------------------------


def _share(step: int, first: int, last: int) -> np.float64:
    return np.float64(np.clip((step - first) / max(last - first, 1), 0.0, 1.0))


def _half_cosine(share: np.float64) -> np.float64:
    # cos^2(x / 2) = (1 + cos(x)) / 2
    return np.float64(np.cos(np.pi * share / 2) ** 2)


DECAYS: dict[str, Callable[[np.float64], Any]] = {
    "linear": lambda share: 1 - share,
    "cosine": _half_cosine,
    "1-sqrt": lambda share: 1 - np.sqrt(share),
    "exponential": lambda share: 2 ** (1 - share) - 1,
}


def _whole(length: float, total: int) -> int:
    return round(length * total) if 0 < length < 1 else int(length)


def reference(name: str, step: int, arguments: dict[str, Any]) -> list[float]:
    """Return the lr of each group after so many `step()` calls."""
    total = arguments.get("total_steps") or 0
    warmup = _whole(arguments.get("warmup", 0), total)
    floors = arguments.get("min_lr", 0.0)
    floors = floors if isinstance(floors, list) else [floors] * len(PEAKS)
    if name in ("InverseSqrt", "ConstantWithWarmup"):
        floors = [0.0] * len(PEAKS)
    if step < warmup:
        return [peak * step / warmup for peak in PEAKS]
    share = _share(step, warmup, total)
    factor: Any
    match name:
        case "WarmupCosine":
            factor = _half_cosine(share)
        case "WarmupLinear":
            factor = 1 - share
        case "WarmupPolynomial":
            factor = np.power(1 - share, arguments.get("power", 1.0))
        case "ConstantWithWarmup":
            factor = 1.0
        case "InverseSqrt":
            factor = 1.0 if step < max(1, warmup) else np.power(step / max(1, warmup), -0.5)
        case "REX":
            factor = 2 * (1 - share) / (2 - share)
        case "WSD":
            start = max(warmup, total - _whole(arguments["decay"], total))
            factor = 1.0 if step < start else DECAYS[arguments.get("shape", "linear")](_share(step, start, total))
        case "CosineWithLinearTail":
            start = max(warmup, total - _whole(arguments["tail"], total))
            low = arguments.get("tail_factor", 0.1)
            if step < start:
                factor = low + (1 - low) * _half_cosine(_share(step, warmup, start))
            else:
                factor = low * (1 - _share(step, start, total))
        case _:
            raise AssertionError(name)
    return [peak * float(factor) + floor * (1 - float(factor)) for peak, floor in zip(PEAKS, floors, strict=True)]


def random_arguments(name: str, draw: random.Random) -> dict[str, Any]:
    total = draw.choice((1, 2, 7, 40, 150, 400))

    def length() -> float:
        share = round(draw.uniform(0.001, 0.999), 3)
        return draw.choice((0, draw.randint(0, total), share, draw.randint(0, 2 * total)))

    found: dict[str, Any] = {"total_steps": total}
    for parameter in CATALOGUE[name].parameters:
        if parameter.kind == "steps":
            found[parameter.name] = length()
        elif parameter.name == "min_lr":
            found["min_lr"] = draw.choice((0.0, draw.uniform(0, 0.01), [draw.uniform(0, 0.01) for _ in PEAKS]))
        elif parameter.name == "power":
            found["power"] = draw.uniform(0.2, 4)
        elif parameter.name == "tail_factor":
            found["tail_factor"] = draw.choice((0.0, 1.0, draw.uniform(0, 1)))
        elif parameter.kind == "choice":
            found[parameter.name] = draw.choice(parameter.choices)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_lr_is_that_of_the_formula(name: str) -> None:
    draw = random.Random(name)
    for _ in range(SETS):
        arguments = random_arguments(name, draw)
        optimizer = optimizer_of()
        scheduler = getattr(lrtui.schedulers, name)(optimizer, **arguments)
        steps = arguments["total_steps"] + 20
        expected = [reference(name, step, arguments) for step in range(steps)]
        assert np.allclose(followed(optimizer, scheduler, steps), expected, rtol=1e-12, atol=1e-15), arguments


def transformers_function(name: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the function of transformers and its arguments."""
    warmup = {"num_warmup_steps": arguments["warmup"]}
    lengths = {**warmup, "num_training_steps": arguments["total_steps"]}
    match name:
        case "WarmupCosine":
            return "get_cosine_schedule_with_warmup", lengths
        case "WarmupLinear":
            return "get_linear_schedule_with_warmup", lengths
        case "WarmupPolynomial":
            curve = {"power": arguments["power"], "lr_end": arguments["min_lr"]}
            return "get_polynomial_decay_schedule_with_warmup", {**lengths, **curve}
        case "ConstantWithWarmup":
            return "get_constant_schedule_with_warmup", warmup
        case "InverseSqrt":
            return "get_inverse_sqrt_schedule", warmup
    decay = {"num_decay_steps": arguments["decay"], "decay_type": arguments["shape"]}
    return "get_wsd_schedule", {**lengths, **decay}


IN_TRANSFORMERS = [name for name in NAMES if name not in ("REX", "CosineWithLinearTail")]


@pytest.mark.parametrize("name", IN_TRANSFORMERS)
def test_every_lr_is_that_of_transformers(name: str) -> None:
    module = pytest.importorskip("transformers.optimization")
    draw = random.Random(name)
    # its polynomial scales the lowest lr with the lr of each group
    peaks = (0.1, 0.1) if name == "WarmupPolynomial" else (0.1, 0.003)
    for _ in range(SETS):
        total = draw.randint(3, 300)
        arguments: dict[str, Any] = {"warmup": draw.randint(1, total - 1), "total_steps": total}
        if name == "WarmupPolynomial":
            arguments |= {"power": draw.uniform(0.2, 4), "min_lr": draw.uniform(0, 0.01)}
        if name == "WSD":
            shape = draw.choice(("linear", "cosine", "1-sqrt"))
            arguments |= {"decay": draw.randint(1, total - arguments["warmup"]), "shape": shape}
        function, theirs = transformers_function(name, arguments)
        ours_on, theirs_on = optimizer_of(peaks), optimizer_of(peaks)
        ours = getattr(lrtui.schedulers, name)(ours_on, **arguments)
        other = getattr(module, function)(theirs_on, **theirs)
        expected = followed(theirs_on, other, total + 1)
        assert np.allclose(followed(ours_on, ours, total + 1), expected, rtol=1e-12, atol=1e-15), arguments


def test_a_cosine_with_a_floor_is_that_of_transformers() -> None:
    module = pytest.importorskip("transformers.optimization")
    ours_on, theirs_on = optimizer_of((0.1,)), optimizer_of((0.1,))
    ours = WarmupCosine(ours_on, 13, min_lr=0.01, total_steps=77)
    theirs = module.get_cosine_with_min_lr_schedule_with_warmup(theirs_on, 13, 77, min_lr=0.01)
    assert np.allclose(followed(ours_on, ours, 78), followed(theirs_on, theirs, 78), rtol=1e-12)


# --- as PyTorch schedulers -------------------------------------------------------------------------------------------

EXAMPLES: dict[str, dict[str, Any]] = {
    "WarmupCosine": {"warmup": 5, "min_lr": 0.001},
    "WarmupLinear": {"warmup": 0.1},
    "WarmupPolynomial": {"warmup": 5, "power": 2.0},
    "WSD": {"warmup": 5, "decay": 0.25, "shape": "1-sqrt", "min_lr": [0.001, 0.0, 0.0]},
    "CosineWithLinearTail": {"warmup": 3, "tail": 8},
    "REX": {"warmup": 2},
    "InverseSqrt": {"warmup": 6},
    "ConstantWithWarmup": {"warmup": 9},
}


def build(name: str, optimizer: torch.optim.Optimizer, **more: Any) -> Any:
    return getattr(lrtui.schedulers, name)(optimizer, **{**EXAMPLES[name], "total_steps": 40, **more})


def whole_run(name: str) -> list[list[float]]:
    optimizer = optimizer_of()
    return followed(optimizer, build(name, optimizer), 45)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [3, 22, 41])
def test_a_run_resumes_in_the_middle(name: str, at: int) -> None:
    optimizer = optimizer_of()
    scheduler = build(name, optimizer)
    before = followed(optimizer, scheduler, at)
    saved = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], saved)
    saved.seek(0)
    states = torch.load(saved, weights_only=True)
    other = optimizer_of()
    resumed = build(name, other)
    other.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    assert before + followed(other, resumed, 45 - at) == whole_run(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_scheduler_can_be_constructed_with_the_last_epoch(name: str) -> None:
    optimizer = optimizer_of()
    followed(optimizer, build(name, optimizer), 20)
    other = build(name, optimizer, last_epoch=19)
    assert followed(optimizer, other, 25) == whole_run(name)[20:]


@pytest.mark.parametrize("name", NAMES)
def test_step_with_a_number_of_steps_uses_the_closed_form(name: str) -> None:
    optimizer = optimizer_of()
    scheduler = build(name, optimizer)
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler.step(31)
    assert lrs(optimizer) == scheduler.get_last_lr() == whole_run(name)[31]


@pytest.mark.parametrize("name", NAMES)
def test_a_group_that_is_added_later_has_its_own_peak(name: str) -> None:
    optimizer = optimizer_of()
    scheduler = build(name, optimizer)
    followed(optimizer, scheduler, 10)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.7})
    found = followed(optimizer, scheduler, 20)
    assert [row[:3] for row in found] == whole_run(name)[10:30]
    # it is scheduled from the next step() on
    assert found[0][3] == 0.7
    floor = EXAMPLES[name].get("min_lr", 0.0)
    more = {"min_lr": 0.0} if isinstance(floor, list) else {}
    alone = optimizer_of((0.7,))
    assert [row[3:] for row in found[1:]] == followed(alone, build(name, alone, **more), 40)[11:30]


@pytest.mark.parametrize("name", NAMES)
def test_lrs_that_are_tensors_stay_the_same_tensors(name: str) -> None:
    peaks = [torch.tensor(lr, dtype=torch.float64) for lr in PEAKS]
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in peaks]
    optimizer = torch.optim.Adam(parameters, lr=torch.tensor(0.1))
    scheduler = build(name, optimizer)
    found = followed(optimizer, scheduler, 45)
    assert np.allclose(found, whole_run(name), rtol=1e-12, atol=1e-15)
    assert all(group["lr"] is peak for group, peak in zip(optimizer.param_groups, peaks, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_at_its_milestone_in_a_sequence(name: str) -> None:
    optimizer = optimizer_of()
    first = LinearLR(optimizer, 0.5, total_iters=4)
    scheduler = SequentialLR(optimizer, [first, build(name, optimizer)], milestones=[4])
    assert followed(optimizer, scheduler, 44)[4:] == whole_run(name)[:40]


@pytest.mark.parametrize("name", NAMES)
def test_later_schedulers_of_a_chain_multiply_its_lr(name: str) -> None:
    optimizer = optimizer_of()
    scheduler = ChainedScheduler([build(name, optimizer), ExponentialLR(optimizer, 0.5)])
    # it computes each lr from the initial one, so that the factor of one step remains
    expected = [[lr * (0.5 if step else 1) for lr in row] for step, row in enumerate(whole_run(name))]
    assert np.allclose(followed(optimizer, scheduler, 40), expected[:40], rtol=1e-12)


LENGTH = "takes a whole number of steps of at least 0, or a share of the run below 1, not"


@pytest.mark.parametrize(
    ("construct", "message"),
    [
        (lambda o: WarmupCosine(o, 5), "WarmupCosine needs total_steps, the number of step() calls of the whole run"),
        (lambda o: ConstantWithWarmup(o, 0.5), "warmup=0.5 is a share of the run and needs total_steps"),
        (lambda o: WSD(o, 5, 0.1), "decay=0.1 is a share of the run and needs total_steps"),
        (lambda o: InverseSqrt(o, -1), f"warmup {LENGTH} -1"),
        (lambda o: WarmupLinear(o, 2.5, total_steps=9), f"warmup {LENGTH} 2.5"),
        (lambda o: WarmupLinear(o, 1.0, total_steps=9), f"warmup {LENGTH} 1.0"),
        (lambda o: REX(o, math.nan, total_steps=9), f"warmup {LENGTH} nan"),
        (lambda o: REX(o, math.inf, total_steps=9), f"warmup {LENGTH} inf"),
        (lambda o: REX(o, "5", total_steps=9), f"warmup {LENGTH} '5'"),
        (lambda o: REX(o, True, total_steps=9), f"warmup {LENGTH} True"),
        (lambda o: REX(o, total_steps=0), "total_steps takes a whole number of at least 1, not 0"),
        (lambda o: REX(o, total_steps=9.5), "total_steps takes a whole number of at least 1, not 9.5"),
        (lambda o: REX(o, min_lr=-0.1, total_steps=9), "min_lr takes a number of at least 0, not -0.1"),
        (lambda o: REX(o, min_lr=[0.1], total_steps=9), "min_lr has 1 values for 3 parameter groups"),
        (lambda o: REX(o, min_lr="low", total_steps=9), "min_lr takes a number of at least 0, not 'low'"),
        (
            lambda o: WSD(o, 1, 2, "square", total_steps=9),
            "shape takes 'linear' or 'cosine' or '1-sqrt' or 'exponential', not 'square'",
        ),
        (lambda o: WarmupPolynomial(o, 1, power=0, total_steps=9), "power takes a number above 0, not 0"),
        (
            lambda o: CosineWithLinearTail(o, 1, 2, 1.5, total_steps=9),
            "tail_factor takes a number from 0 to 1, not 1.5",
        ),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(construct: Callable[[Any], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        construct(optimizer_of())


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_module_imports_no_torch_and_no_cockpit() -> None:
    assert not {"torch", "numpy", "textual", "lrtui.schedules.catalogue"} & modules_after("import lrtui.schedulers")
    modules = modules_after("from lrtui.schedulers import WSD")
    assert "torch" in modules
    assert not {"textual", "click", "lrtui.schedules.catalogue", "lrtui.engine", "lrtui.tui"} & modules


def test_the_catalogue_has_each_of_them_and_each_has_its_formula_and_source() -> None:
    assert sorted([*NAMES, "Warmup"]) == sorted(
        name for name, entry in CATALOGUE.items() if entry.module == "lrtui.schedulers"
    )
    for name in NAMES:
        text = getattr(lrtui.schedulers, name).__doc__
        assert "curve = " in text
        assert "arXiv" in text or "transformers" in text
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = lrtui.schedulers.Nothing


# --- in lrtui --------------------------------------------------------------------------------------------------------


def test_lengths_are_filled_in_from_the_run_and_shares_become_steps() -> None:
    horizon = Horizon(10, 50)
    schedule, filled = fill_in(parse_schedule("WSD(0.05, 0.2)"), horizon)
    assert str(schedule) == "WSD(warmup=25, decay=100, total_steps=500)"
    assert filled == {"total_steps": 500, "warmup": 25, "decay": 100}
    given, _ = fill_in(parse_schedule("WSD(0.1, 20, total_steps=100)"), horizon)
    assert str(given) == "WSD(warmup=10, decay=20, total_steps=100)"
    nested = parse_schedule('SequentialLR([ConstantWithWarmup(0.5), REX(0.1)], milestones=[100], per="batch")')
    assert [str(child) for child in fill_in(nested, horizon)[0].children] == [
        "ConstantWithWarmup(warmup=50, total_steps=100)",
        "REX(warmup=40, total_steps=400)",
    ]


STEPS = r"takes a number of steps \(below 1: a share of the run\)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("WSD(0.1)", "WSD needs decay: steps of the decay at the end"),
        ("WSD(2.5, 1)", f"warmup {STEPS}, not 2.5"),
        ("WSD(1.0, 1)", f"warmup {STEPS}, not 1.0"),
        ("WSD(1, -3)", f"decay {STEPS} of at least 0, not -3"),
        ('WSD(1, 3, "sqrt")', "shape takes 'linear' or 'cosine' or '1-sqrt' or 'exponential', not 'sqrt'"),
        ("WarmupPolynomial(1, power=0)", "power takes a number above 0, not 0"),
        ("WarmupCosin(1)", "unknown schedule WarmupCosin; did you mean WarmupCosine"),
    ],
)
def test_wrong_notation_is_refused(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse_schedule(text)


@pytest.mark.parametrize("name", NAMES)
def test_exported_code_has_the_same_lrs_without_lrtui(name: str) -> None:
    draw = random.Random(name)
    optimizer = 'SGD(lr=0.1, groups={"fc1*": {"lr": 0.003}})'
    for _ in range(10):
        arguments = random_arguments(name, draw) | {"total_steps": 12}
        if isinstance(arguments.get("min_lr"), list):
            arguments["min_lr"] = arguments["min_lr"][:2]
        inside = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        for text in (
            f"{name}({inside})",
            f'SequentialLR([{name}({inside}), {name}({inside})], milestones=[5], per="batch")',
            f'ChainedScheduler([{name}({inside}), StepLR(2)], per="batch")',
        ):
            code = code_of_spec(RunSpec(schedule=text, optimizer=optimizer, epochs=4), 3)
            assert "import lrtui" not in code
            assert "from lrtui" not in code
            assert lrs_of(code) == simulate(parse_schedule(text), parse_optimizer(optimizer), Horizon(4, 3)).tolist()


def test_exported_code_is_a_short_function_of_the_step() -> None:
    code = code_of_spec(RunSpec(schedule='WSD(4, 6, shape="cosine")', optimizer="SGD(lr=0.1)", epochs=4), 10)
    assert (
        "def wsd_factor(step):\n"
        '    """The factor of the lr: WSD(warmup=4, decay=6, shape="cosine", total_steps=40)."""\n'
        "    if step < 4:\n"
        "        return step / 4\n"
        "    if step < 34:\n"
        "        return 1\n"
        "    return 0.5 * (1 + math.cos(math.pi * min(1, (step - 34) / 6)))\n"
    ) in code
    assert "scheduler = LambdaLR(optimizer, lr_lambda=wsd_factor)\n" in code


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        *((CATALOGUE[name].example, []) for name in NAMES),
        ("WSD(100000, 10)", ["endless-warm-up"]),
        ("WSD(1, 2)", ["epochs-for-batches"]),
        ('WarmupCosine(1, per="epoch")', ["dead-start"]),
        ('WSD(900, 2000, per="epoch")', ["endless-warm-up"]),
        ("WarmupLinear(100, total_steps=938)", ["dead-tail"]),
        ("WarmupLinear(100, total_steps=93800)", ["cut-short"]),
        ("ConstantWithWarmup(8000)", ["slow-warm-up"]),
        ("WarmupCosine(0.1, min_lr=0.02)", ["upside-down"]),
        ("WarmupCosine(0.1, min_lr=[0.02])", ["upside-down"]),
        ('ChainedScheduler([StepLR(900), REX()], per="batch")', ["chain-overwritten"]),
    ],
)
def test_check_finds_their_traps_and_a_fix_for_each(text: str, codes: list[str]) -> None:
    found = check_schedule(parse_schedule(text), parse_optimizer("SGD(lr=0.01)"), Horizon(10, 938))
    assert [each.code for each in found] == codes
    assert all("better: " in str(each) for each in found)
