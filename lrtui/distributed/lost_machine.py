"""Connections to a machine that is lost, and so will never close them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any

import psutil

_LOST = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


def is_lost_machine(error: BaseException) -> bool:
    """Return whether a connection has ended since the other machine does not answer, not since its process ended."""
    return isinstance(error, OSError) and error.errno in _LOST


def own_addresses() -> list[str]:
    """Return the addresses of this machine that others may reach it by."""
    found = (_plain(each.address) for addresses in psutil.net_if_addrs().values() for each in addresses)
    return sorted(address for address in set(found) if address)


def address_of_peer(connection: socket.socket) -> str:
    """Return the address of the machine at the other end; an empty string if it is this machine."""
    with suppress(OSError):
        return _plain(connection.getpeername()[0])
    return ""


def end_connections(addresses: Iterable[str]) -> None:
    """End all connections of this process to a machine that is lost, in which a library may wait for it for long.

    Args:
        addresses: of the machine, as the functions above return them.
    """
    lost = set(addresses) - {""}
    process: Any = psutil.Process()
    # the name that psutil had for it before version 6
    connections = getattr(process, "net_connections", None) or process.connections
    for each in connections("tcp"):
        if each.raddr and each.fd >= 0 and _plain(each.raddr[0]) in lost:
            # another thread may close it at the same time
            with suppress(OSError), socket.fromfd(each.fd, each.family, each.type) as connection:
                connection.shutdown(socket.SHUT_RDWR)


def _plain(text: str) -> str:
    """Return an IP address without its scope, and as IPv4 where it is one; an empty string for all others."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        # a hardware address
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return "" if address.is_loopback or address.is_unspecified else str(address)
