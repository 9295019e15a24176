"""What rank 0 and the others do when the machine of a rank does not answer any more."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from test_rank_connections import Store

from lrtui.distributed import first_rank, other_rank
from lrtui.distributed.first_rank import FirstRank
from lrtui.distributed.lost_machine import end_connections, is_lost_machine, own_addresses
from lrtui.distributed.other_rank import OtherRank
from lrtui.distributed.rank_error import RankError
from lrtui.distributed.rank_messages import open_connection, receive_record, send_record

SECONDS = 60.0


@pytest.fixture
def own_address() -> str:
    """Return an address of this machine that is not a loopback address."""
    for address in own_addresses():
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
                return address
            except OSError:
                continue
    pytest.skip("this machine has no address by which others could reach it")


@pytest.fixture
def connection(own_address: str) -> Iterator[socket.socket]:
    """Return one end of a connection by that address, as gloo has it."""
    with (
        socket.create_server((own_address, 0)) as server,
        socket.create_connection(server.getsockname()) as near,
        server.accept()[0],
    ):
        near.settimeout(SECONDS)
        yield near


def fail_to_receive(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """Let what a module receives from now on end as the kernel ends a connection to a machine that is lost."""

    def fail(connection: socket.socket) -> dict[str, Any]:
        receive_record(connection)
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(module, "receive_record", fail)


def test_connections_to_a_lost_machine_are_ended_and_no_others(own_address: str, connection: socket.socket) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as local,
        server.accept()[0] as far,
    ):
        end_connections(["", own_address])
        assert connection.recv(1) == b""
        far.sendall(b"x")
        assert local.recv(1) == b"x"


def test_a_rank_whose_machine_is_lost_is_named_and_nothing_waits_for_it(
    own_address: str, connection: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, found = Store(), []
    thread = threading.Thread(target=lambda: found.append(FirstRank(store, 2, SECONDS)))
    thread.start()
    port = int(store.get("port"))
    about = {"token": store.get("token").decode(), "rank": 1, "host": "node2", "addresses": [own_address]}
    ends = [open_connection("127.0.0.1", port, {**about, "is_watched": is_watched}, SECONDS) for is_watched in (0, 1)]
    thread.join(SECONDS)
    first = found[0]
    first.begin_run(lambda because: None)
    fail_to_receive(monkeypatch, first_rank)
    send_record(ends[1], {"run": 1})
    assert connection.recv(1) == b""
    with pytest.raises(RankError, match=r"^rank 1 on node2: its machine can't be reached any more$"):
        first.check()
    first.close()
    for end in ends:
        end.close()


def test_a_rank_that_has_lost_the_machine_of_rank_0_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    store, found = Store(), []
    thread = threading.Thread(target=lambda: found.append(FirstRank(store, 2, SECONDS)))
    thread.start()
    store.get("port")
    rank = OtherRank(store, 1, SECONDS)
    thread.join(SECONDS)
    first = found[0]
    first.begin_run(lambda because: None)
    rank.begin_run(lambda because: None)
    assert not rank.is_first_lost

    def fail(connection: socket.socket, size: int) -> bytes:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(other_rank, "read_exactly", fail)
    with pytest.raises(RankError, match=r"^rank 0: its machine can't be reached any more$") as raised:
        rank.announce(b"")
    rank.end_run(raised.value)
    assert rank.is_first_lost
    rank.close()
    first.close()


def test_a_limit_that_passes_is_no_lost_machine() -> None:
    assert is_lost_machine(OSError(errno.EHOSTUNREACH, "No route to host"))
    assert not is_lost_machine(TimeoutError("timed out"))
    assert not is_lost_machine(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
