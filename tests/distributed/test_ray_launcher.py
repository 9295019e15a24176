"""Workers on a Ray cluster: addresses without a cluster."""

from __future__ import annotations

import signal
import socket
import sys
import threading

import pytest

from lrtui.distributed.ray_launcher import RayLauncher
from lrtui.run.errors import LrtuiError, UsageError


@pytest.mark.parametrize("address", ["10.0.0.1", "localhost:", "localhost:0", "localhost:99999", "ray://head:10001"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(UsageError, match="--address takes HOST:PORT of a Ray cluster's head node"):
        RayLauncher(address)


def test_the_environment_variable_of_a_wrong_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "head")
    with pytest.raises(UsageError, match="RAY_ADDRESS takes HOST:PORT"):
        RayLauncher()


def test_an_address_where_nothing_answers_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LrtuiError, match=f"no Ray cluster answers at 127.0.0.1:{port} .--address.: Connection refused"):
        RayLauncher(f"127.0.0.1:{port}")


def test_an_address_of_another_service_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(LrtuiError, match=f"what answers at {address} .--address. is no Ray cluster"):
            RayLauncher(address)
        thread.join()


def test_a_termination_that_ray_takes_reaches_the_handler_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    class Starting:
        """Ray, which has its own handler of SIGTERM from the beginning of `init`."""

        @staticmethod
        def init(*_: object, **__: object) -> None:
            signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
            signal.raise_signal(signal.SIGTERM)

        @staticmethod
        def shutdown() -> None: ...

    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    monkeypatch.setattr("lrtui.distributed.ray_launcher._ray", lambda: Starting)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    try:
        with pytest.raises(LrtuiError):
            RayLauncher()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
