"""The lines that set kernel parameters at boot, in the order in which they count.

The rules are those of sysctl.d(5) and systemd-sysctl(8): the files of all folders in the order of
their names, a name in an earlier folder hides the same name in a later one, and the last line of a
parameter wins. ``/etc/sysctl.conf`` is read last by procps' ``sysctl --system``, with which hosts
without systemd boot; systemd itself reads it only where a link in ``sysctl.d`` leads to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from checks.host.sections import Sections
from profiles.machine import SysctlLine

SECTION = "boot "
LAST = "/etc/sysctl.conf"


def boot_lines(read: Sections) -> tuple[SysctlLine, ...]:
    """Every line, the one that wins last."""
    files = [name.removeprefix(SECTION) for name in read if name.startswith(SECTION)]
    by_name: dict[str, str] = {}
    for file in files:  # as they were printed: /etc before /run before /usr
        if file != LAST:
            by_name.setdefault(PurePosixPath(file).name, file)
    in_order = [by_name[name] for name in sorted(by_name)]
    if LAST in files and "systemd" not in read.get("init", ()):
        in_order.append(LAST)
    return tuple(
        line for file in in_order for line in _lines(file, read.get(f"{SECTION}{file}", ()))
    )


def dotted(name: str) -> str:
    """A parameter's name with dots: ``net/ipv4/conf/eth0.1/mtu`` is ``net.ipv4.conf.eth0/1.mtu``.

    Where a dot comes first it has them already (sysctl.d(5)).
    """
    separator = next((sign for sign in name if sign in "./"), ".")
    return name.translate(str.maketrans("./", "/.")) if separator == "/" else name


def _lines(file: str, lines: Sequence[str]) -> list[SysctlLine]:
    found = []
    for line in lines:
        name, equals, value = line.partition("=")
        name = name.strip().removeprefix("-").strip()
        if equals and name and not name.startswith(("#", ";")):
            words = " ".join(value.split())
            found.append(SysctlLine(file=file, name=dotted(name), value=words))
    return found
