"""A profile from TOML and to TOML, with everything that is wrong with it said at once.

Knows the file and what a profile as a whole must keep to; what its fields may hold stands with the
types in `profiles.profile`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import tomli_w

from profiles.errors import ProfileError
from profiles.files import write_whole
from profiles.lines import KeyPath, finder
from profiles.profile import FORMAT, PgBouncer, Profile, SecretRef, Server
from profiles.shape import Problem, Rule, Table, expected_found, problems

FORMAT_LINE = f"profile = {FORMAT}, the version of the format"
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def read(path: Path) -> Profile:
    """The profile in a TOML file. Raises ProfileError with every problem, each with its line."""
    text = _text(path)
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProfileError(str(path), (f"{path}: expected TOML, found: {error}",)) from None
    found = wrong_in(raw)
    if found:
        line_of = finder(text)
        lines = [(line_of(problem.path), problem) for problem in found]
        lines.sort(key=lambda pair: pair[0])
        said = [f"{path}:{line}: {_dotted(key)}: {says}" for line, (key, says) in lines]
        raise ProfileError(str(path), tuple(said))
    return msgspec.convert(raw, Profile)


def wrong_in(raw: Table) -> list[Problem]:
    """Everything that keeps a raw table from being a profile; nothing: it is one."""
    return list(_problems(raw))


def wrong_in_server(raw: Table) -> list[Problem]:
    """The same of the table of one server alone."""
    return list(problems(Server, raw, RULES))


def write(path: Path, profile: Profile) -> None:
    """Write the profile so that `read` gives it back; atomic, mode 0600. Raises ProfileError."""
    table = msgspec.to_builtins(profile, builtin_types=(datetime,))
    data = tomli_w.dumps({"profile": FORMAT, **table}).encode()
    try:
        write_whole(path, data)
    except OSError as error:
        problem = f"{path}: expected to be able to write it, found: {error.strerror}"
        raise ProfileError(str(path), (problem,), "write the profile") from error


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        found = f"{path}: expected a file that can be read, found: {error.strerror}"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found = f"{path}:{line}: expected UTF-8, found another encoding"
    raise ProfileError(str(path), (found,))


def _problems(raw: Table) -> Iterator[Problem]:
    """Of another version's file only the version is wrong: the rest cannot be judged."""
    version = raw.get("profile", FORMAT)
    if type(version) is int and version != FORMAT:
        yield Problem(("profile",), expected_found(FORMAT_LINE, version, ()))
    else:
        yield from problems(Profile, raw, RULES)


def _whole(raw: Table, path: KeyPath) -> Iterator[Problem]:
    if "profile" not in raw:
        yield Problem(("profile",), f"expected {FORMAT_LINE}, found nothing")
    databases = raw.get("databases")
    if isinstance(databases, list) and len(databases) != 1:
        says = f"expected exactly one database a night for now, found {len(databases)}"
        yield Problem(("databases",), says)
    yield from _same_names(raw)
    yield from _tunnel_ends(raw)


def _same_names(raw: Table) -> Iterator[Problem]:
    """Events and steps speak of servers and endpoints by name, so that no two may share one."""
    first: dict[str, KeyPath] = {}
    for path, part in _named_parts(raw):
        name = part.get("name")
        if isinstance(name, str) and name in first:
            says = (
                f"expected a name of its own, found {json.dumps(name)} like {_dotted(first[name])}"
            )
            yield Problem((*path, "name"), says)
        elif isinstance(name, str):
            first[name] = (*path, "name")


def _named_parts(raw: Table) -> Iterator[tuple[KeyPath, Table]]:
    parts: list[tuple[KeyPath, object]] = [
        ((key,), raw.get(key)) for key in ("source", "destination")
    ]
    for key in ("standbys", "endpoints"):
        several = raw.get(key)
        if isinstance(several, list):
            parts += [((key, at), part) for at, part in enumerate(several)]
    yield from ((path, part) for path, part in parts if isinstance(part, dict))


def _one_reference(raw: Table, path: KeyPath) -> Iterator[Problem]:
    known = SecretRef.__struct_fields__
    given = [key for key in known if raw.get(key, False) is not False]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        yield Problem(path, f"expected exactly one of {', '.join(known)}, found {found}")


def _tunnels(raw: Table, path: KeyPath) -> Iterator[Problem]:
    host = raw.get("host")
    kind = host.get("kind") if isinstance(host, dict) else None
    if raw.get("by_tunnel") is True and kind != "ssh":
        says = "expected a host reached by ssh, found none: there is nowhere to tunnel to"
        yield Problem((*path, "by_tunnel"), says)
    if raw.get("by_tunnel") is True and str(raw.get("address")).startswith("/"):
        says = "expected a name or an IP address, found a folder: a tunnel leads to a port"
        yield Problem((*path, "address"), says)
    if "replication_tunnel" in raw and "seen_from_destination" in raw:
        says = "expected this or seen_from_destination, found both"
        yield Problem((*path, "replication_tunnel"), says)


def _tunnel_ends(raw: Table) -> Iterator[Problem]:
    """A tunnel for replication is made on both hosts."""
    ends = {key: raw.get(key) for key in ("source", "destination")}
    tables = {key: end for key, end in ends.items() if isinstance(end, dict)}
    if "replication_tunnel" not in tables.get("source", {}):
        return
    for key, end in tables.items():
        if "host" not in end:
            says = "expected a host, found nothing: the replication tunnel needs both"
            yield Problem((key, "host"), says)


def _dotted(path: KeyPath) -> str:
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            words += "." * bool(words) + (part if BARE_KEY.fullmatch(part) else json.dumps(part))
    return words or "the profile"


RULES: dict[type, Rule] = {
    Profile: Rule("a table", _whole),
    SecretRef: Rule(
        'a reference such as { env = "NAME" }, never the password itself', _one_reference
    ),
    Server: Rule("a table", _tunnels),
    PgBouncer: Rule("a table", _tunnels),
}
"""What the types of the fields cannot say."""
