"""References that become values, and texts in which no value shows."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import secrets
from profiles.errors import SecretError
from profiles.profile import SecretRef
from profiles.secrets import MASK, masked, resolve

MD5 = "md5" + "0a" * 16
SCRAM = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ALTER ROLE a PASSWORD 'x y'; SELECT 1", "ALTER ROLE a PASSWORD '••••'; SELECT 1"),
        ("PASSWORD 'it''s' VALID UNTIL 'x'", "PASSWORD '••••' VALID UNTIL 'x'"),
        (r"PASSWORD E'it\'s' LOGIN", "PASSWORD E'••••' LOGIN"),
        ("PASSWORD $a$x'y$a$ LOGIN", "PASSWORD •••• LOGIN"),
        (f"PASSWORD '{SCRAM}' LOGIN", "PASSWORD '••••' LOGIN"),
        (f"{SCRAM} and {MD5}.", "•••• and ••••."),
        ("CONNECTION 'password=x dbname=d' P", "CONNECTION 'password=•••• dbname=d' P"),
        ("CONNECTION 'host=a password=x' P", "CONNECTION 'host=a password=••••' P"),
        ("'password=''x y'' dbname=d'", "'password=''••••'' dbname=d'"),
        ("password='it\\'s' dbname=d", "password='••••' dbname=d"),
        ("user=a password=it's dbname=d", "user=a password=•••• dbname=d"),
        ("password = 'never ends x", "password = ••••"),
        ("PGPASSWORD=x pg_dump -h y", "PGPASSWORD=•••• pg_dump -h y"),
        ("PGPASSWORD='x y' pg_dump", "PGPASSWORD='••••' pg_dump"),
        ('admin_password = "x" # why', 'admin_password = "••••" # why'),
        ('{"password": "x", "port": 1}', '{"password": "••••", "port": 1}'),
        ("postgres://u:x@h:5432/d?sslmode=a", "postgres://u:••••@h:5432/d?sslmode=a"),
        ("postgresql://u:x@y@h/d", "postgresql://u:••••@h/d"),
        ("postgres://h/d?password=x&sslmode=a", "postgres://h/d?password=••••&sslmode=a"),
        ("db:\n+  password: x\n  port: 1", "db:\n+  password: ••••\n  port: 1"),
        ("spring.datasource.password=x", "spring.datasource.password=••••"),
        ("+ auth = password=x,y", "+ auth = password=••••"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "CREATE ROLE r LOGIN PASSWORD '{verifier}'",
        "host=a password={password} dbname=d",
        "host=a password='{password}' dbname=d",
        'password = { env = "NAME" }',
        "ALTER ROLE a PASSWORD NULL",
        "ALTER ROLE a PASSWORD ''",
        "password_encryption = 'scram-sha-256'",
        "host all all 10.0.0.1/32 scram-sha-256",
        'password authentication failed for user "app"',
        "fe_sendauth: no password supplied",
        "host=a passfile=/var/lib/pgpass dbname=d",
        "http://localhost:8080/a@b",
        "postgres://user@h:5432/d",
        "old: read the password: it is empty.",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


FORMS = (
    "host=h password={} dbname=d",
    "host=h password='{}' dbname=d",
    "ALTER ROLE r PASSWORD '{}' LOGIN",
    "PGPASSWORD={} psql",
    "postgres://u:{}@h:1/d",
    "[databases]\nx = host=h password={} port=1\n",
)
plain_passwords = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S"], exclude_characters="'\\/{}\""),
    min_size=6,
    max_size=20,
)


@given(st.sampled_from(FORMS), plain_passwords)
def test_no_password_shows_and_the_rest_does(form: str, password: str) -> None:
    before, _, after = form.partition("{}")
    shown = masked(form.replace("{}", f"Zq8{password}k"))
    assert f"Zq8{password}" not in shown
    assert shown.startswith(before)
    assert shown.endswith(after)


@given(st.text(st.sampled_from(" ='\"{}$:/@?&;,\\\n•xpassword"), max_size=60))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert masked(masked(text)) == masked(text)


async def value(ref: SecretRef, *, typed: str | None = None, host: str = "h") -> str | None:
    return await resolve(
        ref, host=host, port=5432, database="d", user="u", where="old", asked=lambda: typed
    )


async def problem(ref: SecretRef) -> str:
    with pytest.raises(SecretError) as caught:
        await value(ref)
    assert caught.value.where == "old"
    assert caught.value.remedy
    return str(caught.value)


async def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NF_PASSWORD", "x y")
    assert await value(SecretRef(env="NF_PASSWORD")) == "x y"


async def test_a_variable_that_is_not_there_or_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NF_PASSWORD", raising=False)
    assert "NF_PASSWORD: there is no such" in await problem(SecretRef(env="NF_PASSWORD"))
    monkeypatch.setenv("NF_PASSWORD", "")
    assert "NF_PASSWORD: it is empty" in await problem(SecretRef(env="NF_PASSWORD"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("echo 'x y'; echo second", "x y"),
        ("printf x", "x"),
        ("printf 'x\\r\\n'", "x"),
        ("echo x; yes | head -c 300000", "x"),
        ("printf 'sch\\366n\\n'", "sch\udcf6n"),
    ],
)
async def test_from_the_first_line_of_a_command(line: str, expected: str) -> None:
    assert await value(SecretRef(command=line)) == expected


@pytest.mark.parametrize(
    ("line", "answered"),
    [("echo hunter2; exit 3", "exit status 3"), ("true", "it printed nothing")],
)
async def test_a_command_that_gives_nothing(line: str, answered: str) -> None:
    said = await problem(SecretRef(command=line))
    assert answered in said
    assert "hunter2\n" not in said


async def test_a_command_with_a_secret_in_it_is_masked() -> None:
    said = await problem(SecretRef(command="TOKEN_SECRET=hunter2 false"))
    assert "hunter2" not in said
    assert MASK in said


@pytest.mark.parametrize("line", ["echo $$ > {pid}; exec sleep 60", "sleep 60 & echo $! > {pid}"])
async def test_a_command_that_does_not_end_is_ended(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "COMMAND_DEADLINE_S", 0.5)
    pid = tmp_path / "pid"
    began = time.monotonic()
    said = await problem(SecretRef(command=line.format(pid=pid)))
    assert "it had not ended after 0.5 s, and was stopped" in said
    assert time.monotonic() - began < 5
    assert ends(int(pid.read_text()))


def ends(pid: int) -> bool:
    """Whether a process ends within five seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 5.0)[0])
    finally:
        os.close(handle)


async def test_what_is_asked_is_what_was_typed() -> None:
    assert await value(SecretRef(ask=True), typed="x y") == "x y"
    assert "Type it in the wizard" in await problem(SecretRef(ask=True))


@pytest.fixture
def pgpass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "pgpass"
    path.touch(mode=0o600)
    monkeypatch.setenv("PGPASSFILE", str(path))
    return path


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("h:5432:d:u:x y", "x y"),
        ("*:*:*:*:x", "x"),
        ("other:5432:d:u:no\nh:*:d:u:x\n*:*:*:*:later", "x"),
        ("# h:5432:d:u:no\n\nh:5432:d:u:x", "x"),
        (r"h:5432:d:u:a\:b\\c", r"a:b\c"),
        ("h:5432:d:u:x:ignored", "x"),
        ("h:5432:d:u:x\r\n", "x"),
        ("h:5432:d:u:tail\\", "tail\\"),
        ("\\h:5432:d:u:x", "x"),
        ("h:5433:d:u:no", None),
        ("h:5432:d:u", None),
        ("h:5432:d:u:", None),
        (r"\*:5432:d:u:no", None),
        ("", None),
    ],
)
async def test_from_the_password_file(lines: str, expected: str | None, pgpass: Path) -> None:
    pgpass.write_bytes(lines.encode())
    assert await value(SecretRef(pgpass=True)) == expected


@pytest.mark.parametrize("host", ["", "/var/run/postgresql", "localhost"])
async def test_a_socket_is_localhost_in_the_password_file(host: str, pgpass: Path) -> None:
    pgpass.write_text("localhost:*:*:*:x\n")
    assert await value(SecretRef(pgpass=True), host=host) == "x"


async def test_without_a_password_file_there_is_no_password(pgpass: Path) -> None:
    pgpass.unlink()
    assert await value(SecretRef(pgpass=True)) is None


async def test_the_password_file_stands_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSFILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".pgpass").touch(mode=0o600)
    (tmp_path / ".pgpass").write_text("*:*:*:*:x")
    assert await value(SecretRef(pgpass=True)) == "x"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
async def test_a_password_file_that_others_may_use_is_refused(mode: int, pgpass: Path) -> None:
    pgpass.write_text("*:*:*:*:hunter2")
    pgpass.chmod(mode)
    said = await problem(SecretRef(pgpass=True))
    assert f"mode {mode:04o}" in said
    assert f"chmod 0600 {pgpass}" in said
    assert "hunter2" not in said


async def test_a_password_file_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path))
    assert "it is not a plain file" in await problem(SecretRef(pgpass=True))
