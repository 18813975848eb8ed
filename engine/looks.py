"""Looking at a phase: its checks' findings, and the steps its route renders from what was found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from checks import tuning
from checks.catalogue import before_arming, for_phase
from checks.check import Look
from checks.facts import Facts, gather
from checks.runner import run_checks
from checks.tools import tools_to_use
from connections.hosts import Hosts, accept_host_key
from connections.passwords import Passwords
from connections.postgres import Session
from connections.unit import host_key_of, keeper_of
from engine.looking import looking
from engine.night import LiveNight
from profiles.errors import NightferryError, RefusedError, SecretError, UnknownHostKeyError
from profiles.events import (
    ChecksBegan,
    ChecksEnded,
    Event,
    Found,
    HostKeyAccepted,
    HostKeyAsked,
    Planned,
    Proposed,
    Said,
    SecretAsked,
    ServerSeen,
)
from profiles.profile import PgBouncer, Profile
from profiles.steps import Step
from routes.given import Given, TunnelGiven
from routes.route import Route

CONFIGURED = "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'"


class Looker:
    """Looks at phases, each with sessions of its own."""

    def __init__(
        self,
        live: LiveNight,
        profile: Profile,
        folder: Path,
        passwords: Passwords,
        route: Route,
        hosts: Hosts,
    ) -> None:
        self._live = live
        self._profile = profile
        self._folder = folder
        self._passwords = passwords
        self._route = route
        self._hosts = hosts
        self._unknown_keys: dict[str, UnknownHostKeyError] = {}

    async def look(self, phase: str) -> None:
        """Run the phase's checks, then render its steps. What could not be looked at says so."""
        with self._told(phase):
            async with looking(self._profile, self._passwords, self._hosts) as look:
                self._ask_for_secrets(look)
                self._ask_about_keys(look)
                for side in ("source", "destination"):
                    await self._seen(look, side)
                telling = replace(look, tell=self._tell)
                async for finding in run_checks(for_phase(phase), telling):
                    self._live.publish(Found(finding=finding), wait=False)
                if phase == tuning.PHASE:
                    await self._propose(telling)
                if phase in self._route.PHASES:
                    await self._plan(phase, look)

    async def plan_again(self, phase: str) -> None:
        """Render the phase's steps once more, from what was found when it was looked at."""
        async with looking(self._profile, self._passwords, self._hosts) as look:
            await self._plan(phase, look)

    async def _propose(self, look: Look) -> None:
        made = await tuning.proposed(look, self._live.state)
        self._live.publish(Proposed(proposals=made.made, skipped=made.skipped))
        found = tuning.disk_finding(self._live.state, self._profile.destination.name)
        if found is not None:
            self._live.publish(Found(finding=found))

    @contextmanager
    def _told(self, phase: str) -> Iterator[None]:
        """That the checks began, and that they ended, however that is: a screen waits for it."""
        began = time.perf_counter()
        self._live.publish(ChecksBegan(phase=phase))
        cut_short = ""
        try:
            yield
        except RefusedError:
            raise  # all of it was looked at
        except asyncio.CancelledError:
            cut_short = "it was cancelled"
            raise
        except Exception as error:
            cut_short = type(error).__name__
            raise
        finally:
            took_ms = (time.perf_counter() - began) * 1000.0
            ended = ChecksEnded(phase=phase, duration_ms=took_ms, cut_short=cut_short)
            self._live.publish(ended)

    def _tell(self, event: Event) -> None:
        self._live.publish(event, wait=False)

    async def look_before_arming(self) -> tuple[str, ...]:
        """Look once more at what would break the pause; the roles that the fence will close.

        Raises RefusedError, with the figures, when a check says stop or could not look, and when
        the checklist would be another one now than the one that was read.
        """
        with self._told("cutover"):
            async with looking(self._profile, self._passwords, self._hosts) as look:
                await self._nothing_stops(look)
                return await self._checklist_stands(look)

    async def _nothing_stops(self, look: Look) -> None:
        against = []
        async for finding in run_checks(before_arming(), look):
            self._live.publish(Found(finding=finding), wait=False)
            if finding.verdict in ("stop", "unknown"):
                against.append(f"{finding.check}: {finding.figure}")
        if against:
            raise RefusedError("cutover", "arm", "; ".join(against), "See to it, and arm again.")

    async def _checklist_stands(self, look: Look) -> tuple[str, ...]:
        given = await self._given(look, "cutover")
        fenced = tuple(role.name for role in given.facts.fenced)
        if missing := sorted({*fenced} - {*given.facts.destination_roles}):
            answered = f"not on {self._profile.destination.name}: role {', '.join(missing)}"
            raise RefusedError("cutover", "arm", answered, "Copy the roles again.")
        read, now = self._live.state.plan("cutover"), self._route.steps("cutover", given)
        if changed := _changed(read, now):
            answered = f"the checklist is another one now: {'; '.join(changed)}"
            raise RefusedError("cutover", "arm", answered, "Look again, and read it.")
        return fenced

    async def _plan(self, phase: str, look: Look) -> None:
        if phase == "cutover" and self._live.state.moved:
            return  # it is history: its roles are those that could log in before the fence
        try:
            given = await self._given(look, phase)
            steps = self._route.steps(phase, given)
        except NightferryError as error:
            text = f"The steps of this phase cannot be planned: {error}"
            self._live.publish(Said(text=text, trouble=True))
            return
        self._live.publish(Planned(phase=phase, steps=tuple(steps)))

    async def _given(self, look: Look, phase: str) -> Given:
        facts = await gather(look.on("source"), look.on("destination"), self._profile)
        state, copying = self._live.state, phase == "replication"
        return Given(
            profile=self._profile,
            facts=facts,
            findings=list(state.findings.values()),
            night=state,
            tools=await self._tools(look, facts) if copying else "",
            login_retry=await self._login_retry(look) if phase == "cutover" else {},
            configured={
                session.server: {
                    row["name"]: row["setting"] for row in await session.rows(CONFIGURED)
                }
                for session in (look.on("source"), look.on("destination"))
            },
            folder=self._folder,
            tunnel=await self._tunnel() if copying else None,
        )

    async def _tunnel(self) -> TunnelGiven | None:
        source, destination = self._profile.source, self._profile.destination
        if source.replication_tunnel is None:
            return None
        keeper = await keeper_of(self._hosts.of(destination.name))
        return TunnelGiven(keeper, await host_key_of(self._hosts, source.name))

    async def _tools(self, look: Look, facts: Facts) -> str:
        """The folder of the client tools; the PATH when none was found, which a check says."""
        tools = await tools_to_use(look, facts.destination.major)
        return tools.folder if tools else "/usr/bin"

    async def _login_retry(self, look: Look) -> dict[str, str | None]:
        lines: dict[str, str | None] = {}
        for endpoint in self._profile.endpoints:
            if isinstance(endpoint, PgBouncer) and endpoint.host is not None:
                text = await look.machine(endpoint.name).read(endpoint.config)
                setting = [
                    line.strip()
                    for line in text.splitlines()
                    if line.strip().startswith("server_login_retry")
                ]
                lines[endpoint.name] = setting[0] if setting else None
        return lines

    async def _seen(self, look: Look, side: str) -> None:
        try:
            session = look.on(side)
            size = await session.value("SELECT pg_database_size(current_database())")
        except NightferryError:
            return  # the check that it is reachable says it better
        assert isinstance(session, Session)
        major, minor = divmod(session.version_num, 10000)
        self._live.publish(
            ServerSeen(
                server=session.server,
                version=f"{major}.{minor}",
                version_num=session.version_num,
                size_bytes=size if look.moving(side) else 0,
            )
        )

    async def ask_for_secrets(self) -> None:
        """Ask for what nobody holds any more: a restarted engine cannot go on without it."""
        for name in self._passwords.names:
            try:
                await self._passwords(name)
            except SecretError as error:
                self._asked(error)

    def _ask_for_secrets(self, look: Look) -> None:
        held = (*look.sessions.values(), *look.consoles.values(), *look.machines.values())
        for error in held:
            if isinstance(error, SecretError):
                self._asked(error)

    def _ask_about_keys(self, look: Look) -> None:
        for name, error in look.machines.items():
            if isinstance(error, UnknownHostKeyError):
                self._unknown_keys[name] = error
                self._live.publish(
                    HostKeyAsked(server=name, fingerprint=error.fingerprint, prompt=str(error))
                )

    def accept_host_key(self, name: str, fingerprint: str) -> None:
        """The operator compared it. Raises RefusedError for another key than was shown."""
        unknown = self._unknown_keys.get(name)
        if unknown is None or unknown.fingerprint != fingerprint:
            answered = "its host has not shown this key"
            raise RefusedError(name, "accept the host key", answered, "Look again first.")
        accept_host_key(unknown)
        del self._unknown_keys[name]
        self._live.publish(HostKeyAccepted(server=name, fingerprint=fingerprint))

    def _asked(self, error: SecretError) -> None:
        if error.where not in self._live.state.secrets_wanted:
            self._live.publish(SecretAsked(server=error.where, prompt=str(error)))


def _changed(read: Sequence[Step], now: Sequence[Step]) -> list[str]:
    """The titles of the steps, from the pause on, that are not as they were read."""
    was = {step.id: step for step in read if step.paused or step.after_turn}
    will = {step.id: step for step in now if step.paused or step.after_turn}
    differing = [step.title for id_, step in will.items() if was.get(id_) != step]
    return differing + [step.title for id_, step in was.items() if id_ not in will]
