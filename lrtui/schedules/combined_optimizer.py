"""Several optimizers as one, for what treats all parameter groups alike; and a stand-in to try schedules on.

Importing this module imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch


class CombinedOptimizer(torch.optim.Optimizer):
    """Several optimizers, whose parameter groups follow each other.

    The groups are those of the optimizers themselves: writing an lr here writes it there.

    Args:
        optimizers: by name.
    """

    def __init__(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        # not the constructor of Optimizer, which would make other groups
        self.optimizers = dict(optimizers)

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The groups of all optimizers."""
        return [group for optimizer in self.optimizers.values() for group in optimizer.param_groups]

    @property
    def defaults(self) -> dict[str, Any]:  # type: ignore[override]
        """The defaults of the first optimizer."""
        return next(iter(self.optimizers.values())).defaults

    def __repr__(self) -> str:
        return f"CombinedOptimizer({', '.join(self.optimizers)})"

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients of all parameters."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=set_to_none)

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Step all optimizers, one after the other."""
        for optimizer in self.optimizers.values():
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each optimizer by its name, and the settings of all groups."""
        states = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"optimizers": states, "param_groups": [g for state in states.values() for g in state["param_groups"]]}

    def load_state_dict(self, state_dict: Any) -> None:
        """Load what `state_dict` returned.

        Raises:
            ValueError: if it is the state of other optimizers.
        """
        states = state_dict.get("optimizers", {})
        if list(states) != list(self.optimizers):
            raise ValueError(
                f"the state is that of the optimizers {', '.join(states) or 'of an unnamed one'}, the task now has "
                f"{', '.join(self.optimizers)}"
            )
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(states[name])


class StandIn(torch.optim.Optimizer):
    """An optimizer without a step, with the groups and settings of one that a task made.

    Args:
        groups: the settings of each group.
        settings: those that the groups don't have.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> None:
        each = [{"params": [torch.nn.Parameter(torch.zeros(1, 1))], **group} for group in groups]
        super().__init__(each, dict(settings))

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Do nothing."""
