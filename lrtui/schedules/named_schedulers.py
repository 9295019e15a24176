"""The schedulers of `lrtui.schedulers`, each with its formula and the paper or code that it follows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch.optim import Optimizer

from lrtui.schedules.step_count import steps_of
from lrtui.schedules.warmup_then_curve import WarmupThenCurve, check_number


class WarmupCosine(WarmupThenCurve):
    """A linear warmup, then half a cosine down to `min_lr`.

        curve = (1 + cos(pi * p)) / 2,  p = (step - warmup) / (total_steps - warmup)

    With `min_lr=0` it equals `transformers.get_cosine_schedule_with_warmup`, otherwise
    `get_cosine_with_min_lr_schedule_with_warmup`. The cosine is that of SGDR, arXiv:1608.03983. Unlike
    `CosineAnnealingLR` it stays at `min_lr` after `total_steps`.

    Args and errors: those of `WarmupThenCurve`; `total_steps` is needed.
    """

    def curve(self, step: int) -> float:
        """Return the share of the way from `min_lr` up to the peak."""
        return 0.5 * (1 + math.cos(math.pi * self._progress(step, self.warmup)))


class WarmupLinear(WarmupThenCurve):
    """A linear warmup, then a straight line down to `min_lr`.

        curve = 1 - p,  p = (step - warmup) / (total_steps - warmup)

    With `min_lr=0` it equals `transformers.get_linear_schedule_with_warmup`, the schedule of BERT, arXiv:1810.04805.

    Args and errors: those of `WarmupThenCurve`; `total_steps` is needed.
    """

    def curve(self, step: int) -> float:
        """Return the share of the way from `min_lr` up to the peak."""
        return 1 - self._progress(step, self.warmup)


class WarmupPolynomial(WarmupThenCurve):
    """A linear warmup, then a power curve down to `min_lr`.

        curve = (1 - p) ** power,  p = (step - warmup) / (total_steps - warmup)

    It equals `transformers.get_polynomial_decay_schedule_with_warmup` with `lr_end=min_lr`, whose default is 1e-7, if
    all groups have one lr. There `lr_end` is scaled with the lr of each group; here it is an lr.

    Args:
        power: the exponent, above 0; 1 is a straight line.

    Other arguments and errors: those of `WarmupThenCurve`; `total_steps` is needed.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float,
        power: float = 1.0,
        min_lr: float | Sequence[float] = 0.0,
        total_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        check_number("power", power, minimum=0, above=True)
        self.power = power
        super().__init__(optimizer, warmup, min_lr, total_steps, last_epoch)

    def curve(self, step: int) -> float:
        """Return the share of the way from `min_lr` up to the peak."""
        return float((1 - self._progress(step, self.warmup)) ** self.power)


class _WithoutEnd(WarmupThenCurve):
    """A curve without an end, and so without a `min_lr`."""

    has_end = False

    def __init__(
        self, optimizer: Optimizer, warmup: float, total_steps: int | None = None, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, warmup, 0.0, total_steps, last_epoch)


class ConstantWithWarmup(_WithoutEnd):
    """A linear warmup, then the optimizer's lr.

        curve = 1

    It equals `transformers.get_constant_schedule_with_warmup`.

    Args and errors: those of `WarmupThenCurve`; `total_steps` is needed only if `warmup` is a share.
    """

    def curve(self, step: int) -> float:
        """Return 1."""
        return 1.0


class InverseSqrt(_WithoutEnd):
    """A linear warmup, then the peak divided by the square root of the steps, counted in warmups.

        curve = sqrt(warmup / step)

    This is the schedule of "Attention Is All You Need", arXiv:1706.03762, with the peak as its scale, as fairseq's
    `inverse_sqrt` has it with `--warmup-init-lr 0`, and `transformers.get_inverse_sqrt_schedule`. A warmup of 0 counts
    as 1 in the curve.

    Args and errors: those of `WarmupThenCurve`; `total_steps` is needed only if `warmup` is a share.
    """

    def curve(self, step: int) -> float:
        """Return the share of the peak."""
        scale = max(1, self.warmup)
        return math.sqrt(scale / max(scale, step))


class REX(WarmupThenCurve):
    """A linear warmup, then the reflected exponential of "REX: Revisiting Budgeted Training", arXiv:2107.04197.

        curve = (1 - p) / (1/2 + (1 - p) / 2),  p = (step - warmup) / (total_steps - warmup)

    It stays higher than a straight line and falls more steeply at the end. The paper has no warmup.

    Args and errors: those of `WarmupThenCurve`; `total_steps` is needed.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float = 0,
        min_lr: float | Sequence[float] = 0.0,
        total_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(optimizer, warmup, min_lr, total_steps, last_epoch)

    def curve(self, step: int) -> float:
        """Return the share of the way from `min_lr` up to the peak."""
        left = 1 - self._progress(step, self.warmup)
        return left / (0.5 + 0.5 * left)


# the catalogue has them as well, and is not imported with a scheduler
SHAPES = ("linear", "cosine", "1-sqrt", "exponential")
"""The shapes of WSD's decay."""


class WSD(WarmupThenCurve):
    """Warmup, stable, decay: a linear warmup, the optimizer's lr, and a short decay to `min_lr` at the end.

        curve = 1                          before the decay
                1 - p                      linear
                (1 + cos(pi * p)) / 2      cosine
                1 - sqrt(p)                1-sqrt
                2 * 0.5 ** p - 1           exponential

    where p goes from 0 at `total_steps - decay` to 1 at `total_steps`. Where `warmup` and `decay` together are longer
    than the run, the decay is shortened to what is left after the warmup.

    The schedule is that of MiniCPM, arXiv:2404.06395; 1-sqrt is from "Scaling Laws and Compute-Optimal Training Beyond
    Fixed Training Durations", arXiv:2405.18392. The exponential is Megatron-LM's, which reaches `min_lr`; MiniCPM's own
    halves the lr in a fixed number of steps. `transformers.get_wsd_schedule` equals it with `min_lr=0`; there the
    warmup starts at the lowest lr instead of 0.

    Args:
        decay: steps of the decay; a number below 1 is a share of `total_steps`, rounded to whole steps.
        shape: `linear`, `cosine`, `1-sqrt` or `exponential`.

    Other arguments and errors: those of `WarmupThenCurve`; `total_steps` is needed.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float,
        decay: float,
        shape: str = "linear",
        min_lr: float | Sequence[float] = 0.0,
        total_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        if shape not in SHAPES:
            raise ValueError(f"shape takes {' or '.join(map(repr, SHAPES))}, not {shape!r}")
        self.shape = shape
        self.decay = steps_of("decay", decay, total_steps)
        super().__init__(optimizer, warmup, min_lr, total_steps, last_epoch)

    def curve(self, step: int) -> float:
        """Return the share of the way from `min_lr` up to the peak."""
        start = self._start_of(self.decay)
        if step < start:
            return 1.0
        done = self._progress(step, start)
        match self.shape:
            case "linear":
                return 1 - done
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * done))
            case "1-sqrt":
                return 1 - math.sqrt(done)
        return float(2 * 0.5**done - 1)


class CosineWithLinearTail(WarmupThenCurve):
    """A linear warmup, part of a cosine's way down, and a straight line to `min_lr` at the end.

        curve = tail_factor + (1 - tail_factor) * (1 + cos(pi * p)) / 2      before the tail
                tail_factor * (1 - q)                                        in the tail

    where p goes from 0 at `warmup` to 1 at `total_steps - tail`, and q from 0 there to 1 at `total_steps`. Where
    `warmup` and `tail` together are longer than the run, the tail is shortened to what is left after the warmup.

    Llama 3 was trained so, arXiv:2407.21783, sections 3.4.1 and 3.4.3: a cosine to a hundredth of the peak, then
    linearly to 0.

    Args:
        tail: steps of the tail; a number below 1 is a share of `total_steps`, rounded to whole steps.
        tail_factor: where the tail starts, from 0 to 1; with `min_lr=0` the share of the peak.

    Other arguments and errors: those of `WarmupThenCurve`; `total_steps` is needed.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float,
        tail: float,
        tail_factor: float = 0.1,
        min_lr: float | Sequence[float] = 0.0,
        total_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        check_number("tail_factor", tail_factor, minimum=0, maximum=1)
        self.tail_factor = tail_factor
        self.tail = steps_of("tail", tail, total_steps)
        super().__init__(optimizer, warmup, min_lr, total_steps, last_epoch)

    def curve(self, step: int) -> float:
        """Return the share of the way from `min_lr` up to the peak."""
        start, factor = self._start_of(self.tail), self.tail_factor
        if step < start:
            done = (step - self.warmup) / (start - self.warmup)
            return factor + (1 - factor) * (0.5 * (1 + math.cos(math.pi * done)))
        return factor * (1 - self._progress(step, start))
