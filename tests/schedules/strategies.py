"""Random schedules and optimizers, as notation: valid ones, of every kind."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS


def number(low: float, high: float) -> st.SearchStrategy[str]:
    # plausible numbers: 1e-308 times anything would test floats, not schedules
    return st.floats(low, high, allow_nan=False).map(lambda value: repr(round(value, 6)))


def count(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(str)


def call(name: str, **arguments: st.SearchStrategy[str | None]) -> st.SearchStrategy[str]:
    """Return notations of this scheduler; an argument whose strategy gives None is left out."""

    def compose(values: dict[str, str | None]) -> str:
        return f"{name}({', '.join(f'{key}={value}' for key, value in values.items() if value is not None)})"

    return st.fixed_dictionaries(arguments).map(compose)


def maybe(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | strategy


GAMMA = number(0.05, 1.1)
EXPRESSION = st.sampled_from(
    ['"0.95 ** epoch"', '"1 / (1 + 0.1 * epoch)"', '"1 if epoch < 5 else 0.1"', '"max(0.1, 1 - epoch / 30)"',
     '"0.5 * (1 + cos(pi * epoch / 40))"', '"1"']
)  # fmt: skip
MILESTONES = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda items: str(sorted(items)))
BOOL = st.sampled_from(["True", "False"])
STRATEGY = st.sampled_from(['"cos"', '"linear"'])

SINGLE: dict[str, st.SearchStrategy[str]] = {
    "ExponentialLR": call("ExponentialLR", gamma=GAMMA),
    "StepLR": call("StepLR", step_size=count(1, 12), gamma=maybe(GAMMA)),
    "MultiStepLR": call("MultiStepLR", milestones=MILESTONES, gamma=maybe(GAMMA)),
    "PolynomialLR": call("PolynomialLR", total_iters=maybe(count(1, 40)), power=maybe(number(0.3, 3))),
    "CosineAnnealingLR": call("CosineAnnealingLR", T_max=maybe(count(1, 40)), eta_min=maybe(number(0, 0.005))),
    "CosineAnnealingWarmRestarts": call(
        "CosineAnnealingWarmRestarts", T_0=count(1, 12), T_mult=maybe(count(1, 3)), eta_min=maybe(number(0, 0.005))
    ),
    "SWALR": call(
        "SWALR", swa_lr=number(0.0001, 0.1), anneal_epochs=maybe(count(0, 20)), anneal_strategy=maybe(STRATEGY)
    ),
    "LinearLR": call(
        "LinearLR", start_factor=maybe(number(0.01, 1)), end_factor=maybe(number(0, 1)), total_iters=maybe(count(1, 30))
    ),
    "ConstantLR": call("ConstantLR", factor=maybe(number(0.001, 1)), total_iters=maybe(count(1, 30))),
    "LambdaLR": call("LambdaLR", lr_lambda=EXPRESSION),
    "MultiplicativeLR": call(
        "MultiplicativeLR", lr_lambda=st.sampled_from(['"0.95"', '"0.5 if epoch % 4 == 0 else 1"', '"1.01"'])
    ),
}
"""Schedulers that can be inside others, and step per epoch by default."""

CYCLES: dict[str, st.SearchStrategy[str]] = {
    "OneCycleLR": call(
        "OneCycleLR",
        max_lr=number(0.001, 0.5),
        # every phase needs a length: PyTorch divides by zero otherwise
        pct_start=maybe(st.sampled_from(["0.13", "0.3", "0.45"])),
        anneal_strategy=maybe(STRATEGY),
        cycle_momentum=maybe(BOOL),
        div_factor=maybe(number(2, 50)),
        three_phase=maybe(BOOL),
    ),
    "CyclicLR": call(
        "CyclicLR",
        base_lr=number(0.0001, 0.001),
        max_lr=number(0.002, 0.1),
        step_size_up=count(1, 30),
        step_size_down=maybe(count(1, 30)),
        mode=maybe(st.sampled_from(['"triangular"', '"triangular2"', '"exp_range"'])),
        gamma=maybe(number(0.9, 1)),
        cycle_momentum=maybe(BOOL),
    ),
}

LENGTH = st.integers(0, 20).map(str) | st.sampled_from(["0.05", "0.1", "0.25", "0.5"])
FLOOR = maybe(number(0, 0.005))

WARMUPS: dict[str, st.SearchStrategy[str]] = {
    "WarmupCosine": call("WarmupCosine", warmup=LENGTH, min_lr=FLOOR),
    "WarmupLinear": call("WarmupLinear", warmup=LENGTH, min_lr=FLOOR, total_steps=maybe(count(1, 50))),
    "WarmupPolynomial": call("WarmupPolynomial", warmup=LENGTH, power=maybe(number(0.3, 3)), min_lr=FLOOR),
    "WSD": call(
        "WSD",
        warmup=LENGTH,
        decay=LENGTH,
        shape=maybe(st.sampled_from(['"linear"', '"cosine"', '"1-sqrt"', '"exponential"'])),
        min_lr=FLOOR,
    ),
    "CosineWithLinearTail": call(
        "CosineWithLinearTail", warmup=LENGTH, tail=LENGTH, tail_factor=maybe(number(0, 1)), min_lr=FLOOR
    ),
    "REX": call("REX", warmup=maybe(LENGTH), min_lr=FLOOR),
    "InverseSqrt": call("InverseSqrt", warmup=LENGTH),
    "ConstantWithWarmup": call("ConstantWithWarmup", warmup=LENGTH),
}

PLATEAU = call(
    "ReduceLROnPlateau",
    mode=maybe(st.sampled_from(['"min"', '"max"'])),
    factor=maybe(number(0.05, 0.95)),
    patience=maybe(count(0, 3)),
    cooldown=maybe(count(0, 2)),
    min_lr=maybe(number(0, 0.001)),
)


@st.composite
def sequential(draw: st.DrawFn, of: dict[str, st.SearchStrategy[str]] = SINGLE) -> str:
    children = draw(st.lists(st.one_of(*of.values()), min_size=2, max_size=3))
    edges = sorted(draw(st.sets(st.integers(1, 25), min_size=len(children) - 1, max_size=len(children) - 1)))
    return f"SequentialLR([{', '.join(children)}], milestones={edges})"


@st.composite
def chained(draw: st.DrawFn, of: dict[str, st.SearchStrategy[str]] = SINGLE) -> str:
    return f"ChainedScheduler([{', '.join(draw(st.lists(st.one_of(*of.values()), min_size=1, max_size=3)))}])"


@st.composite
def _with_per(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    text = draw(inner)
    per = draw(st.sampled_from([None, '"batch"', '"epoch"']))
    if per is None:
        return text
    return f"{text[:-1]}{'' if text.endswith('()') else ', '}per={per})"


def _inside_warmup() -> st.SearchStrategy[str]:
    # weights are averaged in the unit of the Warmup alone
    single = {name: strategy for name, strategy in SINGLE.items() if name != "SWALR"}
    alone = st.one_of(*single.values(), *CYCLES.values(), *WARMUPS.values())
    return _with_per(alone | sequential(single) | chained(single)) | PLATEAU


@st.composite
def warmup(draw: st.DrawFn) -> str:
    factor = draw(st.sampled_from(["", ", start_factor=0.1", ", start_factor=1"]))
    inside = draw(_inside_warmup())
    # per= of the Warmup is for the schedule inside as well
    per = "" if "per=" in inside else draw(st.sampled_from(["", ', per="batch"', ', per="epoch"']))
    return f"Warmup({draw(LENGTH)}, {inside}{factor}{per})"


BY_NAME: dict[str, st.SearchStrategy[str]] = {
    # those without a strategy of their own: their example
    **{
        name: st.just(entry.example) if entry.follows_metric else _with_per(st.just(entry.example))
        for name, entry in CATALOGUE.items()
    },
    **{name: _with_per(strategy) for name, strategy in {**SINGLE, **CYCLES, **WARMUPS}.items()},
    "ReduceLROnPlateau": PLATEAU,
    "SequentialLR": _with_per(sequential()),
    "ChainedScheduler": _with_per(chained()),
    "Warmup": warmup(),
}
"""Notations of each scheduler, by name."""


def schedules(name: str | None = None) -> st.SearchStrategy[str]:
    """Return valid notations of one scheduler, or of all."""
    return BY_NAME[name] if name is not None else st.one_of(*BY_NAME.values())


def optimizers(patterns: Sequence[str] = ()) -> st.SearchStrategy[str]:
    """Return valid notations of optimizers.

    Args:
        patterns: patterns of parameter names; some optimizers then have groups by them, and all can cycle a momentum.
    """
    if not patterns:
        return st.builds(lambda name, lr: f"{name}(lr={lr})", st.sampled_from(sorted(OPTIMIZERS)), number(1e-5, 1.0))
    kinds = st.sampled_from(["SGD(lr={}, momentum=0.9", "Adam(lr={}", "AdamW(lr={}", "RMSprop(lr={}, momentum=0.5"])
    groups = st.lists(st.sampled_from(sorted(patterns)), unique=True, max_size=len(patterns)).map(
        lambda names: ", ".join(f'"{name}": {{"lr": {0.01 / (index + 1)}}}' for index, name in enumerate(names))
    )
    return st.builds(
        lambda kind, lr, inner: kind.format(lr) + (f", groups={{{inner}}})" if inner else ")"),
        kinds,
        number(1e-5, 1.0),
        groups,
    )
