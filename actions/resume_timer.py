"""A pooler's own way out: resumes one PgBouncer pool after a while, and does nothing else.

Standard library only, so that it can run on any host with a Python 3.6:

    resume_timer.py place TOKEN SECONDS SOCKET POOL    starts it, once a trial login has worked
    resume_timer.py stands TOKEN                       says whether it is running
    resume_timer.py lift TOKEN...                      ends it

It runs on after its caller is gone. It logs in through the admin socket as the pooler's own user,
which PgBouncer admits without a password, so there is no secret in it. TOKEN is a file that holds
its process id and start time; without that file it does nothing, so that what is left of one
attempt never touches the next. RESUME of a pool that is not paused is an error and changes nothing.
"""

import contextlib
import os
import signal
import socket
import struct
import sys
import time
from typing import Callable, List, Optional, Tuple

ANSWER_S = 2.0
TRIES_S = 30.0


def main(argv: List[str]) -> int:
    """Do what the command line says; returns the exit code."""
    if argv[0] == "place":
        token, seconds, path, pool = argv[1:5]
        return place(token, float(seconds), path, pool)
    if argv[0] == "stands":
        print("standing" if running(argv[1]) else "not there")
        return 0
    for token in argv[1:]:
        lift(token)
    return 0


def place(token: str, seconds: float, path: str, pool: str) -> int:
    """Try the login, then wait in a session of our own; answers when the waiting has begun."""
    tried = in_child(lambda: ask(path, b"SHOW VERSION;"))
    if tried != 0:
        print("the admin socket %s does not let the pooler's own user in" % path, file=sys.stderr)
        return 1
    if os.fork():
        deadline = time.monotonic() + ANSWER_S
        while not running(token) and time.monotonic() < deadline:
            time.sleep(0.01)
        return main(["stands", token]) if running(token) else 1
    os.setsid()
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    write(token, "%d %s\n" % (os.getpid(), started(os.getpid())))
    time.sleep(seconds)
    if running(token):
        os.unlink(token)
        resume(path, pool)
    return 0


def resume(path: str, pool: str) -> None:
    """Ask until the pooler answers, be it with an error: then there is nothing left to resume."""
    statement = b'RESUME "%s";' % pool.replace('"', '""').encode()
    deadline = time.monotonic() + TRIES_S
    while in_child(lambda: ask(path, statement)) == 2 and time.monotonic() < deadline:
        time.sleep(0.2)


def lift(token: str) -> None:
    """End the timer of this token, if it is still the process it was."""
    pid = recorded(token)[0] if running(token) else None
    with contextlib.suppress(OSError):
        os.unlink(token)
    if pid:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def running(token: str) -> bool:
    """Is the process that the token names alive, and the same one?"""
    pid, start = recorded(token)
    return pid is not None and started(pid) == start


def recorded(token: str) -> Tuple[Optional[int], Optional[str]]:
    """The process id and start time in the token; (None, None) when there is none."""
    try:
        with open(token) as file:
            pid, start = file.read().split()
        return int(pid), start
    except (OSError, ValueError):
        return None, None


def started(pid: int) -> Optional[str]:
    """The start time of a process in clock ticks since boot (proc(5)); None when it is gone."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def write(token: str, text: str) -> None:
    """Put the token there whole, or not at all."""
    descriptor = os.open(token + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, text.encode())
    os.close(descriptor)
    os.rename(token + ".new", token)


def in_child(act: Callable[[], int]) -> int:
    """The exit code of `act` in a child: 0 it was done, 1 refused, 2 nobody answered."""
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = act()
        except OSError:
            code = 2
        finally:
            os._exit(code)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1])


def ask(path: str, statement: bytes) -> int:
    """One statement on the console, as the owner of its socket (manual 55.2: the protocol)."""
    owner = os.stat(path)
    if owner.st_uid != os.getuid():
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(ANSWER_S)
        link.connect(path)
        body = struct.pack("!i", 196608) + b"user\0pgbouncer\0database\0pgbouncer\0\0"
        link.sendall(struct.pack("!i", len(body) + 4) + body)
        if not answered(link):
            return 1
        link.sendall(b"Q" + struct.pack("!i", len(statement) + 5) + statement + b"\0")
        return 0 if answered(link) else 1


def answered(link: socket.socket) -> bool:
    """Read up to ReadyForQuery; False when an error came, or a password is asked for."""
    fine = True
    while True:
        kind, size = struct.unpack("!ci", exactly(link, 5))
        content = exactly(link, size - 4)
        if kind == b"Z":
            return fine
        if kind == b"R" and struct.unpack("!i", content[:4])[0] != 0:
            return False
        if kind == b"E":
            fine = False
            if not content.startswith(b"SERROR"):
                return False


def exactly(link: socket.socket, size: int) -> bytes:
    """That many bytes; raises OSError when the line goes dead."""
    got = b""
    while len(got) < size:
        more = link.recv(size - len(got))
        if not more:
            raise OSError("the console closed the line")
        got += more
    return got


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
