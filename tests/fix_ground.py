"""What every test run stands on: its head says what was found, and on CI a skip is a failure."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import settings

from profiles.errors import HostError
from rehearsal import binaries, debian, pooler

ASK_DEADLINE_S = 10.0


class NoSkips:
    """Collects what a run skipped, and fails it for that."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("skipped, which on CI is a failure", red=True)
            terminalreporter.line("\n".join(self.skipped))


def pytest_configure(config: pytest.Config) -> None:
    # A busy machine or a slow disk is no counterexample.
    settings.register_profile("nightferry", settings.default, deadline=None)
    settings.load_profile("nightferry")
    if os.environ.get("CI", "") not in ("", "0", "false"):
        config.pluginmanager.register(NoSkips())


def pytest_report_header() -> list[str]:
    """The servers and tools that the live tests use, or that they are not there."""
    return [f"{name}: {found}" for name, found in _found()]


def _found() -> Iterator[tuple[str, str]]:
    try:
        for major, folder in binaries.find().items():
            yield f"postgres {major}", _answer(str(folder / "postgres"), "--version")
    except HostError as error:
        yield "postgres", f"not found: {error.answered}"
    yield "pgbouncer", _pgbouncer()
    yield "tmux", _answer("tmux", "-V")


def _pgbouncer() -> str:
    if program := pooler.installed():
        return str(program.path)
    fetched = next(debian.cache_folder().glob("*/pgbouncer"), None)
    return str(fetched or f"not found: {debian.available() or 'fetched when it is needed'}")


def _answer(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_DEADLINE_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"not found: {error}"
    return done.stdout.strip()
