"""Where a server's log is, on its host.

Knows PostgreSQL's log collector, servers whose standard error is a file (Debian starts them so),
and PgBouncer's ``logfile``; not what stands in a log.
"""

from __future__ import annotations

import re
from shlex import quote
from typing import NamedTuple

from connections.host import Host
from connections.postgres import Session
from profiles.errors import HostError

LOOK_S = 10.0
TRIED = "follow its log"

QUESTION = """
SELECT current_setting('data_directory') AS data,
       pg_current_logfile() AS collected,
       current_setting('log_destination') AS destination,
       current_setting('lc_messages') AS language,
       split_part(pg_read_file('postmaster.pid'), chr(10), 1) AS postmaster
"""
"""Superusers only (PostgreSQL manual, 9.27.1 and 9.28.9)."""

_ENGLISH = re.compile(r"(C|POSIX|en[_-]?\w*|English.*)?(\..*)?", re.I)
"""The values of ``lc_messages`` with which severities are English; empty is the system's."""


class LogFile(NamedTuple):
    """A log, by the host it is on."""

    host: Host
    path: str
    collected_in: str | None = None
    """The data directory whose ``current_logfiles`` says when another file takes its place."""


async def log_of_server(session: Session, host: Host) -> LogFile:
    """Where PostgreSQL writes its messages now.

    Raises HostError, with the reason, where that is no file or none that can be understood, and
    what asking the server raises.
    """
    row = (await session.rows(QUESTION))[0]
    language = row["language"]
    if not _ENGLISH.fullmatch(language):
        said = f"its messages are in {language} (lc_messages): warnings in it are not recognised"
        raise HostError(session.server, TRIED, said)
    if row["collected"]:
        path = row["collected"]
        whole = path if path.startswith("/") else f"{row['data']}/{path}"
        return LogFile(host, whole, row["data"])
    if "stderr" not in row["destination"]:
        said = f"its messages go to {row['destination']} (log_destination), and to no file"
        raise HostError(session.server, TRIED, said)
    path = await _standard_error(host, row["postmaster"], row["data"])
    if not path:
        said = "its messages go to no file that can be found (logging_collector is off)"
        remedy = "Look at its log yourself, or let the host's user look into /proc."
        raise HostError(session.server, TRIED, said, remedy)
    return LogFile(host, path)


def log_of_pooler(name: str, logfile: str, host: Host) -> LogFile:
    """PgBouncer's, by ``logfile`` of its SHOW CONFIG. Raises HostError where that is no path."""
    if not logfile.startswith("/"):
        said = f"its logfile is “{logfile}”" if logfile else "it writes no logfile"
        raise HostError(name, TRIED, said, "Give it a logfile, with its whole path.")
    return LogFile(host, logfile)


async def as_it_is_now(log: LogFile) -> LogFile:
    """The log, or the file that has taken its place; the log itself where nobody can say."""
    if log.collected_in is None:
        return log
    line = f"head -n 1 -- {quote(log.collected_in + '/current_logfiles')}"
    ran = await log.host.run(line, deadline_s=LOOK_S)
    path = ran.out.strip().partition(" ")[2]
    if ran.code or not path:
        return log
    return log._replace(path=path if path.startswith("/") else f"{log.collected_in}/{path}")


async def _standard_error(host: Host, postmaster: str, data: str) -> str:
    """The file behind the server's standard error; nothing where it is none, or not to be seen.

    The process must stand in the data directory: in a container the numbers are others.
    """
    there = f"/proc/{int(postmaster)}"
    line = f"[ {there}/cwd -ef {quote(data)} ] && [ -f {there}/fd/2 ] && readlink {there}/fd/2 || :"
    return (await host.run(line, deadline_s=LOOK_S)).out.strip()
