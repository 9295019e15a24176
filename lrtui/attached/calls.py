"""How the functions that lrtui puts into a script are called: by which step of an optimizer, and by compiled code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any

import torch

_STEP_CODE = torch.optim.Optimizer.profile_hook_step(lambda *_: None).__code__
"""The code of every optimizer's `step`, which calls the hooks."""


def is_called_from(function: Callable[..., Any]) -> bool:
    """Return whether the function is one of the callers."""
    code = getattr(function, "__code__", None)
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def calls_hooks_twice(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether its class has a `step` of its own, which may call that of a base class, with hooks as well."""
    methods = [vars(each).get("step") for each in type(optimizer).__mro__]
    return sum(hasattr(method, "hooked") for method in methods) > 1


def of_outer_step(hook: Callable[..., None]) -> Callable[..., None]:
    """Return the hook, which does nothing in a step within a step of the same optimizer."""

    def call(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        frame: FrameType | None = sys._getframe(1)
        steps = 0
        while frame is not None and steps < 2:
            steps += frame.f_code is _STEP_CODE and frame.f_locals.get("self") is optimizer
            frame = frame.f_back
        if steps < 2:
            hook(optimizer, args, kwargs)

    return call


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, within which torch.compile traces and compiles nothing.

    It does what `torch.compiler.disable` does, at a cost of 0.15 µs per call in place of 0.75.
    """
    # the constructor of every optimizer has imported it
    from torch._dynamo.decorators import skip

    dynamo: Any = torch._C._dynamo
    set_eval_frame = dynamo.eval_frame.set_eval_frame

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = set_eval_frame(None)
        try:
            return function(*args, **kwargs)
        finally:
            set_eval_frame(before)

    return skip(call)
