"""Logging in to a real OpenSSH server: keys, agents, passwords, jump hosts, and host keys."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from connections.passwords import of_host
from connections.ssh import Ssh, open_ssh
from connections.ssh_known import accept
from profiles.errors import (
    ChangedHostKeyError,
    ConnectError,
    HostKeyError,
    LoginRefusedError,
    SecretError,
    UnknownHostKeyError,
    UnreachableError,
)
from profiles.profile import SecretRef, SshHost
from rehearsal.server import free_port
from tests.fix_ssh import PASSWORD, Sshd, needs_root, until, write_key

pytestmark = pytest.mark.live

ASK = SecretRef(ask=True)


async def no_password(name: str) -> str | None:
    raise AssertionError(f"nobody should ask for {name}")


def typed(value: str) -> dict[str, str]:
    return {of_host("old", kind): value for kind in ("password", "passphrase", "sudo_password")}


@asynccontextmanager
async def opened(host: SshHost, secrets: dict[str, str] | None = None) -> AsyncIterator[Ssh]:
    async def passwords(name: str) -> str | None:
        assert secrets is not None, f"nobody should ask for {name}"
        return secrets.get(name)

    ssh = await open_ssh("old", host, passwords, deadline_s=10)
    try:
        yield ssh
    finally:
        await ssh.close()


def said(*argv: str) -> list[str]:
    """The words of what a command prints."""
    return subprocess.run(
        argv, capture_output=True, text=True, check=True, timeout=10
    ).stdout.split()


async def whoami(ssh: Ssh) -> str:
    ran = await ssh.connection.run("id -un; hostname >&2", check=True)
    return str(ran.stdout).strip()


async def test_a_key_of_the_profile_logs_in(sshd: Sshd, trusted: Path) -> None:
    async with opened(sshd.host()) as ssh:
        assert await whoami(ssh) == os.environ.get("USER", "root")
        assert not ssh.lost
        assert ssh.connection.get_extra_info("send_cipher") == "aes128-gcm@openssh.com"
    assert ssh.lost


async def test_the_operators_config_counts_where_the_profile_is_silent(
    sshd: Sshd, trusted: Path
) -> None:
    (trusted / ".ssh" / "config").write_text(
        f"Host db1\n  Hostname 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {sshd.key}\n"
        f"  HostKeyAlias {sshd.known.split()[0]}\n"
    )
    async with opened(SshHost(ssh="db1")) as ssh:
        assert not ssh.lost


async def test_an_unknown_key_is_shown_as_openssh_shows_it_and_accepted_only_on_purpose(
    sshd: Sshd, operator: Path
) -> None:
    known_hosts = operator / ".ssh" / "known_hosts"
    for _ in range(2):
        with pytest.raises(UnknownHostKeyError) as unknown:
            async with opened(sshd.host()):
                pass
        assert not known_hosts.exists()
    assert (
        unknown.value.fingerprint == said("ssh-keygen", "-lf", f"{sshd.folder}/host_ed25519.pub")[1]
    )
    assert unknown.value.fingerprint in str(unknown.value)
    assert unknown.value.where == "host of old"
    assert unknown.value.known_hosts == str(known_hosts)
    accept(unknown.value)
    assert known_hosts.read_text().split()[:3] == sshd.known.split()[:3]
    assert stat.S_IMODE(known_hosts.stat().st_mode) == 0o600
    async with opened(sshd.host()) as ssh:
        assert not ssh.lost


async def test_accepting_does_not_join_a_torn_line(sshd: Sshd, operator: Path) -> None:
    known_hosts = operator / ".ssh" / "known_hosts"
    known_hosts.write_text("nonsense\nother.example.org ssh-ed25519 AAAA")
    with pytest.raises(UnknownHostKeyError) as unknown:
        async with opened(sshd.host()):
            pass
    accept(unknown.value)
    assert known_hosts.read_text().splitlines()[2] == unknown.value.line


async def test_a_known_hosts_that_cannot_be_written_is_said(sshd: Sshd, operator: Path) -> None:
    with pytest.raises(UnknownHostKeyError) as unknown:
        async with opened(sshd.host()):
            pass
    (operator / ".ssh" / "known_hosts").mkdir()
    with pytest.raises(HostKeyError, match=r"host of old: add its key to .*known_hosts"):
        accept(unknown.value)


async def test_a_changed_key_stops(sshd: Sshd, operator: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (operator / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}")
    with pytest.raises(ChangedHostKeyError) as changed:
        async with opened(sshd.host()):
            pass
    assert "shows another key, ssh-ed25519 SHA256:" in changed.value.answered
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}'" in changed.value.remedy


async def test_a_key_of_another_kind_than_the_known_one_is_not_a_new_host(
    sshd: Sshd, operator: Path
) -> None:
    known = operator / ".ssh" / "known_hosts"
    rsa = (sshd.folder / "host_rsa.pub").read_text()
    known.write_text(f"[127.0.0.1]:{sshd.port} {rsa}")
    async with opened(sshd.host()) as ssh:  # the kind that is known is asked for
        assert not ssh.lost
    ecdsa = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    known.write_text(f"[127.0.0.1]:{sshd.port} {ecdsa}")
    with pytest.raises(ChangedHostKeyError):
        async with opened(sshd.host()):
            pass


async def test_a_revoked_key_stops(sshd: Sshd, operator: Path) -> None:
    (operator / ".ssh" / "known_hosts").write_text(f"@revoked {sshd.known}")
    with pytest.raises(ChangedHostKeyError, match="@revoked"):
        async with opened(sshd.host()):
            pass


async def test_hashed_names_are_found(sshd: Sshd, trusted: Path) -> None:
    file = trusted / ".ssh" / "known_hosts"
    said("ssh-keygen", "-q", "-H", "-f", str(file))
    assert file.read_text().startswith("|1|")
    async with opened(sshd.host()) as ssh:
        assert not ssh.lost


async def test_an_encrypted_key_is_opened_by_its_passphrase(
    sshd: Sshd, trusted: Path, tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    write_key(asyncssh.read_private_key(sshd.key), locked, PASSWORD)
    async with opened(sshd.host(key=str(locked), passphrase=ASK), typed(PASSWORD)) as ssh:
        assert not ssh.lost
    with pytest.raises(SecretError, match="not the right one") as wrong:
        async with opened(sshd.host(key=str(locked), passphrase=ASK), typed("tr0ub4dor")):
            pass
    assert wrong.value.where == of_host("old", "passphrase")
    assert "tr0ub4dor" not in str(wrong.value)
    with pytest.raises(LoginRefusedError, match=f"no passphrase is given: {locked}"):
        async with opened(sshd.host(key=str(locked))):
            pass


async def test_a_key_that_is_not_there_is_said(sshd: Sshd, trusted: Path) -> None:
    with pytest.raises(LoginRefusedError, match=r"read the key ~/nope: there is no such file"):
        async with opened(sshd.host(key="~/nope")):
            pass


async def test_a_key_that_the_host_does_not_know_is_refused(
    sshd: Sshd, trusted: Path, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    write_key(asyncssh.generate_private_key("ssh-ed25519"), stranger)
    with pytest.raises(LoginRefusedError, match=f"offered: {stranger}") as refused:
        async with opened(sshd.host(key=str(stranger))):
            pass
    assert "authorized_keys" in refused.value.remedy


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.terminate()
    process.wait()


async def test_an_agent_without_keys_is_said_and_one_with_the_key_logs_in(
    sshd: Sshd, trusted: Path, agent: Path
) -> None:
    host = SshHost(ssh="127.0.0.1", port=sshd.port)
    await until(agent.exists)
    with pytest.raises(LoginRefusedError, match="offered: nothing; the agent holds no key") as none:
        async with opened(host):
            pass
    assert "ssh-add" in none.value.remedy
    said("ssh-add", "-q", str(sshd.key))
    async with opened(host) as ssh:
        assert not ssh.lost


@needs_root
async def test_a_password_logs_in_and_a_wrong_one_does_not(sshd: Sshd, trusted: Path) -> None:
    host = SshHost(ssh="127.0.0.1", port=sshd.port, user="ferry", password=ASK)
    async with opened(host, typed(PASSWORD)) as ssh:
        assert await whoami(ssh) == "ferry"
    with pytest.raises(LoginRefusedError, match="offered: the password") as wrong:
        async with opened(host, typed("guess")):
            pass
    assert "guess" not in str(wrong.value)


async def test_libpqs_password_file_is_no_place_for_a_hosts_password(
    sshd: Sshd, trusted: Path
) -> None:
    with pytest.raises(SecretError, match="has none for hosts"):
        async with opened(sshd.host(password=SecretRef(pgpass=True)), {}):
            pass


async def test_a_jump_host_leads_on_and_both_end_together(sshd: Sshd, trusted: Path) -> None:
    config = trusted / ".ssh" / "config"
    config.write_text(f"Host bastion\n  Hostname 127.0.0.1\n  IdentityFile {sshd.key}\n")
    host = sshd.host(jump=[f"bastion:{sshd.port}", f"bastion:{sshd.port}"])
    with pytest.raises(UnknownHostKeyError):  # bastion's own name is not in known_hosts
        (trusted / ".ssh" / "known_hosts").write_text("")
        async with opened(host):
            pass
    (trusted / ".ssh" / "known_hosts").write_text(sshd.known)
    async with opened(host) as ssh:
        assert await whoami(ssh) != ""
    await until(lambda: not sshd.processes())


async def test_a_jump_host_of_the_config_is_taken(sshd: Sshd, trusted: Path) -> None:
    (trusted / ".ssh" / "config").write_text(
        f"Host bastion inner\n  Hostname 127.0.0.1\n  Port {sshd.port}\n"
        f"  IdentityFile {sshd.key}\nHost inner\n  ProxyJump bastion\n"
    )
    async with opened(SshHost(ssh="inner")) as ssh:
        assert len(sshd.processes()) >= 2
        assert not ssh.lost


async def test_an_error_names_the_jump_host_it_is_of(sshd: Sshd, trusted: Path) -> None:
    with pytest.raises(UnreachableError, match=r"jump host 127\.0\.0\.1: .* nothing listens"):
        async with opened(sshd.host(jump=[f"127.0.0.1:{free_port()}"])):
            pass
    (trusted / ".ssh" / "config").write_text(f"Host *\n  IdentityFile {sshd.key}\n")
    unreachable = SshHost(
        ssh="127.0.0.1", port=free_port(), jump=[f"127.0.0.1:{sshd.port}"], key=str(sshd.key)
    )
    with pytest.raises(UnreachableError, match="the jump host before it could not reach it"):
        async with opened(unreachable):
            pass


async def test_jump_hosts_in_a_circle_end(sshd: Sshd, trusted: Path) -> None:
    (trusted / ".ssh" / "config").write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(ConnectError, match="more than 8"):
        async with opened(SshHost(ssh="a")):
            pass


async def test_what_cannot_be_reached_says_why(operator: Path) -> None:
    with pytest.raises(UnreachableError, match="nothing listens there"):
        async with opened(SshHost(ssh="127.0.0.1", port=free_port())):
            pass
    with pytest.raises(UnreachableError, match="no such name"):
        async with opened(SshHost(ssh="nowhere.invalid")):
            pass


async def test_a_host_that_says_nothing_ends_at_the_deadline(operator: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = SshHost(ssh="127.0.0.1", port=silent.getsockname()[1])
        with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
            await open_ssh("old", host, no_password, deadline_s=0.2)


async def test_a_host_that_hangs_up_is_said(operator: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        host = SshHost(ssh="127.0.0.1", port=server.sockets[0].getsockname()[1])
        with pytest.raises(UnreachableError, match="ended the connection before the login"):
            await open_ssh("old", host, no_password)


async def test_a_config_that_makes_no_sense_is_said(operator: Path) -> None:
    (operator / ".ssh" / "config").write_text("Host *\n  Port many\n")
    with pytest.raises(ConnectError, match=r"read ~/\.ssh/config"):
        async with opened(SshHost(ssh="db1")):
            pass


def test_the_tests_do_not_use_this_accounts_own_ssh(operator: Path) -> None:
    assert Path("~/.ssh").expanduser() == operator / ".ssh"
    assert shutil.which("ssh") is not None
