"""What travels between engine and window: newline-delimited JSON, with a first line each way.

Knows the shapes and their limits; knows no socket.
"""

from __future__ import annotations

import msgspec

from profiles.requests import PROTOCOL, AnyRequest, Request

MAX_REQUEST_BYTES = 1 << 20
"""A longer line from a window is not a request of ours."""
MAX_EVENT_BYTES = 64 << 20
"""What a window is ready to read as one line: a plan with hundreds of steps is one event."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's first line; ``seq`` is the last event that a window has to wait for."""

    hello: int = 1
    protocol: int = PROTOCOL
    night: str
    version: str
    seq: int


class _Named(msgspec.Struct):
    id: str = ""


_requests = msgspec.json.Decoder(AnyRequest)
_named = msgspec.json.Decoder(_Named)
_welcome = msgspec.json.Decoder(Welcome)


def encode_line(message: Request | Welcome) -> bytes:
    """A request or the welcome as one line, with its line end."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """The request of one line; raises msgspec.MsgspecError, without the line's values in it."""
    request: Request = _requests.decode(line)
    return request


def decode_welcome(line: bytes) -> Welcome:
    """The engine's first line; raises msgspec.MsgspecError when it is none."""
    return _welcome.decode(line)


def id_of(line: bytes) -> str | None:
    """The id of a line that is no request of ours, where it has one."""
    try:
        return _named.decode(line).id or None
    except msgspec.MsgspecError:
        return None
