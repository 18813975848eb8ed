"""A server's settings as they stand: the value, its unit, where it is from, when a new one counts.

Knows pg_settings and pg_file_settings; must not know what would be better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from checks.check import Asks, Row
from checks.proposals import sizes
from checks.queries import ask

ELSEWHERE = {
    "command line": "it is set on the server's command line",
    "environment variable": "it is set by an environment variable",
    "database": "it is set for this database",
    "user": "it is set for this role",
    "database user": "it is set for this role in this database",
}
"""Sources that win over postgresql.auto.conf (manual 19.1.3, 19.1.4)."""


class Setting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parameter of a running server."""

    name: str
    setting: str
    unit: str | None = None
    source: str = "default"
    context: str = "sighup"
    sourcefile: str | None = None
    pending_restart: bool = False
    enumvals: tuple[str, ...] = ()
    configured: str | None = None
    """What postgresql.auto.conf says; None: nothing."""
    error: str | None = None
    """Why what its file says is not in force."""

    @property
    def shown(self) -> str:
        """As SHOW writes it: ``16GB``."""
        return sizes.normalised(self.setting, self.unit)

    @property
    def number(self) -> int:
        """In its own unit. Raises ValueError for what is no whole number."""
        return int(self.setting)

    @property
    def bytes(self) -> int:
        """A size in bytes. Raises ValueError for what is none."""
        return self.number if self.unit is None else sizes.parse(self._one) * self.number

    @property
    def ms(self) -> int:
        """A time in milliseconds. Raises ValueError for what is none."""
        return sizes.parse_time(self._one) * self.number

    @property
    def takes_effect(self) -> str:
        """When a new value counts."""
        return "restart" if self.context == "postmaster" else "reload"

    @property
    def conflict(self) -> str:
        """What wins over ALTER SYSTEM; empty where nothing does."""
        if self.source in ELSEWHERE:
            return ELSEWHERE[self.source]
        if self.error and not self.pending_restart:
            return f"{self.sourcefile or 'its file'}: {self.error}"
        return ""

    @property
    def _one(self) -> str:
        assert self.unit is not None, self.name
        return self.unit if self.unit[0].isdigit() else f"1{self.unit}"


Settings = Mapping[str, Setting]


async def read(session: Asks, names: Sequence[str]) -> dict[str, Setting]:
    """These parameters of a server, as far as it has them."""
    answer = await ask(session, "tuning_settings", list(names))
    return settings_of(answer.rows)


def settings_of(rows: Sequence[Row]) -> dict[str, Setting]:
    """The rows of that question, by name."""
    found = [
        Setting(**{**dict(zip(row.keys(), row.values(), strict=True)), **_enum(row)})
        for row in rows
    ]
    return {one.name: one for one in found}


def _enum(row: Row) -> dict[str, tuple[str, ...]]:
    return {"enumvals": tuple(row["enumvals"] or ())}
