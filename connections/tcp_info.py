"""What the kernel knows of the road below an open connection, without a packet of ours.

Knows the layout of Linux' ``struct tcp_info`` (linux/tcp.h), which only ever grows at its end.
Must not know what the connection carries.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_STRUCT_BYTES = 152
"""As far as ``tcpi_min_rtt`` (Linux 4.6)."""
_PATH_MTU, _RTT, _RTTVAR, _RETRANSMISSIONS, _MIN_RTT = 60, 68, 72, 100, 148


class TcpInfo(NamedTuple):
    """The kernel's own measurements of one TCP connection."""

    rtt_ms: float
    """The round trip, smoothed (RFC 6298)."""
    rttvar_ms: float
    """How much it changes, smoothed."""
    min_rtt_ms: float
    """The shortest of the last minutes."""
    retransmissions: int
    """Segments sent again since the connection was opened."""
    path_mtu: int
    """Bytes."""


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """What is known of the connection; None where it is not TCP, or the system does not say."""
    if sock.family == socket.AF_UNIX or not hasattr(socket, "TCP_INFO"):
        return None
    try:
        held = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _STRUCT_BYTES)
    except OSError:  # it is closed
        return None
    if len(held) < _STRUCT_BYTES:
        return None
    rtt_us = _number(held, _RTT)
    return TcpInfo(
        rtt_ms=rtt_us / 1000,
        rttvar_ms=_number(held, _RTTVAR) / 1000,
        min_rtt_ms=min(rtt_us, _number(held, _MIN_RTT)) / 1000,  # all ones before the first
        retransmissions=_number(held, _RETRANSMISSIONS),
        path_mtu=_number(held, _PATH_MTU),
    )


def _number(held: bytes, offset: int) -> int:
    number: int = struct.unpack_from("=I", held, offset)[0]
    return number
