"""Whatever a task returns, a run has the exact numbers, or an error that names the method and what was expected."""

from __future__ import annotations

import inspect
import math
import warnings
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from example_counts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_task import Tiny
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from training_runs import run_events, tiny_spec

from lrtui.run.errors import TaskError
from lrtui.run.events import EvalDone, RunFinished, StepDone
from lrtui.training.batch_call import BatchReader, describe_batch
from lrtui.training.batches import sample_count, to_device
from lrtui.training.metric_sums import MetricSums
from lrtui.training.metric_values import checked_metrics
from lrtui.training.step_result import mean_values, read_result, read_values

Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Fields:
    first: Any
    second: Any


class Fails:
    """Has the attributes of an array, and none of them works."""

    shape = dtype = 3

    def to(self, device: Any, other: Any) -> Any: ...


@pytest.fixture(autouse=True, scope="module")
def source_read_once() -> Iterator[None]:
    """Remember where a class is defined, which takes 0.1 s to find in this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "getsourcelines", cache(inspect.getsourcelines))
        yield


# -- values of every kind ----------------------------------------------------------------------------------------------

SHAPES = [(), (0,), (1,), (2,), (6,), (6, 1), (6, 3), (1, 6), (2, 0)]
NUMBERS = [0.0, 1.0, 3.0, -2.5, 100.0, 1e30, math.inf, math.nan]
INTEGERS = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int64, torch.uint16, torch.uint64]
FLOATS = [torch.float8_e4m3fn, torch.float16, torch.bfloat16, torch.float32, torch.float64]
TENSORS = [
    *(torch.full(shape, number).to(dtype) for shape in SHAPES for dtype in INTEGERS for number in NUMBERS[:3]),
    *(torch.full(shape, number).to(dtype) for shape in SHAPES for dtype in FLOATS for number in NUMBERS),
    *(torch.ones(shape, requires_grad=True) for shape in SHAPES),
]
ODD_TENSORS = [
    *(torch.ones(shape, dtype=torch.complex64) for shape in SHAPES),
    *(torch.ones(shape, device="meta") for shape in SHAPES),
    *(torch.ones(shape).to_sparse() for shape in SHAPES),
]
with warnings.catch_warnings(action="ignore"):  # experimental and deprecated forms
    ODD_TENSORS += [torch.quantize_per_tensor(torch.ones(shape), 0.1, 0, torch.quint8) for shape in SHAPES]
    ODD_TENSORS.append(torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]))
NUMPY_TYPES = ["b1", "u2", "i8", "f2", "f8", "g", "c8", "U1", "O", "M8[s]", "V2"]
ARRAYS = [
    *(
        np.zeros(shape, kind)
        for shape in SHAPES
        for kind in ("b1", "u2", "i8", "f2", "f8", "g", "c8", "U1", "O", "M8", "V2")
    ),
    *(np.ma.masked_array([number, 7.0, number], [0, 1, 0]) for number in NUMBERS),
    *(kind(number) for kind in (np.float32, np.float64, np.bool_) for number in NUMBERS),
]
OBJECTS = [None, ..., 10**400, -(10**400), Fraction(1, 3), nn.Linear, nn.Identity(), Fails(), range(3), object(), b"a"]
PLAIN = st.one_of(st.booleans(), st.integers(), st.floats(width=32), st.complex_numbers(), st.text(max_size=2))


def pick(values: list[Any]) -> st.SearchStrategy[Any]:
    # by index, because hypothesis would write out all of them
    return st.integers(0, len(values) - 1).map(lambda index: values[index])


LEAVES = st.one_of(PLAIN, *map(pick, (TENSORS, TENSORS, ODD_TENSORS, ARRAYS, OBJECTS)))
KEYS = st.sampled_from(["inputs", "labels", "first", "second", "loss", "lr", "a", "", 1, None, "1"])


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=4)
    dicts = st.dictionaries(KEYS, inner, max_size=3)
    return st.one_of(
        lists,
        lists.map(tuple),
        dicts,
        *(dicts.map(kind) for kind in (OrderedDict, UserDict, MappingProxyType)),
        *(st.builds(kind, inner, inner) for kind in (Pair, Fields)),
        st.builds(lambda value: SimpleNamespace(value=value), inner),
    )


ANYTHING = st.recursive(LEAVES, nested, max_leaves=6)


def method(model: Any, batch: Any) -> Any: ...


PLACE = f"method ({__file__}, line {inspect.getsourcelines(method)[1]})"


def numbers_of(value: Any) -> list[float] | None:
    """Return the elements of a value as a plain computation reads them; None if it holds no real numbers."""
    if isinstance(value, np.ma.MaskedArray):
        return [float(each) for each in value.compressed()]
    if isinstance(value, torch.Tensor) and (value.is_nested or value.is_quantized or value.layout != torch.strided):
        return None
    try:
        if isinstance(value, torch.Tensor):
            return None if value.is_complex() else [float(each) for each in value.detach().flatten().tolist()]
        if isinstance(value, (np.ndarray, np.generic)):
            return [float(each) for each in value.ravel()] if value.dtype.kind in "biuf" else None
        return [float(value)] if isinstance(value, (int, float, Fraction)) else None
    except (NotImplementedError, OverflowError):  # a meta tensor; an integer that is too large
        return None


def same(left: float, right: float) -> bool:
    return left == pytest.approx(right, rel=1e-6, abs=1e-12, nan_ok=True)


# -- what step and test_step return ------------------------------------------------------------------------------------


@settings(max_examples=examples(160, deep=1250), deadline=None)
@given(ANYTHING, st.booleans())
def test_a_step_gives_the_loss_and_values_that_it_returned_or_an_error_that_names_it(
    found: Any, uses_outputs: bool
) -> None:
    try:
        result = read_result(found, method, "method(model, batch)", uses_outputs=uses_outputs)
    except TaskError as error:
        assert str(error).startswith(PLACE)
        assert "method(model, batch) must return" in str(error) or "the name of another pane" in str(error)
        return
    loss, extra = found if isinstance(found, (tuple, list)) else (found, None)
    assert result.loss is loss
    assert loss.shape == ()
    assert numbers_of(loss) is not None
    if result.values:
        # nothing that has a name is lost, or changed
        assert list(result.values) == [str(name) for name in extra]
        assert not {"loss", "lr"} & set(result.values)
        for value, given_value in zip(result.values.values(), extra.values(), strict=True):
            assert same(float(value), (numbers_of(given_value) or [math.inf])[0])
            assert not (isinstance(value, torch.Tensor) and value.requires_grad)
    else:
        assert result.outputs is extra
        assert uses_outputs or type(extra) is not dict or not extra or "loss" in extra


@settings(max_examples=examples(100, deep=750), deadline=None)
@given(ANYTHING)
def test_step_metrics_are_the_numbers_that_were_returned_or_an_error_that_names_them(found: Any) -> None:
    expected = {}
    if isinstance(found, Mapping):
        expected = {name: numbers_of(value) for name, value in found.items()}
    try:
        values = read_values(found, method, "method(model)")
    except TaskError as error:
        assert str(error).startswith(PLACE)
        is_mapping = isinstance(found, Mapping)
        has_shapes = is_mapping and any(
            getattr(value, "shape", ()) != () for value in found.values() if not_nested(value)
        )
        has_taken = {"loss", "lr"} & set(map(str, expected)) or len(set(map(str, expected))) < len(expected)
        assert not is_mapping or has_shapes or has_taken or None in expected.values() or [] in expected.values()
    else:
        assert list(values) == [str(name) for name in expected]
        for value, numbers in zip(values.values(), expected.values(), strict=True):
            assert numbers is not None
            assert same(float(value), *numbers)


def not_nested(value: Any) -> bool:
    return not (isinstance(value, torch.Tensor) and value.is_nested)


COUNTS = st.lists(st.integers(0, 40), min_size=2, max_size=5)
FINITE = st.floats(-200, 200, width=16)


@given(COUNTS, st.data())
@settings(max_examples=examples(80, deep=1000), deadline=None)
def test_named_values_of_several_batches_are_weighted_by_samples_whatever_their_type(
    counts: list[int], data: st.DataObject
) -> None:
    dtypes = st.sampled_from([torch.uint8, torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.float32, None])
    values = []
    for _ in counts:
        number, dtype = data.draw(st.sampled_from([0.0, 1.0, 100.0, 127.0])), data.draw(dtypes)
        values.append({"a": number if dtype is None else torch.tensor(number).to(dtype)})
    exact = [float(each["a"]) for each in values]
    expected = sum(map(float.__mul__, exact, map(float, counts))) / sum(counts) if sum(counts) else math.nan
    assert same(float(mean_values(values, counts)["a"]), expected)


# -- metrics -----------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(160, deep=1000), deadline=None)
@given(st.one_of(st.dictionaries(KEYS, LEAVES, max_size=3), ANYTHING))
def test_metrics_are_the_numbers_that_were_returned_or_an_error_that_names_them(found: Any) -> None:
    sums = MetricSums(torch.device("cpu"))
    try:
        values = checked_metrics(found, method, "EXPECTED")
    except TaskError as error:
        assert str(error).startswith(PLACE)
        assert "EXPECTED" in str(error) or "reserved for the test loss" in str(error)
        return
    for name, value in values.items():
        sums.add(name, value, 6)
    assert list(values) == [str(name) for name in found]
    means = sums.means() if values else {}
    for name, given_value in zip(means, found.values(), strict=True):
        numbers = numbers_of(given_value)
        assert numbers is not None
        assert same(means[name], sum(numbers) / len(numbers) if numbers else math.nan)


@settings(max_examples=examples(80, deep=1000), deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_metrics_of_a_test_set_do_not_depend_on_its_batches(sizes: list[int], data: st.DataObject) -> None:
    all_values = torch.tensor([data.draw(FINITE) for _ in range(sum(sizes))], dtype=torch.float64)
    exact = float(all_values.mean())
    sums = MetricSums(torch.device("cpu"))
    for values, size in zip(all_values.split(sizes), sizes, strict=True):
        forms = {
            "per sample": values,
            "column": values[:, None],
            "repeated": values[:, None].expand(size, 3),
            "mean": values.mean(),
            "number": float(values.mean()),
            "array": values.numpy(),
            "mean kept": values.mean(dim=0, keepdim=True),
            "per class": values.mean().expand(7),
            "squeezed": values.squeeze(),
        }
        for name, value in checked_metrics(forms, method, "EXPECTED").items():
            sums.add(name, value, size)
    for name, mean in sums.means().items():
        assert mean == pytest.approx(exact, rel=1e-9, abs=1e-9), name


@settings(max_examples=examples(80, deep=1000), deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=9), min_size=1, max_size=4), st.data())
def test_a_selection_of_the_samples_is_averaged_over_its_elements(
    batches: list[list[bool]], data: st.DataObject
) -> None:
    sums, chosen = MetricSums(torch.device("cpu")), []
    for hits in batches:
        kept = data.draw(st.lists(st.sampled_from(hits), min_size=2, max_size=9))
        sums.add("a", torch.tensor(kept), len(hits))
        chosen += kept
    assert sums.means()["a"] == pytest.approx(sum(chosen) / len(chosen))


# -- batches -----------------------------------------------------------------------------------------------------------


class One(nn.Module):
    def forward(self, inputs: Any) -> Any: ...


class Two(nn.Module):
    def forward(self, first: Any, second: Any) -> Any: ...


class Optional(nn.Module):
    def forward(self, inputs: Any = None, labels: Any = None) -> Any: ...


class Named(nn.Module):
    def forward(self, *, inputs: Any) -> Any: ...


class Masked(nn.Module):
    def forward(self, inputs: Any, *, a: Any) -> Any: ...


class Anything(nn.Module):
    def forward(self, *args: Any, **kwargs: Any) -> Any: ...


class Nothing(nn.Module):
    def forward(self) -> Any: ...


MODELS = [One(), Two(), Optional(), Named(), Masked(), Anything(), Nothing(), nn.Sequential()]


def leaves(value: Any) -> list[int]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (Fields, SimpleNamespace)):
        value = list(vars(value).values())
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(item)]
    return [id(value)]


@settings(max_examples=examples(160, deep=1000), deadline=None)
@given(ANYTHING, st.sampled_from(MODELS), st.booleans())
def test_a_batch_is_passed_in_a_way_that_forward_takes_or_refused_with_its_signature(
    batch: Any, model: nn.Module, has_loss: bool
) -> None:
    try:
        call = BatchReader(model, has_loss).read(batch)
    except TaskError as error:
        if not isinstance(batch, (tuple, list)) or batch:
            assert "a batch does not fit the model" in str(error)
            assert "forward(" in str(error)
            assert "step(model, batch)" in str(error)
        return
    inspect.signature(model.forward).bind(*call.args, **call.kwargs)
    # each part of the batch goes to the model or to the loss, and nothing is made up
    given_leaves = set(leaves(batch))
    used = {*leaves(call.args), *leaves(dict(call.kwargs)), *leaves(call.targets)}
    assert used <= given_leaves | {id(batch)}
    if has_loss:
        assert given_leaves <= used
    describe_batch(batch)


@settings(max_examples=examples(160, deep=1000), deadline=None)
@given(ANYTHING)
def test_a_batch_is_moved_as_it_is_or_refused_with_its_type(batch: Any) -> None:
    try:
        moved = to_device(batch, torch.device("cpu"))
    except TaskError as error:
        assert f"Fails ({__file__}, line" in str(error) or "on the device meta" in str(error)
        assert "expected tensors" in str(error)
    else:
        assert type(moved) is type(batch) or isinstance(batch, MappingProxyType)
        assert leaves(moved) == leaves(batch)
    count = sample_count(batch)
    assert isinstance(count, int)
    assert count >= 0


def test_a_packed_sequence_is_moved_by_its_own_method() -> None:
    packed = pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])
    moved = to_device((packed, [1]), torch.device("cpu"))[0]
    assert isinstance(moved, PackedSequence)
    assert to_device(packed, torch.device("meta")).data.is_meta


INPUTS = st.sampled_from(
    [
        lambda n: torch.zeros(n, 3),
        lambda n: np.zeros((n, 3)),
        lambda n: [torch.zeros(3, 2 + i) for i in range(n)],
        lambda n: (torch.zeros(n, 3), torch.zeros(n, 5)),
        lambda n: {"ids": torch.zeros(n, 3), "mask": torch.zeros(n, 3)},
        lambda n: np.zeros((n, 3, 4, 4), dtype="f4"),
    ]
)
TARGETS = st.sampled_from(
    [
        lambda n: torch.zeros(n),
        lambda n: np.zeros(n),
        lambda n: np.array(["text"] * n),
        lambda n: [0] * n,
        lambda n: [{"boxes": torch.zeros(2 + i, 4), "labels": torch.zeros(2 + i)} for i in range(n)],
        lambda n: {"class": torch.zeros(n), "box": torch.zeros(n, 4)},
    ]
)


@settings(max_examples=examples(80, deep=1000), deadline=None)
@given(st.integers(1, 12), INPUTS, TARGETS, st.sampled_from(["tuple", "list", "dict", "object", "dataclass"]))
def test_the_samples_of_a_batch_are_counted_in_every_form(n: int, inputs: Any, targets: Any, form: str) -> None:
    x, y = inputs(n), targets(n)
    match form:
        case "tuple":
            batch: Any = (x, y)
        case "list":
            batch = [x, y]
        case "dict":
            batch = {"inputs": x, "targets": y}
        case "object":
            batch = SimpleNamespace(inputs=x, targets=y)
        case _:
            batch = Fields(x, y)
    assert sample_count(batch) == n


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_samples_that_no_loader_has_collated_are_counted(n: int) -> None:
    assert sample_count([(torch.zeros(3, 8, 8), 1)] * n) == n
    assert sample_count([(np.zeros((3, 8, 8)), torch.tensor(1))] * n) == n
    assert sample_count([{"image": torch.zeros(3, 8, 8), "label": 1}] * n) == n


# -- whole runs --------------------------------------------------------------------------------------------------------


class Returns(Tiny):
    """A task that returns something odd at one of its calls."""

    metrics = None  # type: ignore[assignment]

    def __init__(self, where: str, returned: Any, number: int) -> None:
        super().__init__()
        self.where, self.returned, self.number = where, returned, number
        self.calls = 0
        if where == "metrics":
            self.metrics = self._metrics  # type: ignore[method-assign,assignment]
        elif where == "step_metrics":
            self.step_metrics = self._step_metrics
        elif where == "loss":
            self.loss = self._loss  # type: ignore[method-assign]
        else:
            setattr(self, where, getattr(self, f"_{where}"))

    def _odd(self, usual: Any) -> Any:
        self.calls += 1
        return self.returned if self.calls == self.number else usual

    def _step(self, model: nn.Module, batch: Any) -> Any:
        return self._odd(Tiny.loss(self, model(batch[0]), batch[1]))

    _test_step = _step

    def _loss(self, outputs: Any, targets: Any) -> Any:
        return self._odd(Tiny.loss(self, outputs, targets))

    def _metrics(self, outputs: Any, targets: Any) -> Any:
        return self._odd({"a": 0.5})

    def _step_metrics(self, model: nn.Module) -> Any:
        return self._odd({"a": 0.5})


@pytest.mark.deep
@settings(max_examples=examples(20, deep=600), deadline=None)
@given(st.sampled_from(["step", "test_step", "loss", "metrics", "step_metrics"]), ANYTHING, st.sampled_from([1, 2, 4]))
def test_a_run_ends_with_the_numbers_that_were_returned_or_with_an_error_that_names_the_method(
    where: str, returned: Any, number: int
) -> None:
    events = run_events(tiny_spec(epochs=1), task=Returns(where, returned, number))
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    if finished.outcome == "failed":
        error = str(finished.error)
        assert where in error
        assert "test_task_fuzzing.py, line" in error
        assert "must return" in error or "reserved" in error or "another pane" in error or "does not depend" in error
        return
    for event in events:
        if isinstance(event, (StepDone, EvalDone)) and finished.outcome == "done":
            assert math.isfinite(event.loss) or where == "test_step"


class Batched(Tiny):
    """A task whose loader makes one odd batch."""

    def __init__(self, batch: Any) -> None:
        super().__init__()
        self.batch = batch

    def training_data(self) -> Any:
        usual = list(zip(self.inputs[:96].split(16), self.targets[:96].split(16), strict=True))
        return [*usual[:3], self.batch, *usual[3:]]


@pytest.mark.deep
@settings(max_examples=examples(20, deep=400), deadline=None)
@given(ANYTHING)
def test_an_odd_batch_ends_a_run_with_an_error_about_it(batch: Any) -> None:
    finished = run_events(tiny_spec(epochs=1), task=Batched(batch))[-1]
    assert isinstance(finished, RunFinished)
    if finished.outcome == "failed":
        expected = ("a batch", "the model fails on inputs", "loss fails on outputs", "training_data()", "loss (")
        assert any(text in str(finished.error) for text in expected), finished.error
