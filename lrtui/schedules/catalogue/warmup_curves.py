"""lrtui's own schedulers: a warmup to the optimizer's lr, then a curve. Their classes are in `lrtui.schedulers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lrtui.schedules.catalogue.entry import Arguments, Family, SchedulerEntry, always, never
from lrtui.schedules.parameter import Parameter, count, steps_or_share

WARMUP = steps_or_share("warmup", "steps in which the lr rises from 0 to the optimizer's")

MIN_LR = Parameter(
    name="min_lr",
    kind="floats",
    help="the lr at the end; a list has one per group",
    default=0.0,
    minimum=0,
    lr="floor",
)

TOTAL_STEPS = count(
    "total_steps", "step() calls of the whole run; default: the remaining ones", "length", default=None, optional=True
)

COSINE = "0.5 * (1 + cos(pi * {}))"

SHAPES = {"linear": "1 - {}", "cosine": COSINE, "1-sqrt": "1 - sqrt({})", "exponential": "2 * 0.5 ** {} - 1"}
"""The shapes of WSD's decay, each with its factor as an expression of its progress."""


def _progress(arguments: Arguments, start: int) -> str:
    """Return the progress from a step to the end as an expression of `epoch`."""
    since = f"(epoch - {start})" if start else "epoch"
    return f"min(1, {since} / {max(1, arguments['total_steps'] - start)})"


def _decay_start(arguments: Arguments, length: str) -> int:
    return int(max(arguments["warmup"], arguments["total_steps"] - arguments[length]))


def _cosine(arguments: Arguments) -> str:
    return COSINE.format(_progress(arguments, arguments["warmup"]))


def _linear(arguments: Arguments) -> str:
    return f"1 - {_progress(arguments, arguments['warmup'])}"


def _polynomial(arguments: Arguments) -> str:
    return f"({_linear(arguments)}) ** {arguments['power']!r}"


def _constant(arguments: Arguments) -> str:
    return "1"


def _inverse_sqrt(arguments: Arguments) -> str:
    scale = max(1, arguments["warmup"])
    return f"sqrt({scale} / max({scale}, epoch))"


def _rex(arguments: Arguments) -> str:
    left = f"(1 - {_progress(arguments, arguments['warmup'])})"
    return f"{left} / (0.5 + 0.5 * {left})"


def _wsd(arguments: Arguments) -> str:
    start = _decay_start(arguments, "decay")
    decay = SHAPES[arguments["shape"]].format(_progress(arguments, start))
    return decay if start == arguments["warmup"] else f"1 if epoch < {start} else {decay}"


def _linear_tail(arguments: Arguments) -> str:
    warmup, start, factor = arguments["warmup"], _decay_start(arguments, "tail"), arguments["tail_factor"]
    tail = f"{factor!r} * (1 - {_progress(arguments, start)})"
    if start == warmup:
        return tail
    since = f"(epoch - {warmup})" if warmup else "epoch"
    cosine = COSINE.format(f"({since} / {start - warmup})")
    return f"{factor!r} + (1 - {factor!r}) * ({cosine}) if epoch < {start} else {tail}"


def _factor(curve: Callable[[Arguments], str]) -> Callable[[Arguments, int], str | None]:
    def factor(arguments: Arguments, calls: int) -> str | None:
        # with a floor the lr is no multiple of the optimizer's
        if any(_as_tuple(arguments.get("min_lr", 0.0))) or arguments["total_steps"] is None:
            return None
        warmup, text = arguments["warmup"], curve(arguments)
        return f"(epoch / {warmup} if epoch < {warmup} else {text})" if warmup else f"({text})"

    return factor


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _fit(*lengths: str) -> Callable[[Arguments, int], Arguments]:
    """Return a function that shortens the warmup and the lengths at the end to a tenth and a fifth of the run."""

    def fit(arguments: Arguments, calls: int) -> Arguments:
        given = {"warmup": calls // 10, **dict.fromkeys(lengths, calls // 5)}
        changes = {name: length for name, length in given.items() if arguments[name] > calls // 3}
        return {**changes, "total_steps": None}

    return fit


def _entry(
    name: str,
    summary: str,
    curve: Callable[[Arguments], str],
    documentation: str,
    *parameters: Parameter,
    example: str,
    family: Family = "curve",
    ends: bool = True,
    lengths: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> SchedulerEntry:
    return SchedulerEntry(
        name=name,
        summary=summary,
        family=family,
        unit="batch",
        parameters=(*parameters, TOTAL_STEPS),
        example=example,
        notes=("A number of steps below 1 is a share of the run. A warmup starts at 0.", *notes),
        fills={"total_steps": "the remaining step() calls"},
        class_path=f"lrtui.schedulers:{name}",
        documentation=documentation,
        recomputes=True,
        length_argument="total_steps" if ends else None,
        lowers=always if ends else never,
        warm_up_argument="warmup",
        fit=_fit(*lengths),
        factor=_factor(curve),
    )


TRANSFORMERS = "https://huggingface.co/docs/transformers/main_classes/optimizer_schedules"

SCHEDULERS = (
    _entry(
        "WarmupCosine",
        "a warmup, then half a cosine down to min_lr at the end of the run",
        _cosine,
        TRANSFORMERS,
        WARMUP,
        MIN_LR,
        example="WarmupCosine(warmup=0.05)",
    ),
    _entry(
        "WarmupLinear",
        "a warmup, then a straight line down to min_lr at the end of the run",
        _linear,
        TRANSFORMERS,
        WARMUP,
        MIN_LR,
        example="WarmupLinear(warmup=0.05)",
    ),
    _entry(
        "WarmupPolynomial",
        "a warmup, then a power curve down to min_lr at the end of the run",
        _polynomial,
        TRANSFORMERS,
        WARMUP,
        Parameter(name="power", kind="float", help="1 is a straight line", default=1.0, minimum=0, above=True),
        MIN_LR,
        example="WarmupPolynomial(warmup=0.05, power=2.0)",
    ),
    _entry(
        "WSD",
        "a warmup, the optimizer's lr, and a short decay to min_lr at the end of the run",
        _wsd,
        "https://arxiv.org/abs/2404.06395",
        WARMUP,
        steps_or_share("decay", "steps of the decay at the end"),
        Parameter(name="shape", kind="choice", help="shape of the decay", default="linear", choices=tuple(SHAPES)),
        MIN_LR,
        example="WSD(warmup=0.05, decay=0.2)",
        lengths=("decay",),
        notes=("Where warmup and decay are longer than the run, the decay is shortened.",),
    ),
    _entry(
        "CosineWithLinearTail",
        "a warmup, a cosine down to tail_factor times the lr, and a line to min_lr at the end of the run",
        _linear_tail,
        "https://arxiv.org/abs/2407.21783",
        WARMUP,
        steps_or_share("tail", "steps of the straight line at the end"),
        Parameter(
            name="tail_factor",
            kind="float",
            help="factor that the lr is multiplied by where the line starts",
            default=0.1,
            minimum=0,
            maximum=1,
        ),
        MIN_LR,
        example="CosineWithLinearTail(warmup=0.05, tail=0.1)",
        lengths=("tail",),
    ),
    _entry(
        "REX",
        "falls along a reflected exponential, late and steeply, to min_lr at the end of the run",
        _rex,
        "https://arxiv.org/abs/2107.04197",
        steps_or_share("warmup", WARMUP.help, default=0),
        MIN_LR,
        example="REX(warmup=0.05)",
    ),
    _entry(
        "InverseSqrt",
        "a warmup, then the optimizer's lr divided by the square root of the steps",
        _inverse_sqrt,
        "https://arxiv.org/abs/1706.03762",
        WARMUP,
        example="InverseSqrt(warmup=0.05)",
        ends=False,
        notes=("It falls to a half after four times the warmup, and has no end.",),
    ),
    _entry(
        "ConstantWithWarmup",
        "a warmup, then the optimizer's lr",
        _constant,
        TRANSFORMERS,
        WARMUP,
        example="ConstantWithWarmup(warmup=0.05)",
        family="warm-up",
        ends=False,
    ),
)
