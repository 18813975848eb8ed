"""Real OpenSSH servers on loopback ports of their own; as root with users of their own.

As root they run in a mount namespace with their own passwd, shadow and sudoers: nothing of this
machine's is touched, and all of it is gone with the process.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncssh
import pytest

from connections.ssh_host import RemoteMachine
from connections.ssh_link import Link
from profiles.profile import SshHost
from rehearsal.server import free_port
from tests.fix_processes import words

PASSWORD = "correct horse"
PASSWORD_HASH = (
    "$6$nightferry$R1f5GrGSmfaz4q6ySBHlsLTv/0qv.QM8rYZe"
    "xsv3h2FlMGrUorNRmhgM68YyCpE4uT8gjekJmIaZZA1WzGADl0"
)
USERS = {"ferry": 64201, "porter": 64202, "typist": 64203, "guest": 64204, "keeper": 64205}
"""By sudo: with a password, without, only from a terminal, not at all; and a user to become."""
SUDOERS = """\
Defaults !lecture, passwd_tries=2, timestamp_timeout=0
Defaults:typist requiretty
root ALL=(ALL:ALL) ALL
ferry ALL=(ALL:ALL) ALL
porter ALL=(ALL:ALL) NOPASSWD: ALL
typist ALL=(ALL:ALL) NOPASSWD: ALL
"""
START_S = 10.0
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users to log in as")


class Sshd:
    """A running sshd, which admits the key ``key`` as every user it has."""

    def __init__(self, folder: Path, *, busybox: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self.key = folder / "client_key"
        self._busybox = busybox
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def known(self) -> str:
        """Its line of known_hosts."""
        return f"[127.0.0.1]:{self.port} {(self.folder / 'host_ed25519.pub').read_text()}"

    @property
    def read_only(self) -> Path:
        """A folder that is mounted read-only, with a file in it."""
        return self.folder / "read-only"

    def host(self, user: str | None = None, **more: object) -> SshHost:
        settings = {"ssh": "127.0.0.1", "port": self.port, "key": str(self.key), **more}
        return SshHost(user=user, **settings)  # type: ignore[arg-type]

    def prepare(self) -> None:
        self.folder.chmod(0o755)
        for name, kind in (("host_ed25519", "ssh-ed25519"), ("host_rsa", "ssh-rsa")):
            write_key(asyncssh.generate_private_key(kind), self.folder / name)
        write_key(asyncssh.generate_private_key("ssh-ed25519"), self.key)
        shutil.copy(self.key.with_suffix(".pub"), self.folder / "authorized")
        self.read_only.mkdir()
        (self.read_only / "postgresql.conf").write_text("port = 5432\n")
        (self.folder / "sshd_config").write_text(self._config())
        self._estate()

    async def start(self) -> None:
        """On the port it had before, when it is started again."""
        program = shutil.which("sshd") or shutil.which("sshd", path=SBIN)
        assert program is not None
        argv = [program, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        if os.geteuid() == 0:
            argv = ["unshare", "--mount", "sh", "-ec", self._mounts() + 'exec "$@"', "sh", *argv]
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220
                argv, stderr=log, start_new_session=True
            )
        async with asyncio.timeout(START_S):
            while not await self._listens():
                assert self._process.poll() is None, (self.folder / "sshd.log").read_text()
                await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Kills every connection it has, without a word to the other side."""
        for pid in self._held():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The connections it has say nothing any more; new ones are served."""
        pids = self._held()
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)  # so that none comes while the others go
            self.cut()
            self._process.kill()
            self._process.wait()
            self._process = None

    def processes(self) -> list[int]:
        """What runs below it, of its users' commands too."""
        assert self._process is not None
        return _below(self._process.pid)

    def _held(self) -> set[int]:
        """The processes of its connections, stopped, so that none of them makes another."""
        held: set[int] = set()
        while found := {pid for pid in self.processes() if _name(pid) == "sshd"} - held:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            held |= found
        return held

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    def _config(self) -> str:
        path = f"SetEnv PATH={self._applets()}" if self._busybox else ""
        return textwrap.dedent(f"""\
            Port {self.port}
            ListenAddress 127.0.0.1
            HostKey {self.folder}/host_rsa
            HostKey {self.folder}/host_ed25519
            AuthorizedKeysFile {self.folder}/authorized .ssh/authorized_keys
            StrictModes no
            PidFile none
            UsePAM no
            PasswordAuthentication {"yes" if os.geteuid() == 0 else "no"}
            PermitRootLogin yes
            MaxStartups 100
            PrintMotd no
            {path}
            """)

    def _applets(self) -> Path:
        """A PATH with nothing but what busybox has."""
        folder = self.folder / "applets"
        if not folder.exists():
            folder.mkdir()
            busybox = shutil.which("busybox")
            assert busybox is not None
            listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
            for applet in listed.stdout.split():
                (folder / applet).symlink_to(busybox)
            if not (folder / "su").exists():  # Debian builds busybox without it
                (folder / "su").symlink_to("/bin/su")
        return folder

    def _estate(self) -> None:
        home = self.folder / "home"
        passwd, shadow = Path("/etc/passwd").read_text(), ""
        # Root's own start-up files are not those of a test.
        passwd = re.sub(r"(?m)^(root:.*):[^:]*:[^:]*$", rf"\1:{self.folder}:/bin/sh", passwd)
        for user, uid in USERS.items():
            (home / user).mkdir(parents=True)
            passwd += f"{user}:x:{uid}:{uid}::{home / user}:/bin/sh\n"
            shadow += f"{user}:{PASSWORD_HASH}:19000:0:99999:7:::\n"
            if os.geteuid() == 0:
                os.chown(home / user, uid, uid)
        for name, text, mode in (
            ("passwd", passwd, 0o644),
            ("shadow", shadow + "root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n", 0o600),
            ("sudoers", SUDOERS, 0o440),
        ):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(mode)

    def _mounts(self) -> str:
        f = self.folder
        lines = [
            "mount -t tmpfs none /run",
            "mkdir -p /run/sshd /run/lock",
            *[f"mount --bind {f}/{name} /etc/{name}" for name in ("passwd", "shadow")],
            f"[ ! -e /etc/sudoers ] || mount --bind {f}/sudoers /etc/sudoers",
            f"mount --bind {f}/read-only {f}/read-only",
            f"mount -o remount,bind,ro {f}/read-only",
            *["mount --bind $(command -v busybox) $(readlink -f /bin/sh)"] * self._busybox,
        ]
        return "\n".join([*lines, ""])


def write_key(key: asyncssh.SSHKey, file: Path, passphrase: str | None = None) -> None:
    """Both halves, the private one in OpenSSH's own format."""
    key.write_private_key(str(file), "openssh", passphrase=passphrase, rounds=50)
    file.chmod(0o600)
    key.write_public_key(str(file.with_suffix(".pub")))


def _below(pid: int) -> list[int]:
    """The processes below, parents before children."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            rest = entry.read_text().rpartition(")")[2].split()
            parents.setdefault(int(rest[1]), []).append(int(entry.parent.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def installed() -> bool:
    """Whether there is an sshd; only root has its folder in the PATH."""
    return shutil.which("sshd") is not None or shutil.which("sshd", path=SBIN) is not None


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    yield from _running(busybox=False)


@pytest.fixture(scope="session")
def busybox_sshd() -> Iterator[Sshd]:
    if os.geteuid() != 0:
        pytest.skip("only root can put busybox in the place of /bin/sh")
    if shutil.which("busybox") is None:
        pytest.skip("there is no busybox")
    yield from _running(busybox=True)


def _running(*, busybox: bool) -> Iterator[Sshd]:
    if not installed():
        pytest.skip("there is no sshd: apt-get install openssh-server")
    folder = Path(tempfile.mkdtemp(prefix="nightferry-ssh-"))
    one = Sshd(folder, busybox=busybox)
    try:
        one.prepare()
        asyncio.run(one.start())
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder)


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's home, empty, and no agent."""
    home = tmp_path / "operator"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


def linked(sshd: Sshd, user: str | None = None, secret: str | None = None, **more: object) -> Link:
    """A link to the server as the host of ``old``; every secret of it is the same."""

    async def passwords(name: str) -> str | None:
        return secret

    return Link("old", sshd.host(user, **more), passwords)


@asynccontextmanager
async def machine(
    sshd: Sshd, user: str | None = None, secret: str | None = None, **more: object
) -> AsyncIterator[RemoteMachine]:
    link = linked(sshd, user, secret, **more)
    try:
        yield RemoteMachine(link)
    finally:
        await link.close()


async def until(holds: Callable[[], bool], within_s: float = 5) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def nothing_about(folder: Path) -> bool:
    """Whether no command line has a word of it any more."""
    return not any(str(folder) in " ".join(words(pid)) for pid in all_pids())


@pytest.fixture
def trusted(operator: Path, sshd: Sshd) -> Path:
    """The operator's home, where the server's key is known."""
    (operator / ".ssh" / "known_hosts").write_text(sshd.known)
    return operator
