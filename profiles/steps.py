"""A step is its commands, as data: what is shown, copied, journalled and run is one object.

A route renders steps from facts; the engine's runner executes them. Values that are read only at
run time stand in a command as named placeholders (``{marker}``), listed in ``fills``; any other
brace is just a brace.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from typing import Literal

import msgspec

from profiles.secrets import masked


class _Data(msgspec.Struct, frozen=True, omit_defaults=True):
    pass


class Sql(_Data, frozen=True, kw_only=True, tag_field="do", tag="sql"):
    """One SQL statement on a server. All statements of a step on one database share a session."""

    server: str
    database: str
    text: str
    fills: tuple[str, ...] = ()
    captures: str | None = None
    """The name under which the first value of the first row is kept for later commands."""
    until: str | None = None
    """Asked again until the first row reads so (its values joined by blanks), or the deadline."""
    unless: str | None = None
    """An answer at which waiting for ``until`` is pointless: the step fails at once."""
    deadline_s: float = 30.0


class Shell(_Data, frozen=True, kw_only=True, tag_field="do", tag="shell"):
    """One line for ``/bin/sh`` on a host, named after the server or endpoint that stands on it.

    ``None`` is the machine the engine runs on.
    """

    host: str | None
    line: str
    fills: tuple[str, ...] = ()
    passwords_for: tuple[str, ...] = ()
    """Servers whose passwords the line needs: in a PGPASSFILE for as long as it runs."""
    captures: str | None = None
    as_user: str | None = None
    """Whom it runs as there; None: whom the lines on that host are for."""
    deadline_s: float = 60.0


class Replace(_Data, frozen=True, kw_only=True):
    """In the first line beginning so (within ``section``), ``old`` becomes ``new``."""

    line_starts: str
    old: str
    new: str
    section: str | None = None


class FileEdit(_Data, frozen=True, kw_only=True, tag_field="do", tag="file"):
    """An edit of a text file on a host, atomic, with owner and mode kept and a backup beside it.

    What is not named here stays as it is and is never read into the journal. An edit that already
    stands is left alone; one that no longer fits is an error and changes nothing.
    """

    host: str
    path: str
    prepend: tuple[str, ...] = ()
    replace: tuple[Replace, ...] = ()
    remove: tuple[str, ...] = ()
    """Whole lines to take out, each of which must be there or already gone."""
    section_lines: tuple[tuple[str, str], ...] = ()
    """(section, line) to be put in at the head of a section of an ini file."""
    append: tuple[str, ...] = ()
    """Whole lines to be put in at the end, each of which may stand anywhere already."""
    creates: bool = False
    """A file that is not there is as good as an empty one, and made: for all to read (0644)."""
    as_user: str | None = None
    """Whose file it is there; None: whom the files on that host are for."""


class Pooler(_Data, frozen=True, kw_only=True, tag_field="do", tag="pooler"):
    """One instruction for a pooler's console."""

    endpoint: str
    text: str
    row: tuple[str, str] | None = None
    """For SHOW: the row whose column (first) has this value (second) …"""
    columns: tuple[str, ...] = ()
    """… and the columns of it that are the answer."""
    deadline_s: float = 5.0


class ThroughEndpoint(_Data, frozen=True, kw_only=True, tag_field="do", tag="client"):
    """One SQL statement by the client's own login, through the endpoint its clients use."""

    endpoint: str
    text: str
    fills: tuple[str, ...] = ()
    deadline_s: float = 10.0


class Words(_Data, frozen=True, kw_only=True, tag_field="do", tag="words"):
    """Something only a person can do; it is shown, and never run."""

    text: str


Command = Sql | Shell | FileEdit | Pooler | ThroughEndpoint | Words


class Evidence(_Data, frozen=True, kw_only=True):
    """A question to a server and what it must answer: it holds when they are equal."""

    ask: Sql | Shell | Pooler | ThroughEndpoint
    answer: str = ""
    """The first row's values joined by blanks (SQL, console), or the stripped output (shell)."""
    same_as: Sql | None = None
    """Instead of ``answer``: whatever this query, to the other server, answers at that moment."""
    says: str
    """What it means when it holds: ``slot nightferry exists``."""


class LooseEnd(_Data, frozen=True, kw_only=True):
    """Something temporary that a step leaves on a server, and the step that settles it."""

    id: str
    server: str
    what: str
    settled_by: str
    before_traffic: bool = False
    """It endangers data that cannot be copied anew: settled before clients write there."""


class Step(_Data, frozen=True, kw_only=True):
    """One step of the night, frozen; rendered by the route from facts, never a closure."""

    id: str
    """``step@server/database``"""
    phase: str
    title: str
    why: str = ""
    commands: tuple[Command, ...] = ()
    holds: tuple[Evidence, ...] = ()
    secrets: tuple[str, ...] = ()
    """Secrets made for this step's run alone: ``password``, which also fills ``{verifier}``."""
    undo: tuple[Command, ...] = ()
    undone: tuple[Evidence, ...] = ()
    """What must hold once ``undo`` has run."""
    undo_failed: bool = False
    """When it fails halfway, ``undo`` is run at once: better none of it than a part."""
    meanwhile: Sql | None = None
    """Asked once a second while the step runs, so that it never waits without saying for what."""
    leaves: LooseEnd | None = None
    settles: str | None = None
    """The id of the loose end that this step settles."""
    deadline_s: float = 60.0
    danger: str | None = None
    """What it risks: it stops writes, changes a server's configuration, restarts, deletes."""
    servers: tuple[str, ...] = ()
    """The servers whose names are typed before a dangerous step."""
    by_hand: bool = False
    """Only a person can do it; the wizard checks that it holds."""
    optional: bool = False
    """The night can go on without it."""
    paused: bool = False
    """Inside the armed stretch: run by the sequence, not by itself."""
    after_turn: bool = False
    before_turn: bool = False
    """Only as long as nobody's traffic is on the new server."""


Outcome = Literal["done", "already", "by-hand", "skipped", "failed", "in-doubt", "undone"]
SETTLED_OUTCOMES: frozenset[str] = frozenset({"done", "already", "by-hand", "skipped"})


def settling(step: Step) -> Step:
    """The step that undoes what ``step`` left behind, from its own undo."""
    assert step.leaves is not None, step.id
    return Step(
        id=step.leaves.settled_by,
        phase="cutover" if step.leaves.before_traffic else "aftercare",
        title=f"Settle: {step.leaves.what}",
        why=f"Left by “{step.title}”.",
        commands=step.undo,
        holds=step.undone,
        settles=step.leaves.id,
        deadline_s=step.deadline_s,
        danger=step.danger,
        servers=step.servers,
        by_hand=any(isinstance(command, Words) for command in step.undo),
    )


def undoing(step: Step) -> Step:
    """The same step the other way round: it settles what it left, and leaves nothing."""
    return msgspec.structs.replace(
        step,
        commands=step.undo,
        holds=step.undone,
        undo=(),
        undone=(),
        undo_failed=False,
        secrets=(),
        meanwhile=None,
        leaves=None,
        settles=step.leaves.id if step.leaves else None,
    )


def fill(text: str, names: tuple[str, ...], values: Mapping[str, str]) -> str:
    """The template with its named placeholders filled; KeyError when a value is missing.

    A value is put in as it is: what looks like a placeholder in it stays.
    """
    filled = {"{" + name + "}": values[name] for name in names}
    return _PLACEHOLDER.sub(lambda found: filled.get(found[0], found[0]), text)


def shown(command: Command) -> str:
    """The command as the screen shows it and the copy key copies it; secrets masked."""
    match command:
        case Sql() | ThroughEndpoint():
            return masked(command.text)
        case Shell():
            return masked(command.line)
        case Pooler():
            return f"{command.text};"
        case Words():
            return command.text
        case FileEdit():
            return "\n".join([command.path, *diff(command)])


def where(command: Command) -> str:
    """The server, endpoint or host a command is for, in the operator's names."""
    match command:
        case Sql():
            return f"{command.server}/{command.database}"
        case Shell() | FileEdit():
            place = f"host of {command.host}" if command.host else "this machine"
            return f"{place}, as {command.as_user}" if command.as_user else place
        case Pooler() | ThroughEndpoint():
            return command.endpoint
        case Words():
            return "by hand"


def diff(edit: FileEdit) -> list[str]:
    """The edit as the lines of a diff, of what is known before the file is read."""
    lines = [f"- {line}" for line in edit.remove]
    lines += [f"+ {line}" for line in edit.prepend]
    for section, line in edit.section_lines:
        lines += [f"  [{section}]", f"+ {line}"]
    for change in edit.replace:
        if change.section:
            lines.append(f"  [{change.section}]")
        start = change.line_starts
        lines += [f"- {start} … {change.old}", f"+ {start} … {change.new}"]
    lines += [f"+ {line}" for line in edit.append]
    return [masked(line) for line in lines]


def edited(edit: FileEdit, before: str) -> str:
    """The file's text after the edit; unchanged where the edit already stands.

    Raises ValueError, with what did not fit, when it can be neither applied nor found applied.
    """
    lines = before.split("\n")  # splitlines would take a form feed for the end of a line
    for line in edit.remove:
        if line in lines:
            lines.remove(line)
    if lines[: len(edit.prepend)] != list(edit.prepend):
        lines = [*edit.prepend, *[line for line in lines if line not in edit.prepend]]
    for section, line in edit.section_lines:
        start, end = _section(lines, section)
        if line not in lines[start:end]:
            lines.insert(start, line)
    for change in edit.replace:
        _replace(lines, change)
    for line in edit.append:
        _append(lines, line)
    return "\n".join(lines)


def unified(before: str, after: str, path: str) -> str:
    """A unified diff of two texts, secrets masked; what is no UTF-8 in them is shown as �."""
    found = difflib.unified_diff(
        before.splitlines(), after.splitlines(), path, path, lineterm="", n=1
    )
    text = "\n".join(masked(line) for line in found)
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def quoted(word: str) -> str:
    """One word for /bin/sh."""
    return shlex.quote(word)


def _section(lines: list[str], section: str) -> tuple[int, int]:
    """Where the lines of a section begin and end; ValueError when there is none of that name."""
    stripped = [line.strip() for line in lines]
    if f"[{section}]" not in stripped:
        raise ValueError(f"there is no section [{section}]")
    start = stripped.index(f"[{section}]") + 1
    after = (at for at in range(start, len(lines)) if stripped[at].startswith("["))
    return start, next(after, len(lines))


def _append(lines: list[str], line: str) -> None:
    """Put it in as the last line, unless it is there; the text ends with a line end then."""
    if line in lines:
        return
    if lines[-1]:
        lines.append("")
    lines.insert(len(lines) - 1, line)


def _replace(lines: list[str], change: Replace) -> None:
    """Make one change in place; nothing when it stands already, ValueError when it does not fit."""
    start, end = _section(lines, change.section) if change.section else (0, len(lines))
    begins = _word(change.line_starts)
    found = [at for at in range(start, end) if begins.match(lines[at].lstrip())]
    if not found:
        raise ValueError(f"no line begins with {change.line_starts!r}")
    for at in found:
        if old := _to_replace(change, lines[at]):
            lines[at] = lines[at][: old.start()] + change.new + lines[at][old.end() :]
            return
    if not any(_word(change.new).search(lines[at]) for at in found):
        begin = change.line_starts
        raise ValueError(f"{begin!r}: neither {change.old!r} nor {change.new!r} stands there")


def _to_replace(change: Replace, line: str) -> re.Match[str] | None:
    """Where the old text stands in a line, other than as a part of the new one."""
    done = [] if change.new in change.old else [*_word(change.new).finditer(line)]
    for old in _word(change.old).finditer(line):
        if not any(new.start() <= old.start() and old.end() <= new.end() for new in done):
            return old
    return None


_PLACEHOLDER = re.compile(r"\{\w+\}")


def _word(text: str) -> re.Pattern[str]:
    """The text, where it does not go on: ``port=543`` is not in ``port=5432``."""
    goes_on = r"(?![\w.-])" if text[-1:].isalnum() else ""
    return re.compile(re.escape(text) + goes_on)
