"""One server tried as it is entered: on a road of its own, refused, unknown, unreachable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from connections.passwords import Passwords
from engine.trial import Answers, alone, tried
from profiles.errors import LoginRefusedError, UnknownHostKeyError, UnreachableError
from profiles.requests import TryServer
from rehearsal.server import free_port
from tests.fix_connections import DATABASE, PASSWORD, Lab
from tests.fix_ssh import Sshd

pytestmark = pytest.mark.live


async def trial(lab: Lab, password: str = PASSWORD, **more: Any) -> Answers:
    """What there is to say of the lab's server, entered like this."""
    server = {**msgspec.to_builtins(lab.choice), "password": {"ask": True}, **more}
    profile = alone(TryServer(id="t", side="source", server=server, database=DATABASE))
    passwords = Passwords(profile)
    passwords.tell(profile.source.name, password)
    return await tried(profile, "source", passwords)


def figures(answers: Answers) -> dict[str, str]:
    return {found.check: f"{found.verdict} {found.figure}" for found in answers.findings}


async def test_it_says_what_the_server_is(lab: Lab) -> None:
    answers = await trial(lab)
    said = figures(answers)
    assert list(said) == [
        *("pg.reachable", "pg.version", "pg.superuser", "pg.tls", "pg.database", "pg.size"),
        *("pg.standby", "clock"),
    ]
    assert said["pg.reachable"].startswith("pass PostgreSQL ")
    assert said["pg.size"].startswith("pass ")
    assert said["clock"].endswith("s)")
    assert answers.refused is None
    assert answers.seen is not None
    assert answers.seen.size_bytes > 0


async def test_through_its_host_the_host_is_said_first(lab: Lab, sshd: Sshd, trusted: Path) -> None:
    answers = await trial(lab, host=msgspec.to_builtins(sshd.host()), by_tunnel=True)
    said = figures(answers)
    assert next(iter(said.items())) == ("host.reached", "pass its host lets us in over SSH")
    assert said["pg.reachable"].startswith("pass ")


async def test_a_host_that_nobody_knows_shows_its_key(lab: Lab, sshd: Sshd, operator: Path) -> None:
    answers = await trial(lab, host=msgspec.to_builtins(sshd.host()), by_tunnel=True)
    assert list(figures(answers)) == ["host.reached"]
    assert answers.findings[0].verdict == "stop"
    assert isinstance(answers.refused, UnknownHostKeyError)


async def test_a_refused_login_says_what_to_do_and_never_the_password(lab: Lab) -> None:
    answers = await trial(lab, "not the password")
    (found,) = answers.findings
    assert found.verdict == "stop"
    assert "password authentication failed" in found.figure
    assert found.todo
    assert "not the password" not in repr(answers)
    assert isinstance(answers.refused, LoginRefusedError)


async def test_where_nobody_listens_it_says_so(lab: Lab) -> None:
    answers = await trial(lab, port=free_port())
    assert answers.findings[0].figure.startswith("no session: ")
    assert isinstance(answers.refused, UnreachableError)
