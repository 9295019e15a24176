"""No false alarms: usual schedules have no findings, for runs of many lengths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lrtui.analysis.checks import check_schedule
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule

OPTIMIZERS = ("Adam(lr=0.01)", "SGD(lr=0.1, momentum=0.9)")


def usual_schedules(epochs: int, batches: int) -> Iterator[str]:
    """Yield schedules that fit a run of this length."""
    steps = epochs * batches
    yield from ("OneCycleLR(max_lr=0.003)", "CosineAnnealingLR()", 'CosineAnnealingLR(per="batch")', 'LambdaLR("1")')
    yield f"CosineAnnealingLR(T_max={epochs})"
    yield f"StepLR(step_size={max(1, epochs // 3)}, gamma=0.5)"
    yield f"StepLR(step_size={max(1, epochs // 3)}, gamma=0.2)"
    yield f"ReduceLROnPlateau(patience={min(2, epochs - 3)})"
    yield f"CyclicLR(base_lr=0.0001, max_lr=0.003, step_size_up={batches})"
    yield f"CyclicLR(base_lr=0.0001, max_lr=0.003, step_size_up={max(1, int(batches * 1.1))})"
    yield f"PolynomialLR(total_iters={epochs})"
    yield f'LambdaLR("(1 - epoch / {epochs}) ** 0.9")'
    yield f"ExponentialLR(gamma={round(0.02 ** (1 / epochs), 3)})"
    yield f"LinearLR(start_factor=1.0, end_factor=0.01, total_iters={epochs})"
    if steps >= 50:
        warm = max(2, steps // 20)
        first = f"LinearLR(start_factor=0.01, total_iters={warm})"
        yield f'SequentialLR([{first}, CosineAnnealingLR()], milestones=[{warm}], per="batch")'
        yield (
            f"SequentialLR([{first}, ExponentialLR(gamma={round(0.02 ** (1 / steps), 6)})], "
            f'milestones=[{warm}], per="batch")'
        )
        yield f'LinearLR(start_factor=0.1, total_iters={warm}, per="batch")'
        yield f'LambdaLR("min((step + 1) / {warm}, 0.5 * (1 + cos(pi * step / {steps})))", per="batch")'
    if epochs >= 7:
        yield "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR()], milestones=[2])"
        yield f"MultiStepLR([{int(epochs * 0.6)}, {int(epochs * 0.85)}], gamma=0.1)"
        yield f"SequentialLR([CosineAnnealingLR(eta_min=0.002), SWALR(swa_lr=0.002, anneal_epochs=1)], [{epochs - 3}])"


def alarms(epochs: int, batches: int) -> list[str]:
    return [
        f"{text} on {optimizer}: {finding}"
        for text in usual_schedules(epochs, batches)
        for optimizer in OPTIMIZERS
        for finding in check_schedule(parse_schedule(text), parse_optimizer(optimizer), Horizon(epochs, batches))
    ]


@pytest.mark.parametrize(("epochs", "batches"), [(3, 1), (3, 938), (7, 50), (10, 938), (30, 8), (90, 20)])
def test_usual_schedules_have_no_findings(epochs: int, batches: int) -> None:
    assert alarms(epochs, batches) == []


@pytest.mark.parametrize(
    ("schedule", "lr", "epochs"),
    [
        # ImageNet, PyTorch's tutorial on transfer learning, torchvision's MobileNetV3
        ("MultiStepLR([30, 60, 80])", 0.1, 90),
        ("StepLR(7, gamma=0.1)", 0.001, 25),
        ("StepLR(2, gamma=0.973)", 0.064, 600),
    ],
)
def test_published_schedules_have_no_findings(schedule: str, lr: float, epochs: int) -> None:
    optimizer = parse_optimizer(f"SGD(lr={lr}, momentum=0.9)")
    assert not check_schedule(parse_schedule(schedule), optimizer, Horizon(epochs, 500))


def test_a_fifth_of_the_run_at_a_tiny_lr_is_a_dead_tail() -> None:
    optimizer = parse_optimizer("SGD(lr=0.1, momentum=0.9)")
    assert not check_schedule(parse_schedule("MultiStepLR([30, 60, 73])"), optimizer, Horizon(90, 5004))
    (finding,) = check_schedule(parse_schedule("MultiStepLR([30, 60, 72])"), optimizer, Horizon(90, 5004))
    assert finding.code == "dead-tail"
    assert "the last 20 % of the run learns next to nothing" in str(finding)


@pytest.mark.deep
@pytest.mark.parametrize("epochs", [3, 4, 5, 7, 10, 15, 20, 30, 50, 90, 100, 200])
@pytest.mark.parametrize("batches", [1, 2, 8, 50, 313])
def test_usual_schedules_at_many_lengths(epochs: int, batches: int) -> None:
    assert alarms(epochs, batches) == []
