"""What the actions write: verifiers, connection strings, lines of pg_hba.conf, values, edits."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shlex
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from actions import cutover, replication, schema, source, traffic
from actions.postgres import conninfo
from actions.scram import scram_verifier
from connections.places import Place, seen_from_destination
from profiles.profile import (
    Address,
    ConnectionFile,
    LocalHost,
    Login,
    PgBouncer,
    ReplicationTunnel,
    Server,
    SshHost,
)
from profiles.steps import FileEdit, Shell, Sql, Step, edited, settling, shown

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1, max_size=30)
OLD = Server(name="old", address="10.0.0.1", country="NO", operated_by="us")
NEW = Server(name="new", address="10.0.0.2", country="NO", operated_by="us")
SEEN = msgspec.structs.replace(OLD, seen_from_destination=Address(address="192.0.2.7", port=6000))
TUNNEL = ReplicationTunnel(login="ferry@10.0.0.1", comes_from="10.0.0.2")
POOL = PgBouncer(
    name="pool",
    address="10.0.0.3",
    database="shop",
    config="/etc/pgbouncer.ini",
    admin_socket="/run/pg bouncer",
    client=Login(user="app"),
    host=LocalHost(),
)


def hashed(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def test_a_verifier_is_what_a_server_would_have_made() -> None:
    """The exchange that RFC 7677 prints, seen from the server."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    head, _, keys = scram_verifier("pencil", salt).rpartition("$")
    assert head == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = (
        f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        f",c=biws,r={nonce}"
    ).encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hashed(stored, said)
    client = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    assert hashlib.sha256(client).digest() == stored
    expected = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert hashed(server, said) == expected


def test_each_verifier_has_a_salt_of_its_own() -> None:
    assert scram_verifier("pencil") != scram_verifier("pencil")
    with pytest.raises(UnicodeEncodeError):
        scram_verifier("pencîl")


@given(TEXT, TEXT, TEXT)
def test_libpq_reads_a_connection_string_as_it_was_meant(user: str, name: str, path: str) -> None:
    parts = {"host": "127.0.0.1", "user": user, "dbname": name, "sslrootcert": path}
    assert conninfo_to_dict(conninfo(parts)) == parts


@given(NAME, TEXT)
def test_a_subscription_names_its_database_whatever_it_is_called(name: str, path: str) -> None:
    step = replication.subscribe(
        "old", "new", name, place=Place("::1", 5432), tls="verify-ca", tls_root_cert=path
    )
    create = step.commands[-1]
    assert isinstance(create, Sql)
    literal = create.text.partition("CONNECTION ")[2].rpartition("\n  PUBLICATION")[0]
    read = conninfo_to_dict(unquoted(literal))
    assert (read["dbname"], read["sslrootcert"], read["host"]) == (name, path, "::1")
    assert read["password"] == "{password}"


def unquoted(literal: str) -> str:
    """What a string constant says (PostgreSQL manual 4.1.2)."""
    text = literal.removeprefix("E")[1:-1].replace("''", "'")
    return text.replace("\\\\", "\\") if literal.startswith("E") else text


def in_hba(line: str) -> list[str]:
    """A line of pg_hba.conf as the server splits it: quotes group, doubled they are themselves."""
    words: list[str] = []
    word, inside, at = "", False, 0
    while at < len(line):
        if line[at] == '"' and inside and line[at + 1 : at + 2] == '"':
            word, at = word + '"', at + 1
        elif line[at] == '"':
            inside = not inside
        elif line[at] == " " and not inside:
            words, word = [*words, word], ""
        else:
            word += line[at]
        at += 1
    return [*words, word]


@given(NAME)
def test_a_line_lets_one_database_in(name: str) -> None:
    line = source.hba_line(name, "10.0.0.2", tls=True)
    expected = ["hostssl", name, "nightferry_repl", "10.0.0.2/32", "scram-sha-256"]
    assert in_hba(line) == expected
    dumping = source.dump_line("shop", name, "10.0.0.2", tls=False)
    expected = ["host", "shop", name, "10.0.0.2/32", "scram-sha-256", "#", "nightferry:", "pg_dump"]
    assert in_hba(dumping) == expected


@pytest.mark.parametrize("name", ["all", "sameuser", "samerole", "replication", "a,b", "@x"])
def test_a_word_with_a_meaning_of_its_own_is_quoted(name: str) -> None:
    assert f' "{name}" ' in source.hba_line(name, "10.0.0.2", tls=False)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("localhost", "127.0.0.1/32"),
        ("10.0.0.2", "10.0.0.2/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("db.example.org", "db.example.org"),
    ],
)
def test_one_address_and_no_other(address: str, written: str) -> None:
    assert f" {written} " in source.hba_line("shop", address, tls=False)


@pytest.mark.parametrize(
    ("comes_from", "through", "itself_at", "admitted"),
    [
        (None, False, "10.0.0.1", "10.0.0.2"),
        ("192.0.2.9", False, "10.0.0.1", "192.0.2.9"),
        ("192.0.2.9", True, "10.0.0.1", "10.0.0.1"),
        (None, True, "127.0.1.1", "127.0.0.1"),
        (None, True, "2001:db8::1", "2001:db8::1"),
        (None, True, "::1", "::1"),
        (None, True, None, "127.0.0.1"),
    ],
)
def test_from_where_the_source_sees_the_destination_come(
    comes_from: str | None, through: bool, itself_at: str | None, admitted: str
) -> None:
    old = msgspec.structs.replace(OLD, replication_tunnel=TUNNEL if through else None)
    new = msgspec.structs.replace(NEW, comes_from=comes_from)
    assert source.comes_from(old, new, itself_at) == admitted


def test_without_a_host_the_door_is_opened_and_closed_by_hand() -> None:
    door = a_door(OLD, dumps=True)
    assert door.by_hand
    assert settling(door).by_hand
    lines = shown(door.commands[0]).splitlines()
    assert lines[1:] == [
        "host shop nightferry_repl 10.0.0.2/32 scram-sha-256",
        "host shop postgres 10.0.0.2/32 scram-sha-256 # nightferry: pg_dump",
    ]
    assert shown(door.undo[0]).splitlines()[1:] == lines[1:]


def test_both_lines_of_the_door_are_one_edit() -> None:
    hosted = msgspec.structs.replace(OLD, host=LocalHost())
    for dumps in (False, True):
        door = a_door(hosted, dumps=dumps)
        edit, back = door.commands[0], door.undo[0]
        assert isinstance(edit, FileEdit) and isinstance(back, FileEdit)
        assert len(edit.prepend) == 1 + dumps
        text = "host shop postgres 10.0.0.2/32 scram-sha-256\n"
        assert edited(back, edited(edit, text)) == text
        assert door.holds[0].answer == str(1 + dumps)
        assert len(door.undone) == 1 + dumps


def a_door(old: Server, *, dumps: bool) -> Step:
    return source.open_door(
        old, NEW, "shop", "/etc/pg_hba.conf", tls=False, address="10.0.0.2", dumps=dumps
    )


def test_no_values_are_no_statement_about_sequences() -> None:
    assert cutover.sequence_values({}) == ""
    smallest = cutover.sequence_values({"a'b": (-(2**63), False)})
    assert smallest == "('a''b', '-9223372036854775808'::bigint, false)"


def test_the_checklist_shows_what_the_stretch_runs() -> None:
    fence = cutover.Fence(roles=["app"], exceptions=["batch"], wizard="postgres")
    steps = cutover.paused_steps("old", "new", "shop", fence, ["public.s"])
    found = cutover.acts(steps)
    said = {id(command) for step in steps for command in (*step.commands, *step.undo)}
    said |= {id(evidence.ask) for step in steps for evidence in step.holds}
    statements = [it for it in vars(found).values() if isinstance(it, Sql)]
    assert len(statements) == 16
    assert all(id(statement) in said for statement in statements)
    assert (found.old, found.new, found.database) == ("old", "new", "shop")
    assert all(step.paused for step in steps)
    assert [step.id for step in steps if step.after_turn] == ["open@new"]
    assert '"batch" LOGIN' in found.open.text
    assert "batch" not in found.fence.text


def test_the_login_retry_is_changed_and_given_back() -> None:
    ini = "[databases]\nshop = host=a\n[pgbouncer]\nserver_login_retry = 9\nlisten_port = 1\n"
    for before, text in (("server_login_retry = 9", ini), (None, ini.replace("retry = 9", "x"))):
        step = traffic.lower_login_retry(POOL, before)
        edit, back = step.commands[0], step.undo[0]
        assert isinstance(edit, FileEdit)
        assert isinstance(back, FileEdit)
        changed = edited(edit, text)
        assert "\nserver_login_retry = 1\n" in changed
        assert edited(back, changed) == text
        assert step.undone[0].answer == ("9" if before else "15")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DATABASE_PORT=5416", "DATABASE_PORT=541"),
        ("DATABASE_HOST=db", "DATABASE_HOST=db.new"),
        ("URL=postgres://[::1]:1/a?b=$c", "URL=postgres://h:1/a?b=$d"),
        ("@old/", "@new/"),
    ],
)
def test_a_connection_file_names_the_new_server_only_once_it_was_edited(
    old: str, new: str, tmp_path: Path
) -> None:
    path = tmp_path / "a file.env"
    text = f"# was {new}\nA=1 {old}\nB=2\n" if not old.startswith("@") else f"U=a{old}b\n"
    endpoint = ConnectionFile(
        name="env", path=str(path), replace={old: new}, client=Login(user="app")
    )
    step = traffic.read_endpoint(endpoint, OLD, NEW)
    ask = step.holds[0].ask
    assert isinstance(ask, Shell)
    path.write_text(text)
    assert answer_of(ask.line) != step.holds[0].answer
    path.write_text(text.replace(old, new))
    assert answer_of(ask.line) == step.holds[0].answer


def answer_of(line: str) -> str:
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    return ran.stdout.strip() if ran.returncode == 0 else f"exit code {ran.returncode}"


def test_an_endpoint_is_one_step_at_each_place_of_the_stretch() -> None:
    ahead, behind, after = traffic.stretch_steps(POOL, OLD, NEW, "shop")
    ids = [[step.id for step in steps] for steps in (ahead, behind, after)]
    assert ids == [["timer@pool", "pause@pool"], ["point@pool", "resume@pool"], ["written@pool"]]
    place = ahead[0].commands[0]
    assert isinstance(place, Shell)
    filled = {"{folder}": "/f", "{night}": "n", "{attempt}": "1"}
    words = shlex.split(re.sub(r"{(folder|night|attempt)}", lambda m: filled[m[0]], place.line))
    assert words[1:3] == ["-I", "-S"]
    assert words[4:] == ["place", "/f/resume-pool-n-1", "{after_s}", SOCKET, "shop"]
    point = traffic.read_endpoint(POOL, OLD, NEW)
    assert (point.id, point.paused, point.after_turn) == ("point@pool", False, True)
    assert point.servers == ("pool",)


SOCKET = "/run/pg bouncer/.s.PGSQL.6432"


@pytest.mark.parametrize("host", [None, LocalHost(), SshHost(ssh="db2")])
def test_a_dump_never_queues_in_front_of_the_application(host: LocalHost | SshHost | None) -> None:
    new = msgspec.structs.replace(NEW, host=host)
    step = schema.schema_first(
        OLD,
        new,
        "shop",
        tls=("require", "disable"),
        tools="/opt/pg 18/bin",
        bench=schema.bench_of(new, Path("/var/a night's")),
        early_indexes=[("Lager", "by 'sku'")],
    )
    lines = [it.line for it in step.commands if isinstance(it, Shell)]
    assert "--lock-wait-timeout=1s" in lines[0]
    assert "password=" not in "".join(lines)
    assert "'/opt/pg 18/bin/pg_dump'" in lines[0]
    for line in lines:
        checked = subprocess.run(["/bin/sh", "-n", "-c", line], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("host", "named", "folder", "lent"),
    [
        (None, None, "'/var/a night'\"'\"'s/schema'", False),
        (LocalHost(), "new", "'/var/a night'\"'\"'s/schema'", False),
        (SshHost(ssh="db2"), "new", "\"$HOME\"/.nightferry/'a night'\"'\"'s'", True),
    ],
)
def test_where_the_schema_is_dumped(
    host: LocalHost | SshHost | None, named: str | None, folder: str, lent: bool
) -> None:
    new = msgspec.structs.replace(NEW, host=host)
    bench = schema.bench_of(new, Path("/var/a night's"))
    assert bench == (named, folder, lent)
    first = schema.schema_first(
        SEEN,
        new,
        "shop",
        tls=("require", "disable"),
        tools="/bin",
        bench=bench,
        early_indexes=[],
    )
    later = schema.schema_later(SEEN, new, "shop", tls="disable", tools="/bin", bench=bench)
    shells = [it for it in (*first.commands, *later.commands) if isinstance(it, Shell)]
    assert {it.host for it in shells} == {named}
    seen = "host=10.0.0.1 port=5432" if host is None else "host=192.0.2.7 port=6000"
    assert seen in shells[0].line
    assert "host=10.0.0.2 port=5432" in shells[2].line
    assert bool(first.leaves) == bool(first.undo) == bool(first.undone) == lent


def test_through_the_tunnel_the_certificate_is_still_the_sources() -> None:
    place = seen_from_destination(msgspec.structs.replace(OLD, replication_tunnel=TUNNEL))
    told = conninfo_to_dict(conninfo(place.parts))
    assert told == {"host": "10.0.0.1", "hostaddr": "127.0.0.1", "port": "15432"}
    by_socket = msgspec.structs.replace(OLD, address="/run", replication_tunnel=TUNNEL)
    assert seen_from_destination(by_socket) == Place("127.0.0.1", 15432)
