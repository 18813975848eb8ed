"""The pooler's own way out, piece by piece, against a console made up here."""

from __future__ import annotations

import ast
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actions import resume_timer

SOURCE = Path(resume_timer.__file__)
OK, READY = b"R" + struct.pack("!ii", 8, 0), b"Z" + struct.pack("!i", 5) + b"I"
REFUSED = b"E" + struct.pack("!i", 4 + 14) + b"SFATAL\0Mno\0\0\0\0"
ERROR = b"E" + struct.pack("!i", 4 + 12) + b"SERROR\0Mno\0\0"
WANTS_PASSWORD = b"R" + struct.pack("!ii", 8, 10)


def test_it_is_python_3_6_and_nothing_but_the_standard_library() -> None:
    tree = ast.parse(SOURCE.read_text(), feature_version=(3, 6))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module for node in found if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names}
    assert names <= sys.stdlib_module_names
    assert "annotations" not in ast.unparse(tree).partition("import")[2].splitlines()[0]


def test_it_runs_on_its_own(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-S", str(SOURCE), "stands", str(tmp_path / "token")]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
    assert ran.stdout == "not there\n"


def test_a_token_names_one_process_and_no_later_one(tmp_path: Path) -> None:
    token = str(tmp_path / "token")
    assert resume_timer.recorded(token) == (None, None)
    assert not resume_timer.running(token)
    started = resume_timer.started(os.getpid())
    assert started is not None
    resume_timer.write(token, f"{os.getpid()} {started}")
    assert resume_timer.recorded(token) == (os.getpid(), started)
    assert resume_timer.running(token)
    assert Path(token).stat().st_mode & 0o777 == 0o600
    resume_timer.write(token, f"{os.getpid()} {int(started) + 1}")
    assert not resume_timer.running(token)
    resume_timer.write(token, "nonsense")
    assert resume_timer.recorded(token) == (None, None)
    assert [it.name for it in tmp_path.iterdir()] == ["token"]


def test_lifting_ends_that_process_and_spares_another(tmp_path: Path) -> None:
    token = tmp_path / "token"
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        token.write_text(f"{sleeper.pid} 1")
        resume_timer.lift(str(token))
        assert sleeper.poll() is None
        assert not token.exists()
        token.write_text(f"{sleeper.pid} {resume_timer.started(sleeper.pid)}")
        resume_timer.lift(str(token))
        assert sleeper.wait(10) == -9
        resume_timer.lift(str(token))
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_process_that_is_gone_has_not_started() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert resume_timer.started(ended.pid) is None


@contextmanager
def a_console(folder: Path, *answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Gives these answers, one for each message it hears, then hangs up."""
    heard: list[bytes] = []
    path = folder / "console"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                for answer in answers:
                    heard.append(link.recv(1000))
                    link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(path), heard
        thread.join(10)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ((OK + READY, b"C" + struct.pack("!i", 11) + b"RESUME\0" + READY), 0),
        ((OK + READY, ERROR + READY), 1),
        ((WANTS_PASSWORD,), 1),
        ((REFUSED,), 1),
    ],
    ids=["done", "not paused", "password", "refused"],
)
def test_what_the_console_answers(answers: tuple[bytes, ...], code: int, tmp_path: Path) -> None:
    with a_console(tmp_path, *answers) as (path, heard):
        assert resume_timer.ask(path, b'RESUME "shop";') == code
    assert b"user\0pgbouncer\0database\0pgbouncer\0\0" in heard[0]
    assert heard[1:] == [b"Q" + struct.pack("!i", 19) + b'RESUME "shop";\0'][: len(answers) - 1]


def test_a_console_that_hangs_up_has_not_answered(tmp_path: Path) -> None:
    with a_console(tmp_path, OK) as (path, _), pytest.raises(OSError, match="closed the line"):
        resume_timer.ask(path, b"SHOW VERSION;")


def test_an_answer_in_pieces_is_put_together() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(OK[:3])
        rest = threading.Timer(0.01, far.sendall, [OK[3:] + READY])
        rest.start()
        assert resume_timer.answered(near)
        rest.join()
