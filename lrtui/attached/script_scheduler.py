"""The schedulers of a script: their `step()` steps whatever schedule is in force."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lrtui.attached.calls import uncompiled

STATE = "lrtui"
"""Key of a scheduler's `state_dict()` for what lrtui has changed; there is none as long as nothing was changed."""

STEP = "at"
"""Key of the `step()` calls until then; a script that continues without lrtui saves what was changed once more."""

STEPS = ("step", "step_update")
"""Methods that step a scheduler: PyTorch's, and in timm also that after each batch."""


class SchedulerOwner(Protocol):
    """What the methods of a script's scheduler are led to."""

    is_quiet: bool
    """Whether the scheduler can step as it would by itself."""

    def note_call(self, scheduler: Any, step: Callable[..., Any]) -> object:
        """Take note of a `step()` call, after a quiet one."""
        ...

    def scheduler_stepped(
        self, scheduler: Any, step: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Step the schedule in force in place of `step`; return what the script gets."""
        ...

    @property
    def has_changed(self) -> bool:
        """Whether the lr is another than the script's own schedule gives."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what was changed, as plain values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Load what `state` returned."""
        ...


def lead_to(owner: SchedulerOwner, scheduler: Any) -> Callable[[], None]:
    """Lead the methods of the scheduler to the owner; return a function that undoes it.

    The object gets a class of its own, derived from its class, so that nothing is added to its attributes, which
    `state_dict()` saves.
    """
    original = type(scheduler)

    def state_dict(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = original.state_dict(self, *args, **kwargs)
        return {**state, STATE: {**owner.state(), STEP: _steps(state)}} if owner.has_changed else state

    def load_state_dict(self: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        changed = state.get(STATE) if isinstance(state, Mapping) else None
        own = {name: value for name, value in state.items() if name != STATE} if changed is not None else state
        result = original.load_state_dict(self, own, *args, **kwargs)
        if changed is not None and changed.get(STEP) == _steps(own):
            owner.restore(changed)
        return result

    def get_last_lr(self: Any) -> Any:
        if owner.has_changed:
            return [_copy(group["lr"]) for group in self.optimizer.param_groups]
        return original.get_last_lr(self)

    def reduce(self: Any, protocol: Any) -> Any:
        # pickled as an object of its own class; __newobj__ takes no other class than that of the object
        reduced: Any = object.__reduce_ex__(self, max(2, int(protocol)))
        return (copyreg._reconstructor, (original, object, None), *reduced[2:])  # type: ignore[attr-defined]

    methods: dict[str, Any] = {"state_dict": state_dict, "load_state_dict": load_state_dict, "get_last_lr": get_last_lr}
    methods = {name: method for name, method in methods.items() if hasattr(original, name)}
    for name in STEPS:
        if hasattr(original, name):
            methods[name] = _led(owner, getattr(original, name))
    methods |= {"__module__": original.__module__, "__qualname__": original.__qualname__, "__reduce_ex__": reduce}
    scheduler.__class__ = type(original.__name__, (original,), methods)

    def undo() -> None:
        scheduler.__class__ = original

    return undo


def take_loaded_state(scheduler: Any) -> dict[str, Any] | None:
    """Return what `state_dict` had added to a state that was loaded before; None if there was nothing."""
    # load_state_dict of PyTorch, and of timm, makes attributes of everything in the state
    state = vars(scheduler).pop(STATE, None) if hasattr(scheduler, "__dict__") else None
    return state if isinstance(state, dict) and state.get(STEP) == _steps(vars(scheduler)) else None


def _steps(state: Mapping[str, Any]) -> Any:
    return state.get("_step_count", state.get("last_epoch"))


def _led(owner: SchedulerOwner, original: Callable[..., Any]) -> Callable[..., Any]:
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        if owner.is_quiet:
            result = original(self, *args, **kwargs)
            owner.note_call(self, original)
            return result
        return owner.scheduler_stepped(self, original, args, kwargs)

    step.__name__, step.__doc__ = original.__name__, original.__doc__
    return uncompiled(step)


def note_step(scheduler: Any) -> None:
    """Count a `step()` call in the script's scheduler whose place another schedule has taken."""
    for name in ("last_epoch", "_step_count"):
        if isinstance(value := getattr(scheduler, name, None), int):
            setattr(scheduler, name, value + 1)
    if hasattr(scheduler, "_last_lr"):
        scheduler._last_lr = [_copy(group["lr"]) for group in scheduler.optimizer.param_groups]


def _copy(lr: Any) -> Any:
    return lr.clone() if hasattr(lr, "clone") else lr
