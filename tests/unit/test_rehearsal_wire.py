"""What a wire may lose: traffic, and not what finds the neighbours."""

from __future__ import annotations

from rehearsal.wire import carries_traffic

MACS = bytes(12)


def test_ipv4_and_ipv6_are_traffic_and_arp_is_not() -> None:
    assert carries_traffic(MACS + b"\x08\x00" + bytes(60))
    assert carries_traffic(MACS + b"\x86\xdd" + bytes(60))
    assert not carries_traffic(MACS + b"\x08\x06" + bytes(28))


def test_an_echo_over_ipv6_is_traffic_and_a_neighbours_question_is_not() -> None:
    def icmp(kind: int) -> bytes:
        return MACS + b"\x86\xdd" + bytes(6) + b"\x3a" + bytes(33) + bytes([kind]) + bytes(7)

    assert carries_traffic(icmp(128))
    assert not any(carries_traffic(icmp(kind)) for kind in range(133, 138))
