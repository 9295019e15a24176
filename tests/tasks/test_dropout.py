from __future__ import annotations

import pytest
import torch

from lrtui.tasks.dropout import ByteDropout


@pytest.mark.parametrize("p", [0.25, 0.5, 3 / 256])
def test_the_share_of_zeros_is_p_at_every_place_of_a_draw(p: float) -> None:
    torch.manual_seed(0)
    zeros = (ByteDropout(p)(torch.ones(100_000, 8)) == 0).double()
    # six standard deviations of a share in 100,000
    assert (zeros.mean(dim=0) - p).abs().max() < 6 * (p * (1 - p) / 100_000) ** 0.5


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    zeros = (ByteDropout(0.25)(torch.ones(1_000_000)) == 0).double() - 0.25
    for lag in (1, 2, 3, 7, 8, 64):
        assert abs(float((zeros[:-lag] * zeros[lag:]).mean()) / (0.25 * 0.75)) < 0.006


def test_remaining_elements_are_scaled_and_so_is_their_gradient() -> None:
    inputs = torch.randn(64, 100, requires_grad=True)
    outputs = ByteDropout(0.25)(inputs)
    kept = outputs != 0
    torch.testing.assert_close(outputs[kept], inputs[kept] / 0.75)
    outputs.sum().backward()
    assert inputs.grad is not None
    torch.testing.assert_close(inputs.grad, kept / 0.75)


def test_evaluation_leaves_inputs_and_random_state_alone() -> None:
    inputs, state = torch.randn(5, 5), torch.get_rng_state()
    assert ByteDropout(0.5).eval()(inputs) is inputs
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_seed_drops_the_same() -> None:
    outputs = []
    for _ in range(2):
        torch.manual_seed(4)
        outputs.append(ByteDropout(0.5)(torch.ones(3, 7)))
    assert torch.equal(*outputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_type_and_layout_are_preserved(dtype: torch.dtype) -> None:
    inputs = torch.ones(2, 3, 5, 5, dtype=dtype).to(memory_format=torch.channels_last)
    outputs = ByteDropout(0.5)(inputs)
    assert outputs.dtype == dtype
    assert outputs.is_contiguous(memory_format=torch.channels_last)


def test_inputs_with_holes_in_their_memory_work_too() -> None:
    torch.manual_seed(0)
    outputs = ByteDropout(0.5)(torch.ones(1000, 100)[:, ::2])
    assert set(outputs.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("p", [-0.25, 1.0, 0.1, 1 / 512])
def test_a_probability_that_no_byte_can_decide_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="multiple of 1/256"):
        ByteDropout(p)
