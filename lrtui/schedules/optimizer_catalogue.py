"""Every optimizer of torch.optim, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lrtui.run.spec import MAX_COUNT
from lrtui.schedules.parameter import Parameter


@dataclass(frozen=True, slots=True)
class OptimizerEntry:
    """One optimizer: PyTorch's class name and its arguments, without the model's parameters."""

    name: str
    parameters: tuple[Parameter, ...]
    sparse: Literal["refused", "accepted", "required"] = "refused"
    """How it treats sparse gradients, as those of `Embedding(sparse=True)`."""
    needs_closure: bool = False
    """Whether its step computes the loss again, several times."""

    @property
    def default_lr(self) -> float:
        """PyTorch's lr if none is given."""
        return float(next(parameter.default for parameter in self.parameters if parameter.name == "lr"))


def _lr(default: float) -> Parameter:
    return Parameter(name="lr", kind="float", help="learning rate", default=default, minimum=0)


def _number(name: str, default: float, help_text: str, **limits: float) -> Parameter:
    limits.setdefault("minimum", 0)
    return Parameter(name=name, kind="float", help=help_text, default=default, **limits)  # type: ignore[arg-type]


def _count(name: str, default: int | None, help_text: str, maximum: int = MAX_COUNT) -> Parameter:
    optional = default is None
    return Parameter(
        name=name, kind="int", help=help_text, default=default, minimum=1, maximum=maximum, optional=optional
    )


def _flag(name: str, help_text: str, default: bool | None = False) -> Parameter:
    return Parameter(name=name, kind="bool", help=help_text, default=default, optional=default is None)


def _pair(name: str, default: tuple[float | None, ...], help_text: str) -> Parameter:
    return Parameter(name=name, kind="pair", help=help_text, default=default)


def _decay(default: float = 0) -> Parameter:
    return _number("weight_decay", default, "weight decay coefficient")


EPS = _number("eps", 1e-8, "avoids a division by zero")
BETAS = _pair("betas", (0.9, 0.999), "decay of the averages of gradient and squared gradient")
MAXIMIZE = _flag("maximize", "maximize the loss")
FOREACH = _flag("foreach", "update all tensors together", None)
FUSED = _flag("fused", "update in one kernel; by default, if there is a fused kernel", None)
CAPTURABLE = _flag("capturable", "safe in a CUDA graph")
DIFFERENTIABLE = _flag("differentiable", "autograd through the step")
DECOUPLED = _flag("decoupled_weight_decay", "weight decay as in AdamW")
COMMON_FLAGS = (FOREACH, MAXIMIZE, CAPTURABLE, DIFFERENTIABLE)

_ENTRIES = (
    OptimizerEntry(
        "Adam",
        (
            _lr(1e-3),
            BETAS,
            EPS,
            _decay(),
            _flag("amsgrad", "use the largest average of squared gradients"),
            *COMMON_FLAGS,
            FUSED,
            DECOUPLED,
        ),
    ),
    OptimizerEntry(
        "AdamW",
        (
            _lr(1e-3),
            BETAS,
            EPS,
            _decay(1e-2),
            _flag("amsgrad", "use the largest average of squared gradients"),
            *COMMON_FLAGS,
            FUSED,
        ),
    ),
    OptimizerEntry(
        "SGD",
        (
            _lr(1e-3),
            _number("momentum", 0, "momentum factor"),
            _number("dampening", 0, "damping of the momentum", minimum=-1e9),
            _decay(),
            _flag("nesterov", "Nesterov momentum"),
            MAXIMIZE,
            FOREACH,
            DIFFERENTIABLE,
            FUSED,
        ),
        sparse="accepted",
    ),
    OptimizerEntry(
        "RMSprop",
        (
            _lr(1e-2),
            _number("alpha", 0.99, "decay of the average of squared gradients"),
            EPS,
            _decay(),
            _number("momentum", 0, "momentum factor"),
            _flag("centered", "normalize by the variance of the gradient"),
            CAPTURABLE,
            FOREACH,
            MAXIMIZE,
            DIFFERENTIABLE,
        ),
    ),
    OptimizerEntry(
        "Adagrad",
        (
            _lr(1e-2),
            _number("lr_decay", 0, "decay of the lr by the optimizer"),
            _decay(),
            _number("initial_accumulator_value", 0, "initial sum of squared gradients"),
            _number("eps", 1e-10, EPS.help),
            FOREACH,
            MAXIMIZE,
            DIFFERENTIABLE,
            FUSED,
        ),
        sparse="accepted",
    ),
    OptimizerEntry(
        "Adadelta",
        (
            _lr(1.0),
            _number("rho", 0.9, "decay of the average of squared gradients", maximum=1),
            _number("eps", 1e-6, EPS.help),
            _decay(),
            FOREACH,
            CAPTURABLE,
            MAXIMIZE,
            DIFFERENTIABLE,
        ),
    ),
    OptimizerEntry(
        "Adafactor",
        (
            _lr(1e-2),
            _number(
                "beta2_decay", -0.8, "decay of the average of squared gradients over time", minimum=-1e9, maximum=0
            ),
            _pair("eps", (None, 1e-3), "regularization constants for the squared gradient and the parameter scale"),
            _number("d", 1.0, "clipping threshold of the update", minimum=1),
            _decay(0.0),
            FOREACH,
            MAXIMIZE,
        ),
    ),
    OptimizerEntry("Adamax", (_lr(2e-3), BETAS, EPS, _decay(), FOREACH, MAXIMIZE, DIFFERENTIABLE, CAPTURABLE)),
    OptimizerEntry(
        "NAdam",
        (
            _lr(2e-3),
            BETAS,
            EPS,
            _decay(),
            _number("momentum_decay", 4e-3, "decay of the momentum"),
            DECOUPLED,
            *COMMON_FLAGS,
        ),
    ),
    OptimizerEntry("RAdam", (_lr(1e-3), BETAS, EPS, _decay(), DECOUPLED, *COMMON_FLAGS)),
    OptimizerEntry(
        "ASGD",
        (
            _lr(1e-2),
            _number("lambd", 1e-4, "decay term"),
            _number("alpha", 0.75, "power of the decay of the lr"),
            _number("t0", 1e6, "step at which averaging starts"),
            _decay(),
            FOREACH,
            MAXIMIZE,
            DIFFERENTIABLE,
            CAPTURABLE,
        ),
    ),
    OptimizerEntry(
        "Rprop",
        (
            _lr(1e-2),
            _pair("etas", (0.5, 1.2), "factors that shrink and grow the step"),
            _pair("step_sizes", (1e-6, 50), "smallest and largest step"),
            *COMMON_FLAGS,
        ),
    ),
    OptimizerEntry(
        "Muon",
        (
            _lr(1e-3),
            _decay(0.1),
            _number("momentum", 0.95, "momentum factor"),
            _flag("nesterov", "Nesterov momentum", True),
            _pair("ns_coefficients", (3.4445, -4.775, 2.0315), "coefficients of the Newton-Schulz iteration"),
            _number("eps", 1e-7, EPS.help),
            _count("ns_steps", 5, "Newton-Schulz iterations per step", 99),
            Parameter(
                name="adjust_lr_fn",
                kind="choice",
                help="how the lr depends on the shape of a matrix",
                default=None,
                choices=("original", "match_rms_adamw"),
                optional=True,
            ),
        ),
    ),
    OptimizerEntry("SparseAdam", (_lr(1e-3), BETAS, EPS, MAXIMIZE), sparse="required"),
    OptimizerEntry(
        "LBFGS",
        (
            _lr(1.0),
            _count("max_iter", 20, "iterations per step"),
            _count("max_eval", None, "evaluations of the loss per step; by default 1.25 per iteration"),
            _number("tolerance_grad", 1e-7, "gradient below which a step ends"),
            _number("tolerance_change", 1e-9, "change of the loss or the weights below which a step ends"),
            _count("history_size", 100, "updates that are remembered"),
            Parameter(
                name="line_search_fn",
                kind="choice",
                help="how the length of an iteration is found; by default it is the lr",
                default=None,
                choices=("strong_wolfe",),
                optional=True,
            ),
            MAXIMIZE,
        ),
        needs_closure=True,
    ),
)

OPTIMIZERS: Mapping[str, OptimizerEntry] = {entry.name: entry for entry in _ENTRIES}
"""The optimizers by name."""
