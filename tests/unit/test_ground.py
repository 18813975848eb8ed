"""The ground: on CI a skipped test fails the run, elsewhere it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPING = {
    "a test": "import pytest\n\ndef test_it():\n    pytest.skip('no server')\n",
    "a module": "import pytest\n\npytest.skip('no server', allow_module_level=True)\n",
}
PASSING = (
    "import pytest\n\ndef test_it():\n    pass\n\n@pytest.mark.xfail\ndef test_other(): 1 / 0\n"
)


def run(code: str, folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest, with our plugin, over this code and a test that passes."""
    (folder / "test_other.py").write_text(code)
    (folder / "test_fine.py").write_text("def test_fine():\n    pass\n")
    ours = ("-p", "tests.fix_ground", "-p", "no:cacheprovider", "-c", os.devnull)
    return subprocess.run(
        [sys.executable, "-m", "pytest", *ours, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("what", SKIPPING)
def test_on_ci_a_skip_is_a_failure(what: str, tmp_path: Path) -> None:
    done = run(SKIPPING[what], tmp_path, "true")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "skipped, which on CI is a failure" in done.stdout
    assert "test_other.py" in done.stdout.partition("on CI is a failure")[2]


@pytest.mark.parametrize("ci", ["", "false"])
def test_elsewhere_a_skip_is_none(ci: str, tmp_path: Path) -> None:
    done = run(SKIPPING["a test"], tmp_path, ci)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "on CI is a failure" not in done.stdout


def test_on_ci_a_run_without_skips_passes(tmp_path: Path) -> None:
    done = run(PASSING, tmp_path, "true")
    assert done.returncode == pytest.ExitCode.OK, done.stdout


def test_the_head_names_every_server_and_tool(tmp_path: Path) -> None:
    head = run(PASSING, tmp_path, "").stdout.partition("collected")[0]
    for name in ("postgres 16: ", "postgres 18: ", "pgbouncer: ", "tmux: "):
        assert name in head
