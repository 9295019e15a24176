"""`lrtui.attach`: shows a training script of the user's own, and controls its lr."""

from __future__ import annotations

import gc
import numbers
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from lrtui.attached.attachment import Attachment, read_optimizers, read_schedulers
from lrtui.attached.publisher import say
from lrtui.attached.ranks import Ranks
from lrtui.attached.run import AttachedRun
from lrtui.attached.run_commands import OnStop
from lrtui.run.arguments import check_argument
from lrtui.run.errors import LrtuiError, UsageError, describe_exception
from lrtui.run.spec import MAX_COUNT, MAX_EPOCHS

DISABLED = "LRTUI_DISABLED"
"""Environment variable; with any value but 0 and the empty one `attach` does nothing."""

_runs: list[weakref.ref[AttachedRun]] = []
"""The runs of this process."""


class DisabledRun:
    """What `attach` returns where it is disabled or has failed: the same methods, which do nothing.

    Args:
        length: epochs of the script, for `epochs`.
    """

    number = None
    store_folder = None
    stopped = False

    def __init__(self, length: int | None) -> None:
        self._length = length

    def log(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Do nothing."""

    def log_eval(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Do nothing."""

    def epochs(self, start: int = 0) -> Iterator[int]:
        """Yield the epochs from `start` on."""
        epoch = start
        while self._length is None or epoch < self._length:
            yield epoch
            epoch += 1

    def finish(self, error: str | None = None) -> None:
        """Do nothing."""

    def __enter__(self) -> DisabledRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return


def attach(
    optimizer: Any,
    scheduler: Any = None,
    *,
    epochs: int | None = None,
    batches_per_epoch: int | None = None,
    batches_per_step: int = 1,
    name: str | None = None,
    store: str | os.PathLike[str] | None = None,
    evaluate: Callable[[], Any] | None = None,
    checkpoint: Callable[[], Any] | None = None,
    on_stop: OnStop = "raise",
) -> AttachedRun | DisabledRun:
    """Show the training of this script in the cockpit, and let its lr be controlled from there.

    ```
    run = lrtui.attach(optimizer, scheduler, epochs=10, batches_per_epoch=len(loader))
    for epoch in range(10):
        for inputs, targets in loader:
            ...
            optimizer.step()
            scheduler.step()
            run.log(loss=loss)
        run.log_eval(loss=test_loss, accuracy=accuracy)
    ```

    The lr is read, and commands are carried out, at each `optimizer.step()`. `scheduler.step()` steps whatever schedule
    is in force. A failure of lrtui or its store is printed once, and the script goes on without it. With the
    environment variable `LRTUI_DISABLED=1` nothing is done.

    Args:
        optimizer: an optimizer, or several by name.
        scheduler: the scheduler, a list of several, None, or these by the names of the optimizers.
        epochs: epochs of the script; schedules of a switch that need the length of the run use it.
        batches_per_epoch: batches per epoch, `len(loader)`.
        batches_per_step: batches per optimizer step, with gradient accumulation.
        name: a name for the run.
        store: folder of the store; None for `LRTUI_STORE` or `.lrtui` here, "none" to record nothing.
        evaluate: runs a test for the command `evaluate`, and returns its results by name, or calls `run.log_eval`.
        checkpoint: saves a checkpoint for the command `checkpoint`, and may return its path.
        on_stop: what the command `stop` does: "raise" raises `lrtui.Stopped` out of `optimizer.step()`, "flag" sets
            `run.stopped`.

    Raises:
        UsageError: for an argument of the wrong kind.
    """
    check_arguments(epochs, batches_per_epoch, batches_per_step, name, evaluate, checkpoint, on_stop)
    if is_disabled():
        return DisabledRun(epochs)
    combined = read_optimizers(optimizer)
    attachment = Attachment(
        combined,
        read_schedulers(scheduler, combined),
        None if epochs is None else int(epochs),
        None if batches_per_epoch is None else -(-int(batches_per_epoch) // int(batches_per_step)),
        int(batches_per_step),
        name,
        None if store is None else os.fspath(store),
    )
    return begin(attachment, evaluate=evaluate, checkpoint=checkpoint, on_stop=on_stop)


def is_disabled() -> bool:
    """Return whether the environment says that nothing is attached."""
    return os.environ.get(DISABLED, "0") not in ("", "0")


def begin(
    attachment: Attachment,
    *,
    evaluate: Callable[[], Any] | None = None,
    checkpoint: Callable[[], Any] | None = None,
    on_stop: OnStop = "raise",
) -> AttachedRun | DisabledRun:
    """Begin the run of an attachment; see `attach`."""
    ranks = None
    try:
        _finish_earlier_runs(attachment)
        ranks = Ranks.of_process(say)
        # rank 0 records for all
        folder = attachment.folder if ranks is None or ranks.rank == 0 else None
        run = AttachedRun(attachment, folder, evaluate=evaluate, checkpoint=checkpoint, on_stop=on_stop, ranks=ranks)
    except Exception as error:
        if ranks is not None:
            ranks.leave()
        reason = str(error) if isinstance(error, LrtuiError) else describe_exception(error)
        say(f"the run is not recorded: {reason}. The script goes on")
        return DisabledRun(attachment.epochs)
    _runs.append(weakref.ref(run))
    if run.store_folder is not None:
        say(f"run #{run.number} is recorded in {run.store_folder}: lrtui shows and controls it")
    return run


def check_arguments(
    epochs: Any = None,
    batches_per_epoch: Any = None,
    batches_per_step: Any = 1,
    name: Any = None,
    evaluate: Any = None,
    checkpoint: Any = None,
    on_stop: Any = "raise",
) -> None:
    """Check the arguments of `attach` that are no optimizers or schedulers.

    Raises:
        UsageError: for an argument of the wrong kind.
    """
    counts = {
        "epochs": (epochs, MAX_EPOCHS),
        "batches_per_epoch": (batches_per_epoch, MAX_COUNT),
        "batches_per_step": (batches_per_step, MAX_COUNT),
    }
    for argument, (value, most) in counts.items():
        if value is None and argument != "batches_per_step":
            continue
        # numbers of NumPy, too
        check_argument("lrtui.attach", argument, value, numbers.Integral, "a whole number")
        if not 1 <= value <= most:
            raise UsageError(f"lrtui.attach(): {argument} must be from 1 to {most:,}, not {value}")
    check_argument("lrtui.attach", "name", name, (str, type(None)), "text")
    for argument, value in {"evaluate": evaluate, "checkpoint": checkpoint}.items():
        if value is not None and not callable(value):
            raise UsageError(f"lrtui.attach(): {argument} must be a function, not {value!r:.60}")
    if on_stop not in ("raise", "flag"):
        raise UsageError(f'lrtui.attach(): on_stop must be "raise" or "flag", not {on_stop!r:.60}')


def _finish_earlier_runs(attachment: Attachment) -> None:
    """End the runs of this process that trained the same optimizer, or are complete, or whose optimizer is gone."""
    if _runs:
        # an optimizer and its scheduler refer to each other
        gc.collect()
    for reference in _runs:
        run = reference()
        if run is not None and run.is_finished_by(attachment):
            run.finish()
    _runs[:] = [reference for reference in _runs if reference() is not None]
