"""Which connections a port accepts."""

from __future__ import annotations

import socket

import pytest

from lrtui.distributed.open_port import open_port


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_other_machines_can_connect_by_both_versions_of_ip(address: str) -> None:
    if address == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6")
    with open_port(is_local=False) as port, socket.create_connection((address, port.getsockname()[1]), 60) as one:
        assert one.getpeername()[0] == address


def test_a_local_port_is_that_of_the_loopback_address() -> None:
    with open_port(is_local=True, backlog=4) as port:
        assert port.getsockname()[0] == "127.0.0.1"
