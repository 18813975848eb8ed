"""The link of a window to a real engine's socket: over its death, and to its orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.client import new_id
from profiles.errors import EngineError
from profiles.events import EngineStopped, Event, Said
from profiles.nights import socket_path
from profiles.requests import Probe
from tests.fix_engine import PATIENCE_S, served, until
from tui import link as linking
from tui.link import EngineLink


@pytest.fixture(autouse=True)
def nobody_starts_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine is the test's own; a lost one is looked for again at once."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(linking, "ensure_engine", lambda folder: None)
    monkeypatch.setattr(linking, "RETRY_S", 0.01)


async def next_of(events: AsyncIterator[Event | None], kind: type[Event]) -> Event:
    """The next event of a kind, within a deadline."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the link ended")


async def test_a_link_folds_what_it_hears_and_asks() -> None:
    async with served() as night:
        link = EngineLink(night.live.folder)
        events = link.events()
        night.live.publish(Said(text="one"))
        await next_of(events, Said)
        assert link.caught_up
        assert link.lost == ""
        assert link.state.seq == night.live.state.seq
        await link.send(Probe(id=new_id(), phase="servers"))
        await until(lambda: bool(night.desk.handled))
        assert night.desk.handled[0].seen_seq == link.state.seq


async def test_when_the_engine_is_lost_the_link_says_so_and_goes_on_where_it_was() -> None:
    async with served() as night:
        folder = night.live.folder
        link = EngineLink(folder)
        events = link.events()
        night.live.publish(Said(text="one"))
        await next_of(events, Said)
        await night.server.close()
        async with asyncio.timeout(PATIENCE_S):
            while not link.lost:
                await anext(events)
        with pytest.raises(EngineError):
            await link.send(Probe(id=new_id(), phase="servers"))
        await night.server.open(socket_path(folder))
        night.live.publish(Said(text="two"))
        said = await next_of(events, Said)
        assert isinstance(said, Said)
        assert said.text == "two", "what was heard before is not told twice"
        assert link.lost == ""


async def test_an_engine_that_was_ended_is_not_started_again() -> None:
    async with served() as night:
        link = EngineLink(night.live.folder)
        events = link.events()
        night.live.publish(EngineStopped(reason="asked to"))
        await next_of(events, EngineStopped)
        await night.server.close()
        async with asyncio.timeout(PATIENCE_S):
            left = [event async for event in events]
        assert left == [None]
        assert link.lost == "it has stopped"
