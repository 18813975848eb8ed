"""Phase Servers: does this machine end a user's processes at logout, and the engine with them?

Reads what logind is told (logind.conf(5)), whether the user lingers (loginctl(1)), and under which
unit the engine runs; the parser is pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from checks.check import HERE, Look, Said

FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
"""In the order in which one file hides another of its name (logind.conf(5))."""
FILE = "logind.conf"
DEADLINE_S = 5.0
READ = r"""
printf 'user %s\n' "$(id -un)"
[ -d /run/systemd/sessions ] && echo logind
[ -e "/var/lib/systemd/linger/$(id -un)" ] && echo lingers
sed -n 's/^0::/unit /p; s/^1:name=systemd:/unit /p' /proc/self/cgroup
for folder in /etc /run /usr/local/lib /usr/lib; do
    for file in "$folder/systemd/logind.conf" "$folder"/systemd/logind.conf.d/*.conf; do
        [ -r "$file" ] && echo "file $file" && sed 's/^/| /' "$file"
    done
done
true
"""
TRUE = ("1", "yes", "y", "true", "t", "on")
"""systemd.syntax(7)."""
SETTING = re.compile(r"(#?)\s*(Kill\w+)\s*=\s*(.*)")

Place = Literal["session", "user manager", "elsewhere"]


class Logind(NamedTuple):
    """What it is told to do with the processes of somebody who logs out."""

    kills: bool | None
    """KillUserProcesses; None where nothing says what it is."""
    only: tuple[str, ...] = ()
    """KillOnlyUsers: where somebody is named, nobody else's end."""
    exclude: tuple[str, ...] = ("root",)
    """KillExcludeUsers."""

    def ends(self, user: str) -> bool | None:
        """Whether this user's end; None where that is not known."""
        if user in self.exclude or (self.only and user not in self.only):
            return False
        return self.kills


class Stay(NamedTuple):
    """How the engine stands on this machine."""

    user: str
    logind: bool
    lingers: bool
    unit: str
    """The control group it runs in."""
    files: Mapping[str, str]

    @property
    def place(self) -> Place:
        """What has to end for the engine to end with it."""
        if re.search(r"/user@\d+\.service(/|$)", self.unit):
            return "user manager"
        return "session" if "/user.slice/" in self.unit or not self.unit else "elsewhere"


async def survives_logout(look: Look, side: str) -> Said:
    """Does the engine live on when its user logs out?"""
    ran = await look.machine(HERE).run(READ, deadline_s=DEADLINE_S)
    return judged(read_stay(ran.out))


def read_stay(out: str) -> Stay:
    """What the lines of `READ` say."""
    words: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    current: list[str] = []
    for line in out.splitlines():
        word, _, rest = line.partition(" ")
        if word == "|":
            current.append(rest)
        elif word == "file":
            current = files.setdefault(rest, [])
        else:
            words[word] = rest
    read = {path: "\n".join(lines) for path, lines in files.items()}
    user, unit = words.get("user", ""), words.get("unit", "")
    return Stay(user, "logind" in words, "lingers" in words, unit, read)


def read_logind(files: Mapping[str, str]) -> Logind:
    """Its settings from the files of `FOLDERS`, by path: the main one, then the drop-ins by name.

    Where none sets KillUserProcesses, the default that the main file shows in a comment counts.
    """
    said: dict[str, list[str]] = {}
    default = ""
    for path in _in_force(files):
        for sign, name, value in _settings(files[path]):
            if sign:
                default = value if name == "KillUserProcesses" and not default else default
            else:
                said.setdefault(name, []).append(value)
    kills = (said.get("KillUserProcesses") or [default])[-1]
    return Logind(
        kills=kills.lower() in TRUE if kills else None,
        only=_listed(said.get("KillOnlyUsers", [])),
        exclude=_listed(["root", *said.get("KillExcludeUsers", [])]),
    )


def _in_force(files: Mapping[str, str]) -> list[str]:
    """The first main file, then every drop-in that no other of its name hides, by name."""
    mains = [f"{folder}/{FILE}" for folder in FOLDERS if f"{folder}/{FILE}" in files]
    drop_ins: dict[str, str] = {}
    for folder in FOLDERS:
        for path in files:
            if PurePosixPath(path).parent == PurePosixPath(f"{folder}/{FILE}.d"):
                drop_ins.setdefault(PurePosixPath(path).name, path)
    return [*mains[:1], *[drop_ins[name] for name in sorted(drop_ins)]]


def _settings(text: str) -> list[tuple[str, str, str]]:
    """(``#`` or nothing, name, value) of every line in [Login] that sets, or shows, a default."""
    found = []
    section = ""
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("["):
            section = bare
        elif section == "[Login]" and (match := SETTING.fullmatch(bare)):
            found.append((match[1], match[2], match[3].strip()))
    return found


def _listed(values: list[str]) -> tuple[str, ...]:
    """A list that grows by every line, and begins anew with an empty one (systemd.syntax(7))."""
    names: list[str] = []
    for value in values:
        names = [*names, *value.split()] if value else []
    return tuple(names)


def judged(stay: Stay) -> Said:
    """The verdict on how the engine stands here."""
    evidence = f"{stay.user} runs in {stay.unit or 'an unknown unit'}"
    if not stay.logind or stay.place == "elsewhere":
        figure = "no logout ends the engine"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    if stay.place == "user manager":
        return _under_the_user_manager(stay, evidence)
    told = read_logind(stay.files)
    ends = told.ends(stay.user)
    if ends is None:
        says = "logind's files are not there, or do not say whether KillUserProcesses is on."
        return Said(
            verdict="unknown",
            figure="not known whether a logout ends the engine",
            says=says,
            evidence=evidence,
            todo="Ask it: busctl get-property "
            "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager "
            "KillUserProcesses",
        )
    if not ends:
        figure = f"a logout of {stay.user} leaves the engine alone"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="warn",
        figure=f"a logout of {stay.user} ends the engine: KillUserProcesses=yes",
        says="A dropped line is a logout. The keeper ends too, so nobody starts the engine again "
        "before you come back; a pause still ends by the timers on the servers.",
        evidence=evidence,
        todo=f"Run: loginctl enable-linger {stay.user}. Then leave with q and s, and start it as "
        "systemd-run --user --scope nightferry: outside of the session it stays.",
    )


def _under_the_user_manager(stay: Stay, evidence: str) -> Said:
    """It ends with the user's last session, whatever KillUserProcesses says, unless they linger."""
    if stay.lingers:
        figure = f"{stay.user} lingers: a logout leaves the engine alone"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="warn",
        figure=f"the last logout of {stay.user} ends the engine: no linger",
        says="It runs under the user's own service manager, which ends with the last session.",
        evidence=evidence,
        todo=f"Run: loginctl enable-linger {stay.user}",
    )
