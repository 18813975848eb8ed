"""The pulse of a host: what its lines say, why the replication is behind, and a slow copy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.host.cause import cause
from checks.host.pulse import Reading, line, pulse, reading
from checks.pace import Pace, is_slow, sentence
from connections.host import Ran
from engine.launch import begin
from engine.night import LiveNight
from profiles.errors import HostError
from profiles.events import Event, HostSampled, Sampled, is_journalled
from profiles.fold import fold
from profiles.journal import Journal
from tests.fix_engine import a_profile
from tests.fix_looks import MadeUpMachine

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
DISK = "0 0 0 0 {writes} 0 0 {ms} 0 0 0"


def printed(up_s: float, *, steal: int = 0, iowait: int = 0, writes: int = 0, ms: int = 0) -> str:
    cpu = f"cpu  0 0 0 {round(up_s * 100) - steal - iowait} {iowait} 0 0 {steal} 0 0"
    return f"@@ {up_s:.2f}|{cpu}|{DISK.format(writes=writes, ms=ms)}"


LINES = (
    printed(10),
    "something else",
    printed(20, steal=120, iowait=50, writes=10, ms=400),
    printed(30, steal=120, iowait=50, writes=10, ms=400),
    printed(5),
    printed(6),
)


async def test_every_line_but_the_first_gives_a_reading() -> None:
    read: list[Reading] = []
    far = MadeUpMachine({}, Ran(1, "\n".join(LINES), "sleep: not found\n"))
    with pytest.raises(HostError, match="watch the host: sleep: not found"):
        await pulse(far, "sda", 5.0, read.append, 60.0)
    assert [(one.cpu.steal, one.cpu.iowait, one.disk.write_ms) for one in read] == [
        (12, 5, 40),
        (0, 0, None),
        (0, 0, None),
    ]


@given(st.text(), st.text())
def test_whatever_is_printed_no_reading_is_made_of_it(one: str, other: str) -> None:
    assert line(one) is None or one.startswith("@@ ")
    for text in (f"@@ {one}", f"@@ 1.5|{one}|{other}"):
        now = line(text)
        if now is not None:
            reading(now._replace(up_s=0.0), now)


# Why it is behind


def behind(seconds: float | None, bytes_: int | None = None) -> list[Sampled]:
    return [Sampled(at=AT, behind_s=seconds, behind_bytes=bytes_)]


def sampled(**figures: float) -> HostSampled:
    return HostSampled(at=AT - timedelta(seconds=5), server="new", **figures)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "host", "expected"),
    [
        (behind(9.0), sampled(await_ms=40.2), "new: its disk needs 40 ms for a write"),
        (behind(9.0), sampled(steal_percent=12.0), "new: 12 % of its CPU is stolen"),
        (behind(9.0), sampled(iowait_percent=44.0), "new: 44 % iowait"),
        (behind(9.0), sampled(await_ms=3.0, steal_percent=0.5), ""),
        (behind(0.5), sampled(await_ms=40.0), ""),
        (behind(None), sampled(await_ms=40.0), ""),
        (behind(None, 1 << 30), sampled(await_ms=40.0), "new: its disk needs 40 ms for a write"),
        ([], sampled(await_ms=40.0), ""),
        (behind(9.0), HostSampled(at=AT, server="new", trouble="lost"), ""),
    ],
)
def test_a_host_is_the_cause_when_it_is_behind_and_short_of_something(
    samples: Sequence[Sampled], host: HostSampled, expected: str
) -> None:
    assert cause(samples, {"new": host}) == expected


def test_several_reasons_are_all_named_and_old_ones_are_not() -> None:
    hosts = {
        "old": HostSampled(at=AT - timedelta(minutes=2), server="old", await_ms=90.0),
        "new": HostSampled(at=AT, server="new", await_ms=40.0, steal_percent=2.0),
    }
    words = "new: its disk needs 40 ms for a write, 2 % of its CPU is stolen"
    assert cause(behind(9.0), hosts) == words


# What becomes of the events


@pytest.mark.usefixtures("nights_here")
def test_a_thinned_copy_of_each_host_is_journalled() -> None:
    now = AT
    told: list[Event] = []
    with Journal.open(begin(a_profile())) as journal:
        live = LiveNight(journal.path.parent, journal, fold(journal.events), lambda: now)
        live.listeners.append(told.append)
        for second in range(0, 130, 5):
            now = AT + timedelta(seconds=second)
            for server in ("old", "new"):
                live.publish(HostSampled(server=server, steal_percent=float(second)))
            live.publish(Sampled(behind_bytes=second))
    kept = [event for event in told if isinstance(event, HostSampled) and is_journalled(event)]
    assert [(one.server, one.steal_percent) for one in kept] == [
        (server, second) for second in (0, 60, 120) for server in ("old", "new")
    ]
    assert live.state.pulses["old"].steal_percent == 125
    assert sum(is_journalled(one) for one in told if isinstance(one, Sampled)) == 13


# A copy that is slower than foreseen


def a_pace(*, minutes: float = 10, done: float = 6e9, foreseen: float = 20e6) -> Pace:
    now = AT + timedelta(minutes=minutes)
    return Pace(total=60e9, done=done, began=AT, now=now, foreseen=foreseen)


def test_when_and_by_how_much() -> None:
    pace = a_pace()
    assert is_slow(pace, was=False)
    said = sentence(pace, slow=True)
    assert said == (
        "The copy is slower than foreseen since 02:10 UTC: 10 MB/s, 20 MB/s were foreseen. "
        "6.0 GB of 60 GB are there; it ends about 03:40 UTC, 50 min later."
    )


def test_it_is_taken_back_only_when_it_is_clearly_faster_again() -> None:
    assert not is_slow(a_pace(done=10.2e9), was=False)
    assert is_slow(a_pace(done=10.2e9), was=True)
    again = a_pace(done=11e9)
    assert not is_slow(again, was=True)
    assert sentence(again, slow=False).startswith("The copy is as fast as foreseen again: 18 MB/s")


@pytest.mark.parametrize("pace", [a_pace(minutes=0.5), a_pace(done=1e8), a_pace(foreseen=0)])
def test_too_early_to_say(pace: Pace) -> None:
    assert not is_slow(pace, was=False) and is_slow(pace, was=True)


def test_nothing_arrives() -> None:
    pace = a_pace(done=0)
    assert pace.ends is None and pace.late_s is None
    assert sentence(pace, slow=True).endswith("Nothing arrives.")


@given(st.floats(1e3, 1e12), st.floats(0, 1), st.floats(1, 1e6), st.floats(1, 1e9))
def test_the_slower_the_later(total: float, share: float, passed_s: float, foreseen: float) -> None:
    pace = Pace(
        total=total,
        done=total * share,
        began=AT,
        now=AT + timedelta(seconds=passed_s),
        foreseen=foreseen,
    )
    if not pace.early and is_slow(pace, was=False) and pace.late_s is not None:
        assert pace.late_s > 0
