"""What a process loads: a window no driver, a command no screen, the keeper next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

DRIVERS = {"asyncpg", "psycopg", "aiomysql", "asyncssh"}
SHOW = "import sys\nprint(*{name.split('.')[0] for name in sys.modules})"


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after the code."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\n{SHOW}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(ended.stdout.split())


def test_the_wizard_loads_no_driver() -> None:
    loaded = loaded_by("import tui.app, tui.screens, tui.commands, tui.rehearse, tui.cli")
    assert "textual" in loaded
    assert not loaded & DRIVERS


@pytest.mark.parametrize("module", ["engine.client", "engine.launch", "tui.commands"])
def test_what_every_window_and_command_loads_is_light(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert not loaded & (DRIVERS | {"textual"})


def test_the_help_loads_neither_screens_nor_shapes() -> None:
    loaded = loaded_by(
        "import tui.cli\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    tui.cli.main(['--help'])"
    )
    assert "click" in loaded
    assert not loaded & (DRIVERS | {"textual", "msgspec", "rich", "asyncio"})


def test_the_keeper_loads_the_standard_library_alone() -> None:
    bare = loaded_by("import sys")
    loaded = loaded_by("import engine.keeper") - bare
    assert loaded - sys.stdlib_module_names == {"engine"}
    assert not loaded & {"asyncio", "logging", "argparse", "ssl"}
