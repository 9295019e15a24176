"""The port of a driver: workers connect with their key, and nothing else that connects disturbs it."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import AuthenticationError

import pytest
from waiting import wait_for

from lrtui.distributed import channel as channel_module
from lrtui.distributed import driver_port
from lrtui.distributed.channel import ADDRESS_VARIABLE, KEY_VARIABLE, NAME_VARIABLE, Channel, ChannelError, connect
from lrtui.distributed.driver_port import DriverPort, expect_worker, forget_worker, worker_count
from lrtui.distributed.launcher import LOOPBACK
from lrtui.distributed.message import Message
from lrtui.run.daemon_thread import DaemonThread


class Handler:
    """Notes what a port calls."""

    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.messages: list[Message] = []
        self.ends: list[str] = []

    def take_channel(self, channel: Channel, role: str) -> None:
        self.channel = channel

    def take(self, message: Message, role: str) -> None:
        if message.kind == "bad":
            raise KeyError("bad")
        self.messages.append(message)

    def take_end(self, reason: str, role: str) -> None:
        self.ends.append(reason)


@pytest.fixture
def port() -> Iterator[DriverPort]:
    port = DriverPort(LOOPBACK)
    yield port
    port.close()


def test_workers_send_and_receive(port: DriverPort) -> None:
    first, second = Handler(), Handler()
    channels = [connect(port.expect(name, handler)) for name, handler in (("a", first), ("b", second))]
    for channel, count in zip(channels, (3, 2), strict=True):
        for number in range(count):
            channel.send(Message("number", {"is": number}))
    wait_for(lambda: len(first.messages) == 3 and len(second.messages) == 2)
    assert [message.body["is"] for message in first.messages] == [0, 1, 2]
    assert first.channel is not None
    first.channel.send(Message("answer"))
    assert channels[0].receive() == Message("answer")
    # a worker that is gone, and one that sends what nobody expects, end their own channels
    channels[0].close()
    channels[1].send(Message("bad"))
    wait_for(lambda: first.ends and second.ends)
    assert first.ends == ["the connection was closed"]
    assert second.ends == ["it has sent something else than expected: KeyError: 'bad'"]
    with pytest.raises(ChannelError):
        channels[1].receive()
    with pytest.raises(ChannelError):
        first.channel.send(Message("answer"))


def test_what_has_no_key_does_not_disturb_the_others(port: DriverPort) -> None:
    handler = Handler()
    environment = port.expect("a", handler)
    where, _, number = environment[ADDRESS_VARIABLE].rpartition(":")
    address = (where, int(number))
    silent = [socket.create_connection(address) for _ in range(5)]
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"", struct.pack("!i", 1 << 30), struct.pack("!i", 20)):
        with socket.create_connection(address) as other, suppress(OSError):
            other.sendall(garbage)
    for key in ("00" * 32, os.urandom(32).hex(), ""):
        with pytest.raises((ChannelError, AuthenticationError)):
            connect({**environment, KEY_VARIABLE: key})
    with pytest.raises(ChannelError, match="the run of this worker is over"):
        connect({**environment, NAME_VARIABLE: "b"})
    channel = connect(environment)
    channel.send(Message("hello again"))
    wait_for(lambda: handler.messages)
    assert not handler.ends
    channel.close()
    for sock in silent:
        sock.close()


def test_a_worker_connects_again_while_others_take_all_of_the_ports_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_port, "MAX_GREETINGS", 2)
    monkeypatch.setattr(driver_port, "GREETING_SECONDS", 1.0)
    port, handler = DriverPort(LOOPBACK), Handler()
    environment = port.expect("a", handler)
    where, _, number = environment[ADDRESS_VARIABLE].rpartition(":")
    silent = [socket.create_connection((where, int(number))) for _ in range(8)]
    channel = connect(environment)
    channel.send(Message("hello again"))
    wait_for(lambda: handler.messages)
    channel.close()
    port.close()
    for sock in silent:
        sock.close()


def test_a_worker_connects_again_when_its_driver_could_not_start_a_thread(
    port: DriverPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter(range(2))

    class Refused(DaemonThread):
        def start(self) -> None:
            if next(refusals, None) is not None:
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(driver_port, "DaemonThread", Refused)
    handler = Handler()
    channel = connect(port.expect("a", handler))
    channel.send(Message("hello again"))
    wait_for(lambda: handler.messages)
    channel.close()


def test_a_worker_that_is_never_taken_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(driver_port, "MAX_GREETINGS", 1)
    port = DriverPort(LOOPBACK)
    environment = port.expect("a", Handler())
    where, _, number = environment[ADDRESS_VARIABLE].rpartition(":")
    with socket.create_connection((where, int(number))), pytest.raises(ChannelError, match="it closes the connection"):
        connect(environment)
    port.close()


def test_a_worker_of_another_version_is_refused(port: DriverPort, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = Handler()
    environment = port.expect("a", handler)
    monkeypatch.setattr(channel_module, "VERSION", "0.0.1")
    with pytest.raises(ChannelError, match=r"this worker has lrtui 0\.0\.1, and the process that started the run has"):
        connect(environment)
    wait_for(lambda: handler.ends)
    assert "install the same version" in handler.ends[0]


def test_a_port_is_open_as_long_as_there_are_workers() -> None:
    # runs of earlier tests may be about to end
    wait_for(lambda: worker_count(LOOPBACK) == 0)
    environments = [expect_worker(LOOPBACK, name, Handler()) for name in "ab"]
    assert worker_count(LOOPBACK) == 2
    assert environments[0][ADDRESS_VARIABLE] == environments[1][ADDRESS_VARIABLE]
    channel = connect(environments[0])
    for name in "ab":
        forget_worker(LOOPBACK, name)
    with pytest.raises(ChannelError, match="can't connect"):
        connect(environments[1])
    channel.send(Message("still there"))
    channel.close()
    wait_for(lambda: not any(thread.name == "worker-port" for thread in threading.enumerate()))
    with pytest.raises(ChannelError, match="LRTUI_WORKER_ADDRESS is not set"):
        connect({})


def test_a_driver_may_have_more_workers_than_open_files_at_its_start() -> None:
    code = (
        "import resource; most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))\n"
        "from lrtui.distributed.driver_port import DriverPort\n"
        "port = DriverPort('127.0.0.1')\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE) == (min(most, 65536), most))\n"
        "port.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout == "True\n"
