"""Where the engine listens: a Unix socket, or a TCP port that several hosts share."""

import asyncio
import contextlib
import ipaddress
import socket
from pathlib import Path

from settings import TcpAddress

Address = Path | TcpAddress
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NotPrivate(Exception):
    """The address can be reached from outside, and sound is not encrypted."""


async def connect(address: Address) -> Streams:
    """Raises OSError, or NotPrivate, before anything is sent, for a public address."""
    if isinstance(address, Path):
        return await asyncio.open_unix_connection(address)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        check_is_private(writer.get_extra_info("peername")[0])
    except NotPrivate:
        writer.close()
        raise
    return reader, writer


def check_is_private(host: str) -> None:
    """Raises NotPrivate."""
    if not is_private(host):
        raise NotPrivate(
            f"SPEECH_ADDRESS names {host}, which is not an address of a private network: set the "
            "private address of the engine's host there, because sound is sent without encryption"
        )


def is_private(host: str) -> bool:
    """False also for 0.0.0.0, which includes every network of the host."""
    address = ipaddress.ip_address(host)
    return address.is_private and not address.is_unspecified


def is_on_this_machine(address: Address) -> bool:
    """Whether an engine at this address runs here, and not on another host."""
    if isinstance(address, Path):
        return True
    with contextlib.suppress(OSError):
        for family, kind, *_, sockaddr in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe, contextlib.suppress(OSError):
                probe.bind((sockaddr[0], 0))
                return True
    return False


def accepts_connections(address: Address) -> bool:
    """Whether anything accepts connections there."""
    with contextlib.suppress(OSError):
        if isinstance(address, TcpAddress):
            socket.create_connection(address, timeout=1.0).close()
            return True
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(address))
        return True
    return False
