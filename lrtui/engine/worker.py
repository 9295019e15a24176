"""The process that trains a run for another process, its driver: `python -m lrtui.engine.worker`.

A launcher starts it with the address and the key of the driver in its environment. It connects, trains the run that it
is asked to, sends the events and takes commands. If the driver ends, the run is saved and stopped. SIGTERM means that
the machine is needed for something else: the run is saved, and ends for its driver as if the machine were lost.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.distributed.channel import Channel, ChannelError, connect
from lrtui.distributed.event_stream import EventSender
from lrtui.distributed.message import Message
from lrtui.distributed.torchrun import torchrun_rank
from lrtui.engine.own_process import import_torch, own_process, tune_memory, tune_thread
from lrtui.engine.time_slice import COMPUTING_SECONDS
from lrtui.engine.worker_folder import worker_folder
from lrtui.engine.worker_rank import end_with_parent, enter, follow_rank_0, joined_group
from lrtui.engine.worker_request import WorkerRequest, error_to_json
from lrtui.run.command_json import command_from_json
from lrtui.run.commands import Stop
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError, StoreError
from lrtui.run.events import Event, Notice, RunFinished
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.training.reporter import Reporter, finish_run

if TYPE_CHECKING:
    from lrtui.training.checkpoint.policy import Checkpoints

ABANDONED = "the process that started the run ended"

TERMINATED = "the worker was asked to end (SIGTERM)"

SAVE_SECONDS = 300.0
"""Seconds that a run may take to stop after its driver has ended."""


class Worker:
    """Trains one run for a driver.

    Args:
        channel: to the driver.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._feed, self._inbox = LiveFeed(), Inbox()
        self._early: list[Message] = []
        """Messages that came before the whole request."""
        self._resources = ExitStack()
        """What is removed at the end: the folder of this worker's own checkpoints, if it has files of its own."""
        self._request = self._receive_request()
        self._reporter = Reporter(self._feed, next_seq=self._request.next_seq)
        self._sender = EventSender(self._feed, channel, sends_files=self._request.sends_files, keep=self._is_sent)
        self._stored_seq: float = -1
        self._removed: list[str] = []
        self._lost = ""
        self._is_abandoned = self._is_terminated = self._is_end_withheld = self._has_ended = False
        self._is_over = False
        """Whether the run's last event has been taken to be sent."""
        self._may_leave = threading.Event()

    def work(self) -> int:
        """Train the run and return the exit status."""
        self._sender.start()
        DaemonThread(self._listen, "command-reader").start()
        # in a thread of its own: this one may be changing the inbox when the signal arrives
        signal.signal(signal.SIGTERM, lambda *_: DaemonThread(self.terminate, "termination").start())
        with self._resources:
            enter(self._request.directory, self._request.path)
            checkpoints = self._checkpoint_policy()
            error = self._train(checkpoints)
            self._has_ended = True
            self._sender.finish()
            return self._report_end(error, checkpoints)

    def _receive_request(self) -> WorkerRequest:
        """Return what is to be trained; a worker with files of its own has a folder for its checkpoints then."""
        request = WorkerRequest.of_json(self._channel.receive().body)
        if not request.sends_files:
            return request
        with ExitStack() as resources:
            request = request.with_checkpoint_in(resources.enter_context(worker_folder()))
            if request.resume_point is not None:
                self._receive_file(request.resume_point.checkpoint)
            self._resources = resources.pop_all()
        return request

    def _receive_file(self, path: Path) -> None:
        with path.open("wb") as file:
            is_complete = False
            while not is_complete:
                message = self._channel.receive()
                if message.kind != "file":
                    self._early.append(message)
                    continue
                file.write(message.columns[0].data)
                is_complete = message.body["last"]

    def _checkpoint_policy(self) -> Checkpoints:
        from lrtui.training.checkpoint.policy import Checkpoints

        return Checkpoints(
            self._request.checkpoints,
            every_seconds=self._request.spec.checkpoint_seconds,
            run_uid=self._request.run_uid,
            check_owner=self._check_owner,
            is_stored=lambda seq: seq <= self._stored_seq,
            remove=self._remove,
        )

    def _check_owner(self) -> None:
        if self._lost:
            raise StoreError(self._lost)

    def _remove(self, path: Path) -> None:
        # the driver removes its file unless a branch starts from it
        if self._request.sends_files:
            path.unlink(missing_ok=True)
        if self._has_ended:
            self._removed.append(path.name)
        else:
            self._sender.note_removed(path.name)

    def _train(self, checkpoints: Checkpoints) -> LrtuiError | None:
        tune_thread(COMPUTING_SECONDS)
        self._reporter.notice("importing", "importing PyTorch")
        try:
            import_torch()
            from lrtui.training.random_state import own_random_states
            from lrtui.training.train import train
        except Exception as error:  # a broken installation can raise anything, and must be seen
            text = f"PyTorch can't be imported: {error}"
            finish_run(self._inbox, self._reporter, "failed", text)
            return LrtuiError(text)
        tune_memory()
        try:
            group = joined_group((self._request.directory, self._request.path))
        except Exception as error:  # torch.distributed raises RuntimeError and others
            text = f"the processes of the run can't be connected: {error}"
            finish_run(self._inbox, self._reporter, "failed", text)
            return LrtuiError(text)
        with own_random_states():
            failure = train(
                self._request.spec,
                self._inbox,
                self._reporter,
                checkpoints=checkpoints,
                resume_point=self._request.resume_point,
                group=group,
            )
        group.close()
        return failure

    def _is_sent(self, event: Event) -> bool:
        """Return whether the event is sent: for its driver, the run of a terminated worker has not ended.

        The driver records the warnings itself that come after the last event.
        """
        if self._is_over and isinstance(event, Notice):
            return False
        self._is_over = self._is_over or isinstance(event, RunFinished)
        is_withheld = self._is_terminated and isinstance(event, RunFinished) and event.outcome == "stopped"
        self._is_end_withheld = self._is_end_withheld or is_withheld
        return not is_withheld

    def _report_end(self, error: LrtuiError | None, checkpoints: Checkpoints) -> int:
        """Tell the driver that the run has ended; return the exit status."""
        if self._is_end_withheld:
            return 128 + signal.SIGTERM
        if self._is_abandoned:
            return 1
        # the driver removes them when all events are stored
        self._stored_seq = float("inf")
        with suppress(OSError):
            checkpoints.remove_old_files()
        described = None if error is None else error_to_json(error)
        if described is not None and self._request.sends_files and "notation" not in described:
            # the packages and data of one machine may not be those of another
            described["text"] += f" (on {socket.gethostname()})"
        record = {"error": described, "removed": self._removed}
        with suppress(ChannelError):
            self._channel.send(Message("end", record))
            # closing the connection before everything is read could discard what was sent
            self._may_leave.wait()
        return 0

    # -- other threads ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            for message in self._early:
                self._take(message)
            while True:
                self._take(self._channel.receive())
        except ChannelError:
            self._is_abandoned = True
            self._sender.give_up()
            self._may_leave.set()
            self._inbox.send(Stop(ABANDONED))
            # a run that hangs, or a task that takes forever, must not stay behind
            threading.Event().wait(SAVE_SECONDS)
            os._exit(1)

    def _take(self, message: Message) -> None:
        takers: dict[str, Callable[[Any], object]] = {
            "taken": self._take_acknowledgement,
            "command": lambda body: self._inbox.send(command_from_json(body)),
            "notice": self._take_notice,
            "lost": self._take_loss,
            "leave": lambda _: self._may_leave.set(),
        }
        takers[message.kind](message.body)

    def _take_acknowledgement(self, body: dict[str, Any]) -> None:
        self._stored_seq = max(self._stored_seq, body["stored"])
        self._sender.acknowledge(body["pause"], body["room"])

    def _take_notice(self, body: dict[str, Any]) -> None:
        self._reporter.notice(body["code"], body["text"], body["level"])

    def _take_loss(self, body: dict[str, Any]) -> None:
        """Stop: another process has the run now."""
        self._lost = body["reason"]
        self._inbox.send(Stop(self._lost))

    def terminate(self) -> None:
        """Save the run and end, as if this machine were lost."""
        self._is_terminated = True
        self._inbox.send(Stop(TERMINATED))


def main() -> int:
    """Train what the driver asks for, and return the exit status."""
    # Ctrl-C goes to the driver as well, which stops its runs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rank = torchrun_rank()
    if rank is not None and rank.rank > 0:
        return follow_rank_0()
    try:
        worker = Worker(connect(os.environ))
        if rank is not None:
            end_with_parent(worker.terminate)
        return worker.work()
    except ChannelError as error:
        print(f"lrtui: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    with own_process():
        status = main()
    sys.exit(status)
