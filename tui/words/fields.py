"""The fields of the form in which a profile is entered: one table, and how each is shown and read.

Works on a profile as a raw table, so that what is wrong or missing has its place, too; what it may
hold is `profiles.load`'s to say. Knows no widget.
"""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from profiles.events import Side
from profiles.lines import KeyPath
from profiles.profile import ByHand, ConnectionFile, PgBouncer, TlsMode
from profiles.shape import Problem, Table

NUMBER_DIGITS = 9
"""What is longer is no number that a profile has a use for."""


class Codec(NamedTuple):
    """How a value is shown as a line of text, and read from one; None stands for no value."""

    show: Callable[[Any], str]
    read: Callable[[str], Any]
    options: tuple[str, ...] = ()
    """To choose among; none: it is typed."""


class Field(NamedTuple):
    """One line of the form."""

    label: str
    path: KeyPath
    help: str
    codec: Codec
    usual: str = ""
    """What counts while nothing was typed."""

    @property
    def key(self) -> str:
        """The field's name among all."""
        return ".".join(str(part) for part in self.path)


class Section(NamedTuple):
    """Fields that belong together, under a heading; of a server: on which side it stands."""

    title: str
    fields: tuple[Field, ...]
    side: Side | None = None


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _number(text: str) -> int | str | None:
    digits = text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS
    return int(text) if digits else text or None


def _words(text: str) -> list[str] | str | None:
    """What a shell would make of it; what no shell could read stands as it is, and is wrong."""
    try:
        return shlex.split(text) or None
    except ValueError:
        return text


def _pairs(text: str) -> dict[str, str] | str | None:
    words = _words(text)
    if isinstance(words, list) and len(words) % 3 == 0 and set(words[1::3]) <= {"to"}:
        return dict(zip(words[::3], words[2::3], strict=True))
    return text or None


def _joined(value: Any) -> str:
    match value:
        case list():
            return shlex.join(value)
        case dict():
            return " ".join(f"{shlex.quote(k)} to {shlex.quote(v)}" for k, v in value.items())
        case _:
            return _shown(value)


TEXT = Codec(_shown, lambda text: text or None)
KEPT = Codec(_shown, lambda text: text)
"""A text that stands there even when it is empty: its table would be another one without it."""
NUMBER = Codec(_shown, _number)
WORDS = Codec(_joined, _words)
PAIRS = Codec(_joined, _pairs)
ONLY = Codec(
    lambda value: value[0] if value and len(value) == 1 else _joined(value),
    lambda text: [text] if text else [],
)
"""The one text of a list."""


def _among(values: Mapping[str, Any], kind_of: Callable[[Any], Any] = lambda value: value) -> Codec:
    """One of a few, by the words for it; the first is what counts while nothing stands there."""
    words = {kind_of(value): word for word, value in values.items()}
    first = next(iter(values))
    return Codec(
        lambda value: first if value is None else words.get(kind_of(value), _shown(value)),
        lambda word: copy.deepcopy(values.get(word)),
        tuple(values),
    )


def _reference(value: Any) -> Any:
    return next(iter(value), None) if isinstance(value, dict) else value


def _tag(value: Any) -> Any:
    return value.get("kind") if isinstance(value, dict) else value


REFERENCES = {
    "the password file": {"pgpass": True},
    "an environment variable": {"env": ""},
    "a command": {"command": ""},
    "ask me": {"ask": True},
}
SECRET = _among(REFERENCES, _reference)
MAYBE_SECRET = _among({"none": None, **REFERENCES}, _reference)
TLS = _among({"as the address asks for": None, **{mode: mode for mode in get_args(TlsMode)}})
YES = _among({"no": None, "yes": True})
ACCESS = _among({"write": None, "read": "read"})
HOST = _among(
    {"not reached": None, "this machine": {"kind": "local"}, "by SSH": {"kind": "ssh", "ssh": ""}},
    _tag,
)
KINDS = {"PgBouncer": PgBouncer, "a connection file": ConnectionFile, "by hand": ByHand}
TAGS = {word: str(kind.__struct_config__.tag) for word, kind in KINDS.items()}


def _endpoint_kind(endpoint: Any) -> str:
    return next((word for word, tag in TAGS.items() if tag == _tag(endpoint)), "")


ENDPOINT = Codec(_endpoint_kind, lambda word: {"kind": TAGS.get(word, word)}, tuple(KINDS))


def value_at(raw: Any, path: KeyPath) -> Any:
    """What stands there; None where nothing does."""
    for part in path:
        match raw, part:
            case dict(), str():
                raw = raw.get(part)
            case list(), int() if part < len(raw):
                raw = raw[part]
            case _:
                return None
    return raw


def text_of(raw: Table, field: Field) -> str:
    """What the field shows."""
    return field.codec.show(value_at(raw, field.path))


def entered(raw: Table, field: Field, text: str) -> Table:
    """The profile with that text in that field; the rest of it is as it was."""
    if text == text_of(raw, field):
        return raw  # what was chosen before may have fields of its own
    value = field.codec.read(text)
    if field.codec is ENDPOINT:
        value = _other_kind(value_at(raw, field.path), text)
    made = copy.deepcopy(raw)
    *above, last = field.path
    table: Any = made
    for part in above:
        table = table.setdefault(part, {}) if isinstance(table, dict) else table[part]
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value
    return made


def _other_kind(endpoint: Any, word: str) -> Table:
    """The endpoint as another kind: what both kinds have is kept."""
    kind = KINDS[word]
    kept = {key: value for key, value in endpoint.items() if key in kind.__struct_fields__}
    client: Table = {"client": {}} if "client" in kind.__struct_fields__ else {}
    return {**client, **kept, "kind": TAGS[word]}


def with_endpoint(raw: Table) -> Table:
    """The profile with one more endpoint, of which nothing is known yet."""
    endpoint = {"kind": TAGS["PgBouncer"], "client": {}}
    return {**raw, "endpoints": [*raw.get("endpoints", []), endpoint]}


def without_endpoint(raw: Table, at: int) -> Table:
    """The profile without one of its endpoints."""
    left = [each for place, each in enumerate(raw.get("endpoints", [])) if place != at]
    return {**raw, "endpoints": left}


def sections(raw: Table) -> list[Section]:
    """Every field that this profile has a use for now, in the order in which they stand."""
    endpoints = raw.get("endpoints", [])
    return [
        Section("The move", MOVE),
        Section("Source: the old server", _server(raw, "source"), "source"),
        Section("Destination: the new server", _server(raw, "destination"), "destination"),
        *[
            Section(f"Endpoint {at + 1}: how clients reach them", _endpoint(raw, at))
            for at in range(len(endpoints))
        ],
    ]


def beside(problems: Sequence[Problem], fields: Sequence[Field]) -> dict[str, str]:
    """What is wrong, by the key of the field it stands beside; under "" what has no field here."""
    wrong: dict[str, str] = {}
    for path, says in problems:
        place = _place(path, fields)
        wrong[place] = f"{wrong[place]}; {says}" if place in wrong else says
    return wrong


def _place(path: KeyPath, fields: Sequence[Field]) -> str:
    """The field that has the path; else the nearest one above it, or the first one below it."""
    above = [field for field in fields if path[: len(field.path)] == field.path]
    below = [field for field in fields if field.path[: len(path)] == path]
    nearest = sorted(above, key=lambda field: len(field.path), reverse=True) or below
    return nearest[0].key if nearest else ""


MOVE = (
    Field("name", ("name",), "What this move is called, here and in the report.", TEXT),
    Field("database", ("databases",), "The one database that moves.", ONLY),
    Field(
        "finish by",
        ("finish_by",),
        "When it has to be over, with its offset: 2026-03-01T05:00:00Z. May stay empty.",
        TEXT,
    ),
)


def _server(raw: Table, side: Side) -> tuple[Field, ...]:
    at = (side,)
    return (
        Field("name", (*at, "name"), "What events, steps and you call it; it is typed.", TEXT),
        Field(
            "address",
            (*at, "address"),
            "As its clients reach it: a name or an IP address, or the folder of its socket.",
            TEXT,
        ),
        Field("port", (*at, "port"), "Of PostgreSQL.", NUMBER, "5432"),
        Field("user", (*at, "user"), "The wizard's own login: a superuser.", TEXT, "postgres"),
        *_secret(raw, "password", (*at, "password"), "Where the password is to be had.", SECRET),
        *_tls(at),
        Field(
            "CA file",
            (*at, "tls_root_cert"),
            "The certificate that the server's is signed by; the same path here and on the new "
            "host. Empty: what the system trusts.",
            TEXT,
        ),
        Field("country", (*at, "country"), "Where the data is: two letters, such as CH.", TEXT),
        Field("operated by", (*at, "operated_by"), "Who runs the machine.", TEXT),
        *_host(raw, at),
    )


def _tls(at: KeyPath) -> tuple[Field, ...]:
    says = "How the session is protected: verify-full, or prefer for a server of this machine."
    return (Field("TLS", (*at, "tls"), says, TLS),)


def _secret(raw: Table, label: str, path: KeyPath, says: str, codec: Codec) -> tuple[Field, ...]:
    """The reference, and what it needs to be one; never the secret itself."""
    chosen = Field(label, path, f"{says} The secret itself is never written down.", codec)
    known = value_at(raw, path)
    match _reference(known):
        case "env":
            name = "The variable's name, in the environment that Nightferry is started in."
            return (chosen, Field("· variable", (*path, "env"), name, KEPT))
        case "command":
            line = "A shell line whose first line of output is the secret."
            return (chosen, Field("· command", (*path, "command"), line, KEPT))
        case _:
            return (chosen,)


def _host(raw: Table, at: KeyPath) -> tuple[Field, ...]:
    path = (*at, "host")
    says = "The machine under it: without one, what is to be done there is done by hand."
    host = Field("host", path, says, HOST)
    by_tunnel = Field(
        "by tunnel",
        (*at, "by_tunnel"),
        "Our own sessions go through SSH to this host; the address is as the host sees it.",
        YES,
    )
    far = _tag(value_at(raw, path)) == "ssh"
    tunnelled = (by_tunnel,) if far or value_at(raw, by_tunnel.path) else ()
    return (host, *(_ssh(raw, path) if far else ()), *tunnelled)


def _ssh(raw: Table, path: KeyPath) -> tuple[Field, ...]:
    names = "The hosts on the way, from here on, with blanks between them."
    sudo = "Whom lines and files there are for, by sudo. Empty: the user who logs in."
    sudo_password = (*path, "sudo_password")
    sudoing = value_at(raw, (*path, "sudo_user")) or value_at(raw, sudo_password)
    asked = "Of the user who logs in, where sudo asks for one."
    return (
        Field("· SSH name", (*path, "ssh"), "Its name in ~/.ssh/config, or its address.", KEPT),
        Field("· SSH user", (*path, "user"), "Empty: as ~/.ssh/config says.", TEXT),
        Field("· SSH port", (*path, "port"), "Empty: as ~/.ssh/config says.", NUMBER),
        Field("· jump hosts", (*path, "jump"), names, WORDS),
        *_secret(raw, "· password", (*path, "password"), "Where no key is.", MAYBE_SECRET),
        Field("· sudo user", (*path, "sudo_user"), sudo, TEXT),
        *(_secret(raw, "· sudo asks", sudo_password, asked, MAYBE_SECRET) if sudoing else ()),
    )


def _endpoint(raw: Table, place: int) -> tuple[Field, ...]:
    at: KeyPath = ("endpoints", place)
    kind = _endpoint_kind(value_at(raw, at))
    parts = {"PgBouncer": _pgbouncer, "a connection file": _file, "by hand": _by_hand}
    return (
        Field("kind", at, "What clients go through; by hand: only you can switch it.", ENDPOINT),
        Field("name", (*at, "name"), "What events, steps and you call it.", TEXT),
        Field("access", (*at, "access"), "Whether clients write through it.", ACCESS),
        *(parts[kind](raw, at) if kind else ()),
    )


def _client(raw: Table, at: KeyPath) -> tuple[Field, ...]:
    user = "A login of a client: it proves the switch by a write of its own."
    path = (*at, "client", "password")
    return (
        Field("client", (*at, "client", "user"), user, TEXT),
        *_secret(raw, "its password", path, "Where that login's password is.", SECRET),
    )


def _pgbouncer(raw: Table, at: KeyPath) -> tuple[Field, ...]:
    admin = "None: by the admin socket, which admits only the pooler's own user."
    socket = "The folder of its UNIX socket (unix_socket_dir): the timer resumes it there."
    return (
        Field("address", (*at, "address"), "Where clients and the console are.", TEXT),
        Field("port", (*at, "port"), "Of PgBouncer.", NUMBER, "6432"),
        Field("pool", (*at, "database"), "Its name: the key in [databases].", TEXT),
        Field("config", (*at, "config"), "The path of pgbouncer.ini on its host.", TEXT),
        Field("admin", (*at, "admin_user"), "Who may use the console.", TEXT, "pgbouncer"),
        *_secret(raw, "its password", (*at, "admin_password"), admin, MAYBE_SECRET),
        Field("socket", (*at, "admin_socket"), socket, TEXT),
        *_client(raw, at),
        *_tls(at),
        *_host(raw, at),
    )


def _file(raw: Table, at: KeyPath) -> tuple[Field, ...]:
    replaced = "What names the old server, and what it becomes: host=db-old to host=db-new."
    return (
        Field("path", (*at, "path"), "The file in which clients read where to go.", TEXT),
        Field("replace", (*at, "replace"), replaced, PAIRS),
        Field("reload", (*at, "reload"), "A shell line that makes clients read it again.", TEXT),
        *_client(raw, at),
        *[field for field in _host(raw, at) if field.label != "by tunnel"],
    )


def _by_hand(raw: Table, at: KeyPath) -> tuple[Field, ...]:
    return (
        Field("address", (*at, "address"), "Where clients go.", TEXT),
        Field("how", (*at, "how"), "What is to be done, in your words.", TEXT),
    )
