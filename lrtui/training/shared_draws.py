"""Random numbers that PyTorch's functions draw for the samples of a batch, where several processes share it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from lrtui.tasks.dropout import Rows

DROPOUTS = {
    functional.dropout,
    functional.dropout1d,
    functional.dropout2d,
    functional.dropout3d,
    functional.alpha_dropout,
    functional.feature_alpha_dropout,
}
LIKE_INPUTS = {torch.rand_like, torch.randn_like, torch.bernoulli}
IN_PLACE = {
    torch.Tensor.bernoulli_,
    torch.Tensor.exponential_,
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
}
OF_SIZES = {torch.rand, torch.randint, torch.randn}
LAYERS = {
    functional.scaled_dot_product_attention,
    functional.multi_head_attention_forward,
    torch.gru,
    torch.lstm,
    torch.rnn_relu,
    torch.rnn_tanh,
}
"""Functions that draw masks for their intermediate results, if they draw anything."""


class SharedDraws:
    """Lets functions draw for the whole batch and takes what belongs to some samples, as a single process would.

    Numbers that do not belong to samples, such as one that decides whether a layer is left out, are drawn as they are:
    the generators of all processes are in the same state, so that all of them get the same.

    Args:
        rows: the samples.
        rank: number of this process, from 0.
    """

    def __init__(self, rows: Rows, rank: int) -> None:
        self._rows, self._rank = rows, rank

    def call(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return what the function returns for these samples; None if it draws nothing for samples."""
        inputs = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if function in OF_SIZES:
            return self._of_size(function, args, dict(kwargs))
        # a mask for weights is one for the whole batch
        if inputs is None or isinstance(inputs, torch.nn.Parameter):
            return None
        if function in LAYERS:
            return self._apart(inputs.device, lambda: function(*args, **kwargs))
        if function in DROPOUTS:
            draws = kwargs.get("training", True) and self._rows.fits(inputs)
        else:
            draws = self._has_an_entry_per_sample(inputs.shape)
        if not draws:
            return None
        if function in IN_PLACE:
            if any(isinstance(value, torch.Tensor) for value in (*args[1:], *kwargs.values())):
                return None
            whole = inputs.new_empty(self._rows.of, *inputs.shape[1:])
            return inputs.copy_(self._some(function(whole, *args[1:], **kwargs)))
        return self._rows.of_whole_batch(lambda whole: function(whole, *args[1:], **kwargs), inputs)

    def _of_size(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if "size" in kwargs:
            size = kwargs.pop("size")
        elif args and isinstance(args[-1], (tuple, list)):
            *args, size = args
        else:
            size, args = args, ()
        if not self._has_an_entry_per_sample(size) or kwargs.get("out") is not None:
            return None
        return self._some(function(*args, (self._rows.of, *size[1:]), **kwargs))

    def _has_an_entry_per_sample(self, size: Sequence[int]) -> bool:
        """Return whether the first dimension is that of the samples; one number may be one for the whole batch."""
        return len(size) > 0 and size[0] == self._rows.stop - self._rows.start and any(count != 1 for count in size)

    def _some(self, whole: torch.Tensor) -> torch.Tensor:
        return whole[self._rows.start : self._rows.stop]

    def _apart(self, device: torch.device, call: Any) -> Any:
        """Return what a function returns with random numbers of this process's own.

        Afterwards the generators of all processes are in the same state again, and in the state of before if nothing
        was drawn.
        """
        generator = torch.cuda.default_generators[device.index] if device.type == "cuda" else torch.default_generator
        before = generator.get_state()
        generator.manual_seed(zlib.crc32(before.numpy().tobytes()) + self._rank)
        seeded = generator.get_state()
        result = call()
        has_drawn = not torch.equal(generator.get_state(), seeded)
        generator.set_state(before)
        if has_drawn:
            # the next call gets another seed
            torch.rand((), device=device)
        return result


DRAWS = DROPOUTS | LIKE_INPUTS | IN_PLACE | OF_SIZES | LAYERS
"""The functions for which `SharedDraws` has to be asked."""
