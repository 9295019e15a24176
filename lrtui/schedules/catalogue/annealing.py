"""Schedulers that follow a curve, some of them up and down again."""

from __future__ import annotations

from lrtui.schedules.catalogue.entry import SchedulerEntry
from lrtui.schedules.parameter import COUNT_LIMIT, Parameter

ETA_MIN = Parameter(name="eta_min", kind="float", help="the lr at the foot of the curve", default=0.0, minimum=0)
ANNEAL = Parameter(
    name="anneal_strategy", kind="choice", help="the curve's form", default="cos", choices=("cos", "linear")
)


def _momentum(name: str, default: float) -> Parameter:
    where = "at the lr's peak" if name.startswith("base") else "at the lr's foot"
    return Parameter(
        name=name,
        kind="floats",
        help=f"momentum (or Adam's beta1) {where}",
        default=default,
        minimum=0,
        maximum=1,
    )


CYCLE_MOMENTUM = Parameter(
    name="cycle_momentum",
    kind="bool",
    help="whether momentum (or Adam's beta1) goes down as the lr goes up",
    default=True,
)

ANNEALING = (
    SchedulerEntry(
        name="CosineAnnealingLR",
        summary="half a cosine down to eta_min over T_max steps",
        unit="epoch",
        parameters=(
            Parameter(
                name="T_max",
                kind="int",
                help="steps to the foot of the cosine; left out: the steps that remain",
                minimum=1,
                maximum=COUNT_LIMIT,
            ),
            ETA_MIN,
        ),
        fills={"T_max": "the step() calls that remain"},
        notes=("The lr goes up again after T_max steps.",),
        example="CosineAnnealingLR()",
    ),
    SchedulerEntry(
        name="CosineAnnealingWarmRestarts",
        summary="cosines down to eta_min, starting anew after T_0 steps, then each T_mult times as long",
        unit="epoch",
        parameters=(
            Parameter(
                name="T_0",
                kind="int",
                help="steps until the first restart",
                minimum=1,
                maximum=COUNT_LIMIT,
            ),
            Parameter(
                name="T_mult",
                kind="int",
                help="how much longer each cycle is than the last",
                default=1,
                minimum=1,
                maximum=COUNT_LIMIT,
            ),
            ETA_MIN,
        ),
        notes=("eta_min is never quite reached at whole steps.",),
        example="CosineAnnealingWarmRestarts(T_0=5)",
    ),
    SchedulerEntry(
        name="OneCycleLR",
        summary="up to max_lr, then down to almost nothing, once over the whole run",
        unit="batch",
        parameters=(
            Parameter(
                name="max_lr",
                kind="floats",
                help="the lr at the peak, per group if a list",
                minimum=0,
                above=True,
                lr_share=1.0,
            ),
            Parameter(
                name="total_steps",
                kind="int",
                help="length of the cycle; left out: the steps that remain",
                default=None,
                minimum=1,
                maximum=COUNT_LIMIT,
                optional=True,
            ),
            Parameter(
                name="epochs",
                kind="int",
                help="with steps_per_epoch, in place of total_steps",
                default=None,
                minimum=1,
                maximum=COUNT_LIMIT,
                optional=True,
            ),
            Parameter(
                name="steps_per_epoch",
                kind="int",
                help="with epochs, in place of total_steps",
                default=None,
                minimum=1,
                maximum=COUNT_LIMIT,
                optional=True,
            ),
            Parameter(
                name="pct_start",
                kind="float",
                help="share of the cycle in which the lr goes up",
                default=0.3,
                minimum=0,
                maximum=1,
            ),
            ANNEAL,
            CYCLE_MOMENTUM,
            _momentum("base_momentum", 0.85),
            _momentum("max_momentum", 0.95),
            Parameter(
                name="div_factor",
                kind="float",
                help="the cycle starts at max_lr / div_factor",
                default=25.0,
                minimum=0,
                above=True,
            ),
            Parameter(
                name="final_div_factor",
                kind="float",
                help="and ends at the start's lr / final_div_factor",
                default=1e4,
                minimum=0,
                above=True,
            ),
            Parameter(
                name="three_phase",
                kind="bool",
                help="up, down symmetrically, then to nothing, in place of up and down",
                default=False,
            ),
        ),
        fills={"total_steps": "the step() calls that remain"},
        notes=(
            "The optimizer's lr is not used: max_lr alone sets the height.",
            "After total_steps PyTorch raises an error; lrtui holds the last lr.",
        ),
        example="OneCycleLR(max_lr=0.003)",
        absolute=True,
    ),
    SchedulerEntry(
        name="CyclicLR",
        summary="up and down between base_lr and max_lr, again and again",
        unit="batch",
        parameters=(
            Parameter(name="base_lr", kind="floats", help="the lr at the foot", minimum=0, lr_share=0.1),
            Parameter(name="max_lr", kind="floats", help="the lr at the peak", minimum=0, lr_share=1.0),
            Parameter(
                name="step_size_up",
                kind="int",
                help="steps from the foot to the peak",
                default=2000,
                minimum=1,
                maximum=COUNT_LIMIT,
            ),
            Parameter(
                name="step_size_down",
                kind="int",
                help="steps from the peak to the foot; left out: as many as up",
                default=None,
                minimum=1,
                maximum=COUNT_LIMIT,
                optional=True,
            ),
            Parameter(
                name="mode",
                kind="choice",
                help="triangular2 halves each peak, exp_range shrinks it by gamma at each step",
                default="triangular",
                choices=("triangular", "triangular2", "exp_range"),
            ),
            Parameter(name="gamma", kind="float", help="for exp_range", default=1.0),
            Parameter(
                name="scale_fn",
                kind="expression",
                help="own scaling of the peaks, in place of mode",
                default=None,
                optional=True,
            ),
            Parameter(
                name="scale_mode",
                kind="choice",
                help="whether scale_fn counts cycles or steps",
                default="cycle",
                choices=("cycle", "iterations"),
            ),
            CYCLE_MOMENTUM,
            _momentum("base_momentum", 0.8),
            _momentum("max_momentum", 0.9),
        ),
        notes=("The optimizer's lr is not used.", "The default half-cycle of 2000 steps can be longer than an epoch."),
        example="CyclicLR(base_lr=0.0001, max_lr=0.003, step_size_up=938)",
        absolute=True,
    ),
    SchedulerEntry(
        name="SWALR",
        summary="from the present lr to swa_lr over anneal_epochs steps, then constant",
        unit="epoch",
        parameters=(
            Parameter(name="swa_lr", kind="floats", help="the lr at the end", minimum=0, lr_share=0.1),
            Parameter(
                name="anneal_epochs",
                kind="int",
                help="steps until swa_lr is reached",
                default=10,
                minimum=0,
                maximum=COUNT_LIMIT,
            ),
            ANNEAL,
        ),
        notes=(
            "Stochastic weight averaging: from where it begins the weights are averaged after each of its steps, in an "
            "AveragedModel that is tested beside the model at each epoch's end.",
            "In front of it, within SequentialLR, goes what the run begins with.",
        ),
        example="SWALR(swa_lr=0.001, anneal_epochs=5)",
        module="torch.optim.swa_utils",
        averages=True,
    ),
)
