"""The interface that gloo is told, where the host name leads to a loopback address."""

from __future__ import annotations

import socket
from typing import Any

import psutil
import pytest

from lrtui.distributed.lost_machine import own_addresses
from lrtui.distributed.network_interface import VARIABLE, choose_interface

TWO_MACHINES = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "192.0.2.7"}


@pytest.fixture(autouse=True)
def host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host name lead to a loopback address, as Debian's /etc/hosts does."""
    monkeypatch.setattr(socket, "gethostname", lambda: "localhost")


def test_an_interface_of_the_network_is_chosen() -> None:
    if not own_addresses():
        pytest.skip("this machine has no address by which others could reach it")
    environment = dict(TWO_MACHINES)
    choose_interface(environment)
    addresses = [each.address for each in psutil.net_if_addrs()[environment[VARIABLE]]]
    assert "127.0.0.1" not in addresses
    assert "::1" not in addresses


@pytest.mark.parametrize("also", [{VARIABLE: "eth7"}, {"LOCAL_WORLD_SIZE": "2"}])
def test_the_users_choice_and_a_single_machine_need_none(also: dict[str, str]) -> None:
    environment = {**TWO_MACHINES, **also}
    choose_interface(environment)
    assert environment == {**TWO_MACHINES, **also}


def test_a_host_name_with_an_address_of_the_network_is_left_to_gloo(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bound(socket.socket):
        def bind(self, address: Any) -> None: ...

    monkeypatch.setattr(socket, "socket", Bound)
    monkeypatch.setattr(socket, "gethostname", lambda: "192.0.2.1")
    environment = dict(TWO_MACHINES)
    choose_interface(environment)
    assert VARIABLE not in environment
