"""From where an optimizer's hooks are called."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
