"""The network interface by which the processes of one run on several machines exchange tensors."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from ipaddress import ip_address

import psutil

VARIABLE = "GLOO_SOCKET_IFNAME"
"""The environment variable that tells gloo the interface."""

ELSEWHERE = ("192.0.2.1", "2001:db8::1")
"""Addresses that no machine has (RFC 5737, RFC 3849), which only the default route leads to."""


def choose_interface(environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell gloo an interface if it would take a loopback address, which other machines can't reach.

    Gloo takes the address of the host name, which Debian and Ubuntu map to 127.0.1.1 in /etc/hosts.

    Args:
        environment: that of a process that torchrun has started; the variable is added to it.
    """
    if VARIABLE in environment or environment.get("LOCAL_WORLD_SIZE") == environment.get("WORLD_SIZE"):
        return
    address = _address_of_host_name()
    if address and not _is_loopback(address):
        return
    if name := _interface_towards(environment.get("MASTER_ADDR", "")):
        environment[VARIABLE] = name


def _address_of_host_name() -> str:
    """Return the first address of the host name that this machine has; an empty string if there is none."""
    with suppress(OSError):
        for family, kind, protocol, _, address in socket.getaddrinfo(socket.gethostname(), 0, type=socket.SOCK_STREAM):
            with suppress(OSError), socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
                return str(address[0])
    return ""


def _interface_towards(host: str) -> str:
    """Return the name of the interface towards a host, or else to the network; an empty string without one."""
    for target in (host, *ELSEWHERE):
        address = _own_address_towards(target)
        if address and not _is_loopback(address):
            for name, addresses in psutil.net_if_addrs().items():
                if any(each.address.partition("%")[0] == address for each in addresses):
                    return str(name)
    # a network without a way out: the first interface that has an address
    for name, state in psutil.net_if_stats().items():
        families = {each.family for each in psutil.net_if_addrs().get(name, ()) if not _is_loopback(each.address)}
        if state.isup and families & {socket.AF_INET, socket.AF_INET6}:
            return str(name)
    return ""


def _own_address_towards(host: str) -> str:
    """Return this machine's address in connections to a host; an empty string if no route leads there."""
    with suppress(OSError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM):
            # of a datagram socket, this sends nothing
            with suppress(OSError), socket.socket(family, kind, protocol) as probe:
                probe.connect(address)
                return str(probe.getsockname()[0]).partition("%")[0]
    return ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
