"""Secrets: references that become values only at connect time, and print as ``••••``.

Nothing here keeps a value; who asks holds it in memory for as long as it is needed. `masked` is the
net under everything that is shown or written: it errs on the side of hiding.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable

from profiles import pgpass
from profiles.errors import SecretError
from profiles.profile import SecretRef

MASK = "••••"
"""How a secret prints, everywhere."""

COMMAND_DEADLINE_S = 10.0

_PLACEHOLDER = re.compile(r"\{\w+\}")
"""A value that is filled at run time is no secret yet, and stays readable."""

_KEY = r"\b[\w-]*(?:password|passwd|passphrase|pwd|secret)"
_IS = r"""(?:["']?[ \t]*=|["'][ \t]*:)[ \t]*"""
# In this order: a literal inside a literal, a quoted value, one whose quote does not end (hidden to
# the end of its line), and a bare one without the punctuation that closes what it stands in.
_QUOTED = r"""''[^']+''|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|['"][^\n]*"""
_BARE = rf"(?!\{{[ \t]|{MASK})[^\s'\"]\S*?(?=['\"]?[;,)\]]*(?:\s|$))"
_DOLLAR = r"\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"

_RULES = (
    # A URL: the password ends at the last @ before the path; a query's other parameters stay.
    re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s:/@?#]*:)(?P<value>[^\s/]+)(?=@)", re.I),
    re.compile(rf"(?P<before>[?&]{_KEY}=)(?P<value>[^\s&#'\"]+)", re.I),
    # conninfo, ini, TOML, JSON, shell assignments.
    re.compile(rf"(?P<before>{_KEY}{_IS})(?P<value>{_QUOTED}|{_BARE})", re.I | re.S),
    # YAML, at the start of a line of a file or of its diff; elsewhere "password:" is prose.
    re.compile(
        rf"(?P<before>^[ \t+-]*{_KEY}:[ \t]+)(?P<value>{_QUOTED}|{_BARE})", re.I | re.S | re.M
    ),
    # SQL: PASSWORD 'x', also as E'x', U&'x' or $$x$$.
    re.compile(rf"(?P<before>\bpassword\s+(?:e|u&)?)(?P<value>{_QUOTED}|{_DOLLAR})", re.I | re.S),
    # What a server keeps of a password: enough to try passwords against.
    re.compile(r"(?P<before>)(?P<value>SCRAM-SHA-256\$[^\s'\"]+|\bmd5[0-9a-f]{32}\b)"),
)


def masked(text: str) -> str:
    """The text with all that looks like a secret replaced by ``••••``; the rest as it was."""
    for rule in _RULES:
        text = rule.sub(_hidden, text)
    return text


def _hidden(match: re.Match[str]) -> str:
    value = match["value"]
    quote = _quote_around(value)
    inside = value[len(quote) : len(value) - len(quote)]
    if not inside or _PLACEHOLDER.fullmatch(inside):
        return match[0]
    return f"{match['before']}{quote}{MASK}{quote}"


def _quote_around(value: str) -> str:
    for quote in ("''", "'", '"'):
        if len(value) >= 2 * len(quote) and value.startswith(quote) and value.endswith(quote):
            return quote
    return ""


async def resolve(
    ref: SecretRef,
    *,
    host: str,
    port: int,
    database: str,
    user: str,
    where: str,
    asked: Callable[[], str | None],
) -> str | None:
    """The value a reference stands for, for this login on the server called ``where``.

    None only when libpq's password file has no line for it: then connecting without a password is
    worth a try. ``asked`` gives what the operator typed, or None. Raises SecretError.
    """
    if ref.env is not None:
        return _from_environment(ref.env, where)
    if ref.command is not None:
        return await _from_command(ref.command, where)
    if ref.ask:
        return _typed(asked(), user, where)
    return pgpass.password(host=host, port=port, database=database, user=user, where=where)


def _from_environment(name: str, where: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SecretError(
            where,
            f"read the password from the environment variable {name}",
            "it is empty" if value == "" else "there is no such variable",
            f"Set {name} in the shell that starts Nightferry, or change the profile.",
        )
    return value


def _typed(value: str | None, user: str, where: str) -> str:
    if not value:
        raise SecretError(
            where,
            f"take the password of {user} that was typed",
            "it has not been typed, or nobody holds it any more",
            "Type it in the wizard.",
        )
    return value


async def _from_command(line: str, where: str) -> str:
    tried = f"read the password from the first line of: {masked(line)}"
    remedy = "Run the command in a shell to see what it says; it must print the password and end."
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", line),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # may hold the secret, so it is not repeated
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(COMMAND_DEADLINE_S):
            first, status = await _first_line(process)
    except TimeoutError:
        answered = f"it had not ended after {COMMAND_DEADLINE_S:g} s, and was stopped"
        raise SecretError(where, tried, answered, remedy) from None
    finally:
        await _end(process)
    if status or not first:
        answered = f"exit status {status}" if status else "it printed nothing"
        raise SecretError(where, tried, answered, remedy)
    return first


async def _first_line(process: asyncio.subprocess.Process) -> tuple[str, int]:
    """The first line and the exit status; what follows is read, so that it can end, and dropped."""
    assert process.stdout is not None
    kept = b""
    while chunk := await process.stdout.read(65536):
        if b"\n" not in kept:
            kept += chunk
    first = kept.partition(b"\n")[0].rstrip(b"\r")
    return first.decode("utf-8", "surrogateescape"), await process.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of the command is left running, whatever became of the wait for it."""
    assert process.stdout is not None
    if process.returncode is None or not process.stdout.at_eof():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
