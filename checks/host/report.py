"""A host on paper: the facts, then a line for each verdict; and the whole as JSON.

Pure: text out of what was seen and what was said of it. What was not read is ``?``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from checks.check import Said
from checks.figures import number, size
from profiles.machine import Disk, HostSeen, Place

WIDE = 12


def text(seen: HostSeen, said: Mapping[str, Said]) -> str:
    """For reading: facts by subject, kernel parameters by name, then the verdicts."""
    rows = [f"{subject:<{WIDE}}{what}".rstrip() for subject, what in _facts(seen)]
    rows += ["", *(f"{name} = {value}" for name, value in sorted(seen.sysctls.items()))]
    rows += ["", *(_judgement(one) for one in said.values())]
    return "\n".join(rows) + "\n"


def as_json(seen: HostSeen, said: Mapping[str, Said]) -> str:
    """One JSON object: all that was seen, null where it was not read, and the findings."""
    findings = [{"check": check, **msgspec.structs.asdict(one)} for check, one in said.items()]
    whole = {**_whole(seen), "findings": findings}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _whole(value: Any) -> Any:
    """Every field of it, those too that are as they are by default."""
    if isinstance(value, msgspec.Struct):
        return {name: _whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_whole(each) for each in value]
    return value


def _facts(seen: HostSeen) -> Iterator[tuple[str, str]]:
    yield "host", seen.host
    yield "system", ", ".join(word for word in (seen.system, seen.kernel) if word) or "?"
    yield "processors", _cpu(seen)
    yield "memory", _memory(seen)
    for disk in seen.disks:
        yield f"disk {disk.name}", _disk(disk)
    for place in seen.places:
        yield place.what, _place(place)
    yield "clock", f"{seen.clock.source or '?'}, kept by {seen.clock.by or '?'}"
    yield "resolvers", ", ".join(seen.resolvers) or "none"
    yield "firewall", _firewall(seen)
    yield "listens", ", ".join(seen.listens) or "nobody"
    yield "tools", ", ".join(sorted(seen.tools)) or "none"
    for file in dict.fromkeys(line.file for line in seen.boot_lines):
        lines = [f"{one.name} = {one.value}" for one in seen.boot_lines if one.file == file]
        yield "at boot", f"{file}: {', '.join(lines)}"
    for why in seen.unread:
        yield "not read", why


def _firewall(seen: HostSeen) -> str:
    unasked = any(why.startswith("firewall") for why in seen.unread)
    return seen.firewall or ("?" if unasked else "none at work")


def _cpu(seen: HostSeen) -> str:
    cpu = seen.cpu
    model = f"{number(cpu.cores, 'core')}{f' {cpu.model}' if cpu.model else ''}"
    where = " on a hypervisor" if cpu.hypervisor else ""
    spent = ", ".join(
        f"{_percent(share)} {what}"
        for share, what in (
            (cpu.busy_percent, "busy"),
            (cpu.steal_percent, "stolen"),
            (cpu.iowait_percent, "iowait"),
        )
    )
    return f"{model}{where}; {spent} in {seen.watched_s:g} s"


def _memory(seen: HostSeen) -> str:
    memory = seen.memory
    swap = "no swap" if memory.swap_total == 0 else f"swap {_size(memory.swap_total)}"
    pages = f"transparent huge pages {memory.transparent or '?'}"
    allowed = f", {size(memory.allowed)} allowed" if memory.allowed else ""
    free = f"{_size(memory.available)} available"
    return f"{size(memory.total)}{allowed}, {free}; {swap}; {pages}"


def _disk(disk: Disk) -> str:
    spins = {True: "spins", False: "does not spin", None: "spins or not: ?"}[disk.rotational]
    words = [_size(disk.size), spins, f"scheduler {disk.scheduler or '?'}"]
    words.append(f"cache {disk.write_cache or '?'}")
    if disk.writes_a_second is not None and disk.reads_a_second is not None:
        words.append(f"{disk.reads_a_second:.0f} reads/s, {disk.writes_a_second:.0f} writes/s")
    times = (
        ("read", disk.read_await_ms),
        ("write", disk.write_await_ms),
        ("flush", disk.flush_await_ms),
    )
    awaits = [f"{what} {ms:.1f} ms" for what, ms in times if ms is not None]
    return ", ".join([*words, *(awaits or ["idle"])])


def _place(place: Place) -> str:
    if place.mount is None:
        return f"{place.path}: not seen"
    on = f"{place.kind or '?'} on {place.disk or place.device or '?'}"
    return f"{place.path}: {on}, {_size(place.free)} of {_size(place.size)} free"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.1f} %"


def _size(bytes_: int | None) -> str:
    return "?" if bytes_ is None else size(bytes_)


def _judgement(said: Said) -> str:
    return f"{said.verdict:<8}{said.figure}" + (f": {said.says}" if said.says else "")
