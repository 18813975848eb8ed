"""Packet size, throughput, clocks and timings on a road whose truth is known."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checks.network import measure
from checks.network.found import Mtu, Shrunk
from checks.network.measure import run
from connections.host import ThisMachine
from profiles.errors import HostError
from rehearsal.road import Road
from rehearsal.wire import Conditions
from tests.fix_road import OnPlace, listening

pytestmark = pytest.mark.live

PORT = 5432


async def measured(road: Road, host: str, wait_s: float = 0.2) -> Mtu:
    """As `measure.path_mtu`, less patiently."""
    events = await run(OnPlace(road.near), "mtu", [host, "--wait", str(wait_s)], deadline_s=30)
    return measure.found_mtu(OnPlace(road.near), events)


async def test_a_road_that_carries_what_the_interface_does(road: Road) -> None:
    found = await measure.path_mtu(OnPlace(road.near), Road.far_address)
    assert found == Mtu(1500, True, Road.far_address)


@pytest.mark.parametrize(
    ("host", "router"),
    [(Road.far_address, Road.far_router_address), (Road.far_address_v6, "fd77:2::2")],
)
async def test_the_hop_that_takes_only_smaller_packets(road: Road, host: str, router: str) -> None:
    road.shrink(1400)
    found = await measured(road, host)
    assert found == Mtu(1400, True, host, (Shrunk(2, 1400, router, silently=False),))


@pytest.mark.parametrize(
    ("host", "router"),
    [(Road.far_address, Road.near_router_address), (Road.far_address_v6, "fd77:1::1")],
)
async def test_a_black_hole_and_the_hop_before_it(road: Road, host: str, router: str) -> None:
    road.be(Conditions(largest=1350))
    found = await measured(road, host)
    assert found == Mtu(1350, True, host, (Shrunk(1, 1350, router, silently=True),))
    assert found.black_hole == found.shrunk[0]


async def test_a_target_that_is_silent_is_measured_up_to_the_last_router(road: Road) -> None:
    road.far_router.tell("rule add ipproto udp to 10.77.3.0/24 blackhole")
    found = await measured(road, Road.far_address, wait_s=0.15)
    assert found == Mtu(1500, False, Road.near_router_address)


async def test_throughput_is_the_wires_and_the_clocks_are_one(road: Road) -> None:
    road.be(Conditions(delay_ms=5, rate_mbit=80))
    carried = await measure.throughput(
        OnPlace(road.far), OnPlace(road.near), Road.far_address, seconds=1, channels=3
    )
    for rate in (carried.one, carried.several):
        assert 3e6 < rate < 10.1e6
    assert carried.channels == 3
    assert 0.005 <= carried.clock.within_s < 0.5
    assert abs(carried.clock.ahead_s) <= carried.clock.within_s


async def test_throughput_over_ipv6(road: Road) -> None:
    carried = await measure.throughput(
        OnPlace(road.far), OnPlace(road.near), Road.far_address_v6, seconds=0.2, channels=2
    )
    assert carried.one > 1e6


async def test_a_firewall_that_keeps_the_tests_port_shut_says_what_to_do(road: Road) -> None:
    road.far_router.tell("rule add ipproto tcp to 10.77.3.0/24 blackhole")
    with pytest.raises(HostError, match=r"10\.77\.3\.2:\d+: timed out\. A port is opened there"):
        await measure.throughput(
            OnPlace(road.far), OnPlace(road.near), Road.far_address, seconds=0.2
        )


async def test_a_port_that_cannot_be_listened_on_says_why(road: Road) -> None:
    with listening(road.far, PORT), pytest.raises(HostError, match="Address already in use"):
        await measure.throughput(
            OnPlace(road.far), OnPlace(road.near), Road.far_address, port=PORT, listen="::"
        )


async def test_what_a_connection_takes(road: Road) -> None:
    road.be(Conditions(delay_ms=10))
    with listening(road.far, PORT):
        (timed,) = await measure.timings(OnPlace(road.near), Road.far_address, PORT)
        (trip,) = await measure.trips(OnPlace(road.near), [(Road.far_address, PORT)])
    assert trip.took_ms is not None and 20 <= trip.took_ms < 200
    assert timed.connect_ms is not None and 20 <= timed.connect_ms < 200
    assert timed.tls_ms is None


async def test_what_tls_takes(tmp_path: Path) -> None:
    async with under_tls(tmp_path) as port:
        (timed,) = await measure.timings(ThisMachine(), "127.0.0.1", port)
    assert timed.tls == "TLSv1.3" and timed.connect_ms is not None
    assert timed.tls_ms is not None and 0 < timed.tls_ms < 2000


@asynccontextmanager
async def under_tls(folder: Path) -> AsyncIterator[int]:
    """A server that goes over to TLS when it is asked as PostgreSQL is; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readexactly(8))[4:] == b"\x04\xd2\x16\x2f"
        writer.write(b"S")
        await writer.start_tls(context)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def certificate(folder: Path) -> Path:
    """A key and a certificate for an hour, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "db")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now,
        not_valid_after=now + timedelta(hours=1),
    ).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "server.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
