"""Runs generated PyTorch code unchanged and records what its optimizer uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

Used = tuple[tuple[float, ...], list[tuple[Any, Any]]]
"""The lr of each parameter group, and its momentum and betas."""

EVALUATE = "def evaluate(model):"


def run_code(code: str, results: Sequence[Mapping[str, float]] = ()) -> tuple[list[Used], dict[str, Any]]:
    """Return what the optimizer used at each step of a script, and the script's globals, with an exception as `error`.

    Args:
        results: what the script's `evaluate` returns, one per epoch; constant results after them.
    """
    if results:
        # replaces `evaluate`, the only function of the user that the lr depends on
        before, found, after = code.partition(EVALUATE)
        if found:
            code = f"{before}def evaluate(model):\n    return next(recorded)\n\n\ndef unused(model):{after}"
    used: list[Used] = []
    names: dict[str, Any] = {"__name__": "__main__", "recorded": _endless(results)}

    def record(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        lrs = tuple(group["lr"] for group in optimizer.param_groups)
        used.append((lrs, [(group.get("momentum"), group.get("betas")) for group in optimizer.param_groups]))

    hook = register_optimizer_step_pre_hook(record)
    try:
        exec(compile(code, "generated_code.py", "exec"), names)
    except Exception as error:
        names["error"] = error
    finally:
        hook.remove()
    return used, names


def _endless(results: Sequence[Mapping[str, float]]) -> Iterator[Mapping[str, float]]:
    return chain(results, repeat({"loss": 0.0, "accuracy": 0.0}))


def lrs_of(code: str, results: Sequence[Mapping[str, float]] = ()) -> list[list[float]]:
    """Return the lrs of each step of a script, which must run without an exception."""
    used, names = run_code(code, results)
    assert "error" not in names, f"{names['error']!r}\n{code}"
    return [list(lrs) for lrs, _ in used]
