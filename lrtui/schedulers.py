"""Learning-rate schedules by name, as PyTorch schedulers for any script.

```
from lrtui.schedulers import WSD

scheduler = WSD(optimizer, warmup=0.05, decay=0.2, total_steps=epochs * len(train_loader))
for batch in train_loader:
    ...
    optimizer.step()
    scheduler.step()
```

Call `step()` after each batch. A whole number counts steps, a number below 1 is a share of `total_steps`. The peak is
the lr of each parameter group. `Warmup` goes around any scheduler of PyTorch or your own, a ReduceLROnPlateau included:
`Warmup(optimizer, 500, ReduceLROnPlateau(optimizer))`. torch is imported when a class is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrtui.schedules.named_schedulers import (
        REX,
        WSD,
        ConstantWithWarmup,
        CosineWithLinearTail,
        InverseSqrt,
        WarmupCosine,
        WarmupLinear,
        WarmupPolynomial,
    )
    from lrtui.schedules.warmup_scheduler import Warmup

__all__ = [
    "REX",
    "WSD",
    "ConstantWithWarmup",
    "CosineWithLinearTail",
    "InverseSqrt",
    "Warmup",
    "WarmupCosine",
    "WarmupLinear",
    "WarmupPolynomial",
]


def __getattr__(name: str) -> Any:
    """Import the class when it is first used: importing torch takes about a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lrtui.schedules import named_schedulers, warmup_scheduler

    return getattr(warmup_scheduler if name == "Warmup" else named_schedulers, name)


def __dir__() -> list[str]:
    return sorted(__all__)
