"""Whether the certificates that the profile names are where they will be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from checks.check import Look
from connections.host import Ran
from profiles.errors import AnswerError
from profiles.findings import Finding
from profiles.profile import SshHost, TlsMode
from tests.fix_looks import MadeUpMachine, MadeUpSession, a_profile, a_server, findings

PATH = "/etc/ssl/the root.crt"
THERE = {"pg_read_binary_file": [{"bytes": 1}]}
MISSING = {"pg_read_binary_file": [{"bytes": None}]}
SHUT = {
    "pg_read_binary_file": AnswerError(
        "new", "SELECT", 'could not open file "x" for reading: Permission denied', code="42501"
    )
}
REFUSED = {"pg_read_binary_file": AnswerError("new", "SELECT", "permission denied", code="42501")}
Answers = Mapping[str, Sequence[Mapping[str, int | None]] | AnswerError]


async def of_both(
    answers: Answers, code: int, *, tls: TlsMode | None = None, path: str | None = PATH
) -> list[Finding]:
    profile = a_profile(
        a_server("old", 1, tls_root_cert=path, tls=tls, address="db1"),
        a_server("new", 2, tls_root_cert=path, tls=tls, address="db2", host=SshHost(ssh="db2")),
    )
    new = MadeUpSession(answers, server="new", version_num=180004)
    machines = {"new": MadeUpMachine({}, Ran(code, "", ""))}
    found = await findings(Look(profile, {"destination": new}, {}, machines), "pg.root_cert")
    return sorted(found, key=lambda one: str(one.server), reverse=True)


async def test_a_certificate_that_is_read_everywhere_passes() -> None:
    assert [one.verdict for one in await of_both(THERE, 0)] == ["pass", "pass"]
    for path in (None, "system"):
        assert [one.verdict for one in await of_both({}, 1, path=path)] == ["pass", "pass"]


@pytest.mark.parametrize("answers", [MISSING, SHUT])
async def test_the_subscription_reads_the_sources_certificate_on_the_server(
    answers: Answers,
) -> None:
    old, new = await of_both(answers, 0)
    assert (old.verdict, new.verdict) == ("stop", "pass")
    assert "by the server new" in old.figure


async def test_what_the_tools_read_is_on_their_host() -> None:
    for found in await of_both(THERE, 1):
        assert found.verdict == "stop"
        assert "a machine" in found.figure


async def test_without_a_check_of_it_nothing_stops() -> None:
    assert {one.verdict for one in await of_both(MISSING, 1, tls="require")} == {"warn"}


async def test_a_right_that_is_missing_says_nothing_of_the_file() -> None:
    old, _ = await of_both(REFUSED, 0)
    assert old.verdict == "unknown"
