"""Restarting a server for settings that wait for it; if it stays down, with those it had before.

Knows how a server is started on its host: by systemd, or by its own pg_ctl. Must not know why a
setting was chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from actions import source
from actions.source import MAINTENANCE
from profiles.machine import HostSeen
from profiles.steps import Shell, Sql, Step, quoted

WAIT_S = 120
"""How long the server may take to stop, and how long to start again."""
CHECKPOINT_S = 600.0
NO_HOST = "its host was not looked at"
STDERR_GOES = "what it says goes to no file that we may see, and would be lost"

SCRIPT = """setsid sh -c '
unset PGPORT PGDATESTYLE PGCLIENTENCODING
cd "$1" && was=$(head -n 1 postmaster.pid) && said=$(mktemp) || exit
shift
old=postgresql.auto.conf.nightferry-old
trap "rm -f -- \\"$said\\" $old" EXIT
cp -p postgresql.auto.conf $old && sed {leave_out} postgresql.auto.conf >$old || exit
[ $# = 0 ] || printf "%s\\n" "$@" >>$old || exit
up() {{ grep -qsx "ready *" postmaster.pid; }}
start() {{ {start}; }}
told() {{ {told}; }}
{before}start >>"$said" 2>&1
if up && [ "$(head -n 1 postmaster.pid)" != "$was" ]; then exit 0; fi
why=$(told 2>/dev/null | grep -v terminating | sed -nE "s/.*(FATAL|PANIC): +/\\1: /p" | tail -n 1)
why=$(printf %s "${{why:-$(tail -n 1 "$said")}}" | cut -c 1-100)
mv -- $old postgresql.auto.conf && start >>"$said" 2>&1
now="nor does it with the old settings: it is down"
if up; then now="it runs again, with the old settings"; fi
echo "it does not start: $why; $now" >&2
exit 1
' sh {arguments} &
wait $!"""
"""In a session of its own: cut off in the middle, it still starts the server again.

postmaster.pid has the server's pid in its first line, and ``ready`` in its eighth once it admits
sessions (what pg_ctl itself goes by). These variables would become settings of the server.
"""


class Waiting(NamedTuple):
    """A setting that waits for the restart."""

    name: str
    value: str
    before: str | None
    """What postgresql.auto.conf says again if it does not come up; None: nothing."""


def by_hand_because(seen: HostSeen | None) -> str | None:
    """Why the wizard cannot restart the server of that host; None where it can."""
    if seen is None or seen.place("data") is None or seen.process is None:
        return NO_HOST
    process = seen.process
    if process.unit:
        return None
    if process.kept_by:
        return f"{process.kept_by} looks after it"
    if process.program is None:
        return "which program it runs is not to be seen"
    return None if process.messages or seen.place("log") else STDERR_GOES


def restart(
    server: str, waiting: Sequence[Waiting], seen: HostSeen | None, phase: str, *, ours: bool
) -> Step:
    """One restart for all of these settings; without ``ours`` it stays the operator's."""
    asked = source.restart(server, {one.name: one.value for one in waiting})
    made = msgspec.structs.replace(asked, id=f"restart-tuned@{server}", phase=phase, optional=True)
    because = by_hand_because(seen) if ours else "that is yours to choose"
    if seen is None or because is not None:
        return _by_hand(made, waiting, seen, because or NO_HOST)
    return _by_us(made, waiting, seen)


def _by_hand(made: Step, waiting: Sequence[Waiting], seen: HostSeen | None, because: str) -> Step:
    place = seen.place("data") if seen else None
    file = f"{place.path}/postgresql.auto.conf" if place else "postgresql.auto.conf"
    names = ", ".join(one.name for one in waiting)
    why = (
        f"It is not for the wizard to restart it: {because}. If it does not come back, take {names}"
        f" out of {file} there and start it again: it then runs as it did before. Its log says"
        " which of them it did not take."
    )
    return msgspec.structs.replace(made, why=why)


def _by_us(made: Step, waiting: Sequence[Waiting], seen: HostSeen) -> Step:
    server, process = seen.host, seen.process
    assert process is not None
    who = "root" if process.unit else process.user
    ask = Sql(server=server, database=MAINTENANCE, text="SELECT 1", until="1")
    return msgspec.structs.replace(
        made,
        why="A restart ends every session there. If it does not come up, postgresql.auto.conf is"
        " put back as it was and it is started again; why, its log says.",
        commands=(
            # What it need not write while it stops: nobody waits for that.
            msgspec.structs.replace(ask, text="CHECKPOINT", until=None, deadline_s=CHECKPOINT_S),
            Shell(
                host=server,
                line=shell_line(waiting, seen),
                as_user=who,
                deadline_s=7.0 * WAIT_S,
            ),
            ask,
        ),
        by_hand=False,
        danger="restarts the server: every session there ends",
        servers=(server,),
        before_turn=True,
        deadline_s=CHECKPOINT_S + 8.0 * WAIT_S,
    )


def shell_line(waiting: Sequence[Waiting], seen: HostSeen) -> str:
    """What restarts it, for /bin/sh, as root for a unit, else as the server's user.

    A host of which `by_hand_because` says nothing.
    """
    data = seen.place("data")
    assert data is not None
    before = [_line(one.name, one.before) for one in waiting if one.before is not None]
    return SCRIPT.format(
        leave_out=" ".join(f'-e "/^{one.name} *=/d"' for one in waiting),
        arguments=" ".join(quoted(word) for word in (data.path, *before)),
        **_ways(seen),
    )


def _line(name: str, value: str) -> str:
    """As ALTER SYSTEM writes it (manual 20.1.2: single quotes are doubled)."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"{name} = '{escaped}'"


def _ways(seen: HostSeen) -> dict[str, str]:
    """How it is started, and where it tells what it says meanwhile."""
    process, log = seen.process, seen.place("log")
    assert process is not None
    told, before = ['cat "$said"'], ""
    if log is not None:
        newer = f"find {_inside(log.path)} -maxdepth 1 -type f -newer $old"
        told = [f"{newer} -exec tail -n 30 {{}} \\;", *told]
    if process.messages:
        file = _inside(process.messages)
        before = f"from=$(wc -c <{file})\n"
        told = [*told, f"tail -c +$((from + 1)) {file}"]
    if process.unit:
        unit = _inside(process.unit)
        before += "began=$(date +%s)\n"
        told = [f'journalctl -q -o cat -n 30 --since "@$began" -u {unit}', *told]
        start = _by_systemd(unit)
    else:
        log_file = _inside(process.messages) if process.messages else '"$said"'
        pg_ctl = _inside(str(PurePosixPath(process.program or "").with_name("pg_ctl")))
        start = f'{pg_ctl} restart -D "$PWD" -w -t {WAIT_S} -l {log_file}'
    return {"start": start, "told": "; ".join(told), "before": before}


def _by_systemd(unit: str) -> str:
    """It may say that a unit is started before the server admits sessions."""
    return (
        f"systemctl reset-failed {unit}; timeout {2 * WAIT_S} systemctl restart {unit}; looks=0\n"
        f"  until up || ! systemctl -q is-active {unit} || [ $((looks += 1)) -gt {WAIT_S} ]\n"
        "  do sleep 1; done"
    )


def _inside(word: str) -> str:
    """One word of a script that stands in single quotes itself."""
    return quoted(word).replace("'", "'\\''")
