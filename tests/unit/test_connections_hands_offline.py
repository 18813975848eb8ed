"""Commands that need no server: files, lines, what is done by hand; and answers as text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from connections.answers import complaint_of, hidden, hush, tail_of, text_of
from connections.hands import Hands, Work
from connections.passwords import Passwords
from profiles.errors import AnswerError, DeadlineError, HostError, PoolerError
from profiles.profile import ByHand, ConnectionFile, LocalHost, Login, Profile, SecretRef, Server
from profiles.steps import FileEdit, Pooler, Replace, Shell, ThroughEndpoint, Words


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    old = Server(name="old", address="127.0.0.1", country="NO", operated_by="us", host=LocalHost())
    client = Login(user="app", password=SecretRef(ask=True))
    file = ConnectionFile(name="env", path="/x", replace={}, client=client, host=LocalHost())
    profile = Profile(
        name="orders",
        databases=["orders"],
        source=old,
        destination=msgspec.structs.replace(old, name="new", host=None),
        endpoints=[file, ByHand(name="dns", address="db.lan", how="change the record")],
    )
    async with Hands(profile, Passwords(profile)).at_work() as work:
        yield work


@pytest.fixture
def env(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text("# ours\nDATABASE_URL=postgres://app:s3cr3t@old/orders\nDEBUG=0\n")
    return path


def edit(path: Path, host: str = "env", old: str = "@old/", new: str = "@new/") -> FileEdit:
    change = Replace(line_starts="DATABASE_URL=", old=old, new=new)
    return FileEdit(host=host, path=str(path), replace=(change,))


async def test_an_edit_says_its_diff_without_secrets_and_keeps_a_backup(
    work: Work, env: Path
) -> None:
    before = env.read_text()
    done = await work.do(edit(env), {})
    assert env.read_text() == before.replace("@old/", "@new/")
    assert "-DATABASE_URL=postgres://app:••••@old/orders" in done.text.splitlines()
    assert "s3cr3t" not in done.text
    backup = Path(done.answer.removeprefix("changed; as it was: "))
    assert backup.read_text() == before


async def test_an_edit_that_stands_already_writes_nothing(work: Work, env: Path) -> None:
    await work.do(edit(env), {})
    files, stamp = sorted(env.parent.iterdir()), env.stat().st_mtime_ns
    assert (await work.do(edit(env), {})).answer == "it stands already"
    assert (sorted(env.parent.iterdir()), env.stat().st_mtime_ns) == (files, stamp)


async def test_an_edit_that_does_not_fit_names_the_file_and_changes_nothing(
    work: Work, env: Path
) -> None:
    before = env.read_text()
    with pytest.raises(HostError, match=rf"host of env: edit {env}: .*@elsewhere/.*by hand"):
        await work.do(edit(env, old="@elsewhere/"), {})
    assert env.read_text() == before


@pytest.mark.parametrize("host", ["new", "dns"])
async def test_a_host_that_cannot_be_reached_is_for_the_operator(
    work: Work, env: Path, host: str
) -> None:
    for command in (edit(env, host=host), Shell(host=host, line="true")):
        with pytest.raises(HostError, match=f"host of {host}: .*Do it by hand"):
            await work.do(command, {})


async def test_a_line_answers_its_last_words_and_captures_all_of_them(work: Work) -> None:
    values = {"who": "you"}
    line = Shell(host="old", line="echo hello; echo {who}; echo", fills=("who",), captures="all")
    assert await work.do(line, values) == ("echo hello; echo you; echo", "you", 0)
    assert values["all"] == "hello\nyou"


async def test_a_line_that_fails_says_how(work: Work) -> None:
    with pytest.raises(HostError, match=r"host of old: run .*: exit code 4: it broke"):
        await work.do(Shell(host="old", line="echo fine; echo it broke >&2; exit 4"), {})


async def test_a_program_that_was_not_let_in_says_from_where_it_logged_in(work: Work) -> None:
    said = 'pg_dump: error: connection to server at "10.0.0.1" failed: FATAL: no pg_hba.conf entry'
    line = f'echo "{said}" >&2; exit 1'
    with pytest.raises(HostError, match=r"host of old: run .*no pg_hba.conf entry") as refused:
        await work.do(Shell(host="old", line=line, passwords_for=("old",)), {})
    assert "It logged in from the host of old" in refused.value.remedy
    with pytest.raises(HostError) as refused:
        await work.do(Shell(host=None, line=line, passwords_for=("old",)), {})
    assert refused.value.remedy == ""


async def test_a_line_runs_as_another_user_only_where_we_may(work: Work) -> None:
    with pytest.raises(HostError, match="as nobody-here: there is no user nobody-here"):
        await work.do(Shell(host=None, line="true", as_user="nobody-here"), {})


async def test_a_line_that_takes_too_long_is_ended(work: Work) -> None:
    with pytest.raises(DeadlineError):
        await work.do(Shell(host=None, line="sleep 60", deadline_s=0.05), {})


async def test_a_secret_never_stands_in_a_line(work: Work) -> None:
    line = Shell(host=None, line="echo {password}", fills=("password",))
    with pytest.raises(HostError, match="list of processes") as refused:
        await work.do(line, {"password": "s3cr3t"})
    assert "s3cr3t" not in repr(refused.value)


async def test_words_are_never_run(work: Work) -> None:
    with pytest.raises(HostError, match="only a person"):
        await work.do(Words(text="change the record"), {})


async def test_only_a_pooler_has_a_console(work: Work) -> None:
    with pytest.raises(PoolerError, match="it is no pooler"):
        await work.do(Pooler(endpoint="env", text="RELOAD"), {})
    with pytest.raises(HostError, match="nothing of that name"):
        await work.do(Pooler(endpoint="nobody", text="RELOAD"), {})


async def test_nobody_logs_in_through_what_is_done_by_hand(work: Work) -> None:
    with pytest.raises(HostError, match="dns: log in through it"):
        await work.do(ThroughEndpoint(endpoint="dns", text="SELECT 1"), {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "t"),
        (False, "f"),
        (0, "0"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1.50"), "1.50"),
        (b"r", "r"),
        (b"", "\\x"),
        (b"\xde\xad", "\\xdead"),
        (["a", None, True], "{a,NULL,t}"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05+00:00"),
        ("as it is", "as it is"),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    assert text_of(value) == text


def test_the_tail_of_an_output() -> None:
    assert tail_of("") == ""
    assert tail_of("one\n two \n\n") == "two"
    assert tail_of("x" * 900) == "x" * 200


def test_what_a_failed_program_complains_of_is_its_first_error() -> None:
    cause = "pg_restore: error: could not execute query: ERROR:  deadlock detected"
    end = "pg_restore: error: a worker process died unexpectedly"
    assert complaint_of(f"pg_restore: making an index\n{cause}\nDETAIL: …\n{end}\n") == cause
    assert complaint_of("sh: 1: pg_restore: not found\n") == "sh: 1: pg_restore: not found"
    assert complaint_of("") == ""


def test_secrets_are_taken_out_of_texts_and_errors() -> None:
    assert hidden("a s3cr3t, and PASSWORD 'other'", ["s3cr3t"]) == "a ••••, and PASSWORD '••••'"
    error = AnswerError("old", "SELECT s3cr3t", "no s3cr3t here", "try", code="42703")
    hush(error, ["s3cr3t"])
    assert "s3cr3t" not in f"{error} {error!r}"
    assert (error.code, error.remedy) == ("42703", "try")


# Made ready before its moment


async def test_what_was_made_ready_is_one_act_away_and_says_the_same(work: Work, env: Path) -> None:
    before = env.read_text()
    await work.prepare(edit(env))
    assert env.read_text() == before
    done = await work.do(edit(env), {})
    assert env.read_text() == before.replace("@old/", "@new/")
    assert "-DATABASE_URL=postgres://app:••••@old/orders" in done.text.splitlines()
    assert Path(done.answer.removeprefix("changed; as it was: ")).read_text() == before


async def test_a_file_that_changed_meanwhile_keeps_the_change(work: Work, env: Path) -> None:
    await work.prepare(edit(env))
    env.write_text(env.read_text() + "ADDED=1\n")
    await work.do(edit(env), {})
    assert "@new/" in env.read_text() and "ADDED=1" in env.read_text()
    await work.close()
    beside = [one for one in env.parent.iterdir() if one != env]
    assert [one.name.startswith(".env.nightferry-") for one in beside] == [True], "one backup"


async def test_what_was_made_ready_and_not_used_leaves_nothing(work: Work, env: Path) -> None:
    before = env.read_text()
    await work.prepare(edit(env))
    assert len([*env.parent.iterdir()]) == 3
    await work.close()
    assert (env.read_text(), [*env.parent.iterdir()]) == (before, [env])


async def test_what_a_killed_engine_made_ready_is_gone_with_the_next_edit(
    work: Work, env: Path
) -> None:
    ready = edit(env, new="@newer/")
    await work.prepare(ready)
    work._prepared.clear()
    await work.do(edit(env), {})
    assert not [*env.parent.glob("..env.nightferry-*")]
    assert "@new/" in env.read_text()


async def test_what_cannot_be_made_ready_is_said_before_its_moment(work: Work, env: Path) -> None:
    with pytest.raises(HostError, match=r"neither .* stands there"):
        await work.prepare(edit(env, old="@elsewhere/"))
    with pytest.raises(HostError, match="No such file"):
        await work.prepare(edit(env.parent / "missing"))


async def test_what_stands_already_needs_nothing_made_ready(work: Work, env: Path) -> None:
    await work.do(edit(env), {})
    files = sorted(env.parent.iterdir())
    await work.prepare(edit(env))
    assert sorted(env.parent.iterdir()) == files
    assert (await work.do(edit(env), {})).answer == "it stands already"
