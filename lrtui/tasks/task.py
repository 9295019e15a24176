"""The Task protocol: what an object needs to be trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class DataRequest:
    """The data that a run needs.

    Args:
        data_dir: where to look first, and where to download to; None for the user's cache directory.
        train_samples: how many training samples are used, the first ones; None for all.
        test_samples: the same for the test set.
    """

    data_dir: str | None = None
    train_samples: int | None = None
    test_samples: int | None = None


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where the data comes from.

    Args:
        name: name of the data set.
        source: such as `cache` or `download`.
        where: the folder or address.
    """

    name: str
    source: str
    where: str


Say = Callable[[str], None]
"""Takes a progress message of one line."""

Data = Any
"""Training or test data, in one of these forms:

- tensors or numpy arrays of all samples, samples along the first dimension of each: a pair (inputs, targets), nested as
  `(x1, x2), y`, a dict, a single tensor, or a `TensorDataset`; a batch has the same form. This is the fast path, kept
  on the device;
- a `torch.utils.data.Dataset`, or a list of samples such as pairs (inputs, target): batched by the run's
  `--batch-size`, training data in a new order each epoch;
- a `torch.utils.data.DataLoader`, a list of batches, or any other iterable of batches which has a length and can be
  iterated again and again: used as it is, with its order and batch size.

A list that may be one of samples or of batches is refused, with what to write instead.

A batch may have any form. Without a `step` of the task it is read like this, by the parameters of the model's
`forward`:

- a pair is `inputs, targets`: `model(inputs)`, `model(*inputs)` if `forward` requires several, `model(**inputs)` for a
  dict of its parameters;
- in a longer tuple the last entry is the targets if `forward` requires as many inputs as come before it; otherwise the
  first is the inputs;
- of a dict, `model(**batch)` gets the keys that are its parameters; the targets are the others, or `labels`, `label`,
  `targets`, `target` or `y`;
- a tensor is both inputs and targets (autoencoder).

Tensors are moved to the device whatever their nesting.
"""


class Task(Protocol):
    """A model, its data and its loss: any object with these methods, all called from the training thread.

    It needs a loss, too, in one of three ways:

    - `loss(outputs, targets)` returns the mean loss of a batch, a 0-d tensor, or a pair of it and a mapping from names
      to further values of the step;
    - the model returns its loss when it is called with the whole batch: as `.loss` (transformers), as the last or first
      entry of a tuple (`logits, loss`), or alone;
    - `step(model, batch)` computes the loss of a batch in the user's own way. It returns the mean loss, a 0-d tensor,
      or a pair: `(loss, outputs)`, from which `metrics` are computed, or `(loss, {name: value})` with numbers or 0-d
      tensors, which become metrics of the step.

    Everything else is optional:

    - `optimizer(model)` returns the optimizer, whose groups may have a `name`, or a dict of several by name, which step
      together after one `backward()`. Without it, or with `--optimizer`, the optimizer of the settings is used.
    - With a third parameter, `step(model, batch, optimizers)` calls `zero_grad()`, `backward()` and `step()` itself
      (GANs, closures, gradient penalties). `optimizers` is a dict by name; a single optimizer is named `optimizer`. The
      test then uses `test_step`, or `loss`.
    - `test_step(model, batch)` does the same for the test, where named values are averaged over the samples. Without
      it, the test uses `step`, in evaluation mode and without gradients.
    - `metrics(outputs, targets)` returns a mapping from names to values that a test averages: numbers, NumPy arrays or
      tensors, of numbers or bools. An array with a value per sample (or per sample and position; of any shape) is
      averaged over all its elements on the whole test set; a number or a 0-d tensor is a batch's mean, weighted by its
      samples, and so is an array with the same number of elements in batches of different sizes. Return tensors as
      they are: a number read from one makes a GPU wait.
    - `test_metrics(outputs, targets)` is called once after each pass over the test set, with the outputs and targets of
      all batches concatenated along the first dimension: detached, on the CPU, in the nesting of a batch; what can't be
      concatenated is a list of samples. It returns the same kinds of values as `metrics`.
    - `metrics` or `test_metrics` may instead be a mapping from names to objects with `update(outputs, targets)`,
      `compute()` and `reset()`, such as those of torchmetrics, or one such object whose `compute` returns a mapping.
      They are reset before each pass, and moved to the device if they are modules.
    - `state_dict()` and `load_state_dict(state)`: what the task keeps besides its model, saved in checkpoints and
      restored by a resumed run, after `model()`. Tensors, numbers, strings, and dicts and lists of them.
    - `device` and `seed` are attributes that a run sets before `prepare`, unless the task has its own.
    - `best` and `mode` name the metric that decides which result is the best, and whether that is its highest value
      ("max") or its lowest ("min"). Without them it is `accuracy`, a share in [0, 1], or else the test loss.
    - `step_metrics(model)` returns a mapping from names to values of the current step, each a number or a 0-d
      tensor: logged for every step and drawn in a separate pane where there is room, else in the accuracy pane
      (key 3); the names `loss` and `lr` are taken. It is called
      after `backward()` and before the gradients are clipped and the optimizer steps, under `torch.no_grad()`. Return
      tensors as they are: reading them here (`float`, `item`) would make a GPU wait. The gradient norm, for example:

          def step_metrics(self, model):
              gradients = [p.grad for p in model.parameters() if p.grad is not None]
              return {"gradient norm": torch.nn.utils.get_total_norm(gradients)}

    - `prepare(request, say)` is called first, with a `DataRequest`: the place to find or download data
      (`lrtui.tasks.datasets` has the parts for it). `say` takes progress messages. It may return a `DataSource`.
    - `data_set`: a `lrtui.tasks.datasets.DataSet`, of which `lrtui info` shows whether it is on this machine.
    - `schedule`: the schedule of a run whose settings name none, as text; or a method `schedule(horizon)` that returns
      it: a `lrtui.Horizon` has the run's `epochs` and `total_steps`.
    - `name`: shown to the user in place of the class's name.
    - `drop_last = True`, `num_workers = N` and `collate_fn(samples)`: as for a DataLoader, for the batches that lrtui
      makes of a Dataset, a list of samples or, with `collate_fn`, of arrays. `drop_last` is for training data only;
      `test_collate_fn` replaces `collate_fn` for test data.
    - `test_batch_size`: batch size of the test set, in place of `--batch-size`.
    - `training_samples`: a number known without loading anything, from which `lrtui preview` gets an epoch's length.
    """

    def model(self) -> torch.nn.Module:
        """Return a fresh model.

        Called once a run, after the seed is set: weights drawn from torch's global generator depend on it alone.
        """
        ...

    def training_data(self) -> Data:
        """Return the training data, in one of the forms of `Data`."""
        ...

    def test_data(self) -> Data:
        """Return the test data, in one of the forms of `Data`.

        Optional: without it, or if it returns None, nothing is tested. It may be named `validation_data`; a task with
        both is tested on its validation data.
        """
        ...
