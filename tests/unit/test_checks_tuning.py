"""Where the proposals have the road from: the one the copy takes, and no other."""

from __future__ import annotations

from checks.proposals.kernel import Road
from checks.tuning import road_of
from profiles.events import THIS_MACHINE, Found, Probed, ProbedHop
from profiles.findings import Finding
from profiles.fold import Night, fold


def night(*origins: str, carried: float | None = 96e6) -> Night:
    """Probed from there, each a millisecond longer than the one before."""
    roads = [
        Probed(
            phase="network",
            origin=origin,
            target=f"{origin}:1",
            hops=(ProbedHop(ttl=1, avg_ms=1.0 + at, target=True),),
            final=True,
        )
        for at, origin in enumerate(origins)
    ]
    figures = {} if carried is None else {"throughput_bytes_s": carried}
    copy = Finding(check="net.copy", phase="network", verdict="pass", figure="", figures=figures)
    return fold([Found(finding=copy), *roads])


def test_the_road_of_the_copy_is_the_one_from_the_destination() -> None:
    assert road_of(night(THIS_MACHINE, "new")) == Road(96e6, 2.0)
    assert road_of(night("new", THIS_MACHINE)) == Road(96e6, 1.0)


def test_another_road_is_not_taken_for_it() -> None:
    assert road_of(night(THIS_MACHINE)) is None
    assert road_of(night("new", carried=None)) is None
    assert road_of(night()) is None
