"""Units that get no gradient any more are counted at an epoch's end, whatever form the network has."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from run_record import RunRecorder, of
from torch import nn
from training_runs import run_events, tiny_spec

from lrtui.run.events import DeadLayer, EpochDone
from lrtui.training.dead_units import is_inspected, live_units, most_dead_layer
from lrtui.training.progress import Progress
from lrtui.training.random_state import random_states

HERE = Path(__file__).parents[1]


class Convolutions(nn.Module):
    """A convolution of eight channels, six of which are permanently off, with a ReLU that is a function call."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3)
        self.last = nn.Linear(8, 2)
        with torch.no_grad():
            self.first.bias[:6] = -1e3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.first(images)).mean(dim=(2, 3)))


def gradients(model: nn.Module, inputs: torch.Tensor) -> None:
    model.zero_grad()
    model(inputs).square().sum().backward()


def test_a_channel_that_is_off_for_every_sample_is_dead() -> None:
    torch.manual_seed(0)
    model = Convolutions()
    gradients(model, torch.randn(16, 1, 6, 6))
    assert most_dead_layer(live_units(model, {})) == DeadLayer("first", 6, 8)


def test_a_unit_active_in_one_batch_is_alive() -> None:
    model = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        # one unit for inputs above 0, one for those below, and two for none
        model[0].weight[:] = torch.tensor([[1.0], [-1.0], [0.0], [0.0]])
        model[0].bias[:] = torch.tensor([0.0, 0.0, -1.0, -1.0])
        model[2].weight.fill_(1.0)
    gradients(model, torch.ones(4, 1))
    above = live_units(model, {})
    assert most_dead_layer(above) == DeadLayer("0", 3, 4)
    gradients(model, -torch.ones(4, 1))
    assert most_dead_layer(live_units(model, above)) == DeadLayer("0", 2, 4)


def test_a_layer_without_gradients_is_not_counted() -> None:
    frozen = nn.Linear(4, 4).requires_grad_(False)
    model = nn.Sequential(frozen, nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 1))
    gradients(model, torch.randn(8, 4))
    sparse = nn.Linear(4, 4)
    sparse.weight.grad = torch.zeros(4, 4).to_sparse()
    model.append(sparse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        live = live_units(model, {})
    assert list(live) == ["2"]
    assert most_dead_layer(live) is None
    assert most_dead_layer({}) is None


@pytest.mark.parametrize(("steps", "looked_at"), [(938, 16), (256, 16), (255, 15), (40, 2), (16, 1), (1, 1)])
def test_between_one_and_sixteen_steps_are_inspected(steps: int, looked_at: int) -> None:
    looks = [is_inspected(step, steps) for step in range(steps)]
    assert sum(looks) == looked_at
    assert all(looks[-looked_at:])


DYING = """
import sys
sys.path.insert(0, {tests!r})
import torch
from tiny_task import Tiny

class Dying(Tiny):
    def model(self):
        model = super().model()
        with torch.no_grad():
            model[0].bias[:7] = -1e3
        return model
"""


def test_a_run_reports_dead_units_at_the_end_of_every_epoch(tmp_path: Path) -> None:
    file = tmp_path / "dying.py"
    file.write_text(DYING.format(tests=str(HERE)))
    dying = run_events(tiny_spec(epochs=3, task=f"{file}:Dying"))
    assert [end.dead_layer for end in of(EpochDone, dying)] == [DeadLayer("0", 7, 8)] * 3
    alive = run_events(tiny_spec(epochs=3, batch_size=96))
    assert [end.dead_layer for end in of(EpochDone, alive)] == [None] * 3


def test_a_run_resumed_within_the_inspected_steps_reports_the_same(recording: RunRecorder, tmp_path: Path) -> None:
    # 96 steps per epoch, of which six are inspected; with one sample per batch many units get no gradient
    spec = tiny_spec(epochs=2, batch_size=1)
    whole = recording.run(spec)
    pieces = recording.run_in_pieces(spec, [93, 96, 189], tmp_path)
    told = [end.dead_layer for end in of(EpochDone, whole.events)]
    assert [end.dead_layer for piece in pieces for end in of(EpochDone, piece.events)] == told
    assert any(told)


def test_a_checkpoint_without_a_record_of_units_is_loaded() -> None:
    old = Progress(random_states([]), epoch=3).state()
    del old["live_units"]
    fresh = Progress(random_states([]))
    fresh.restore(old)
    assert (fresh.epoch, fresh.live_units) == (3, {})
    del old["steps"]
    with pytest.raises(KeyError):
        fresh.restore(old)
