"""What the kernel says of a connection, and when it says nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from connections.tcp_info import tcp_info


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:
            yield near, far


def test_a_connection_of_this_machine(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    for _ in range(5):
        near.sendall(b"?")
        far.recv(1)
    info = tcp_info(near)
    assert info is not None
    assert 0 < info.min_rtt_ms <= info.rtt_ms < 100
    assert info.rttvar_ms < 100
    assert info.retransmissions < 5
    assert info.path_mtu == 65535 or info.path_mtu >= 1280


def test_what_is_closed_says_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    near.close()
    assert tcp_info(near) is None


def test_a_unix_socket_has_no_road() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert tcp_info(near) is None


@pytest.mark.parametrize("said", [b"", bytes(100)])
def test_an_older_kernel_that_says_less_is_not_read_past_its_end(
    said: bytes, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "getsockopt", lambda *asked: said)
    assert tcp_info(pair[0]) is None


def test_a_round_trip_that_was_never_measured_is_not_seventy_minutes(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = bytearray(152)
    held[68:72] = (24_250).to_bytes(4, "little")
    held[148:152] = b"\xff" * 4
    monkeypatch.setattr(socket.socket, "getsockopt", lambda *asked: bytes(held))
    info = tcp_info(pair[0])
    assert info is not None
    assert (info.rtt_ms, info.min_rtt_ms) == (24.25, 24.25)
