"""The schedules of transformers, which are LambdaLRs of partial functions, as those of lrtui that equal them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

_NAMES = {
    "_get_constant_lambda": "ConstantLR",
    "_get_constant_schedule_with_warmup_lr_lambda": "ConstantWithWarmup",
    "_get_linear_schedule_with_warmup_lr_lambda": "WarmupLinear",
    "_get_cosine_schedule_with_warmup_lr_lambda": "WarmupCosine",
}
"""The function of the step that each `get_..._schedule` makes, and the schedule that equals it."""

_PLAIN = {"num_cycles": (0.5,), "min_lr_rate": (0, None)}
"""Arguments that only these values leave out."""


def transformers_schedule(lr_lambda: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return the name and the arguments of the schedule that a function stands for.

    Args:
        lr_lambda: the function of a LambdaLR.

    Returns:
        None for any other function, and for arguments that no schedule of lrtui has.
    """
    given: dict[str, Any] = {}
    if isinstance(lr_lambda, functools.partial):
        lr_lambda, given = lr_lambda.func, dict(lr_lambda.keywords)
    name = _NAMES.get(getattr(lr_lambda, "__name__", ""))
    if name is None or getattr(lr_lambda, "__module__", "") != "transformers.optimization":
        return None
    for argument, plain in _PLAIN.items():
        if given.pop(argument, plain[0]) not in plain:
            return None
    arguments = {"factor": 1.0} if name == "ConstantLR" else {"warmup": given.pop("num_warmup_steps", None)}
    if "num_training_steps" in given:
        arguments["total_steps"] = given.pop("num_training_steps")
    # a number of steps that is not whole would be a share of the run, or rounded
    if given or not all(float(value).is_integer() for value in arguments.values() if value is not None):
        return None
    return name, arguments if name == "ConstantLR" else {key: int(value) for key, value in arguments.items()}
