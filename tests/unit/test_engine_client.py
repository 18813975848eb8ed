"""A window's end of the socket: folded state, waiting, and what an engine's end looks like."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine import wire
from engine.client import Client, connect, new_id
from engine.launch import answers, begin
from profiles.errors import EngineError, RefusedError
from profiles.events import ChecksBegan, Said
from profiles.nights import clear_socket, make_socket_path
from profiles.requests import Go, Probe, RunStep
from tests.fix_engine import a_profile, hello, served, until


@pytest.fixture(autouse=True)
def _nights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def test_the_state_is_that_of_the_engine_once_caught_up() -> None:
    async with served() as night:
        for number in range(20):
            night.live.publish(Said(text=f"{number}"))
        async with await connect(night.live.folder) as client:
            state = await client.caught_up()
            assert state.seq == night.live.state.seq == 21
            assert state.profile == night.live.state.profile
            assert [said.text for said in state.said] == [f"{n}" for n in range(20)]


async def test_waiting_for_a_state_that_a_request_brings_about() -> None:
    async with served() as night, await connect(night.live.folder) as client:
        await client.send(Probe(id=new_id(), phase="servers"))
        state = await client.until(lambda night: "servers" in night.looked, 5.0)
        assert state.looking == set()
        (probe,) = night.desk.handled
        assert probe.seen_seq == 0


async def test_a_request_says_what_the_window_had_seen() -> None:
    async with served() as night, await connect(night.live.folder) as client:
        await client.caught_up()
        await client.send(RunStep(id=new_id(), step="slot@db-old"))
        await client.send(RunStep(id=new_id(), step="slot@db-old", seen_seq=17))
        await until(lambda: len(night.desk.handled) == 2)
        assert [request.seen_seq for request in night.desk.handled] == [1, 17]


async def test_iterating_gives_every_event_in_order() -> None:
    async with served() as night, await connect(night.live.folder, after_seq=1) as client:
        night.live.publish(Said(text="one"))
        night.live.publish(ChecksBegan(phase="servers"))
        kinds = []
        async for event in client:
            kinds.append(type(event))
            if len(kinds) == 2:
                break
        assert kinds == [Said, ChecksBegan]
        assert client.state.looking == {"servers"}


async def test_a_refusal_ends_the_wait_with_its_reason() -> None:
    async with served() as night, await connect(night.live.folder) as client:
        await client.send(Go(id=new_id(), attempt=1))
        with pytest.raises(RefusedError, match="nothing is armed"):
            await client.until(lambda night: night.moved, 5.0)


async def test_a_wait_has_a_deadline() -> None:
    async with served() as night, await connect(night.live.folder) as client:
        with pytest.raises(EngineError, match=r"not within 0\.05 s"):
            await client.until(lambda night: night.moved, 0.05)
        night.live.publish(Said(text="the connection is still good"))
        await client.until(lambda night: bool(night.said), 5.0)


async def test_the_end_of_the_engine_is_an_error_with_what_to_do() -> None:
    async with served() as night:
        client = await connect(night.live.folder)
        await night.server.close()
        with pytest.raises(EngineError, match="nightferry attach"):
            await client.until(lambda night: night.moved, 5.0)
        with pytest.raises(EngineError, match="closed the connection"):
            async with asyncio.timeout(5.0):
                while True:
                    await client.send(Go(id=new_id(), attempt=1))
        await client.close()


async def test_no_engine_is_an_error_with_what_to_do() -> None:
    folder = begin(a_profile())
    with pytest.raises(EngineError, match="nightferry attach"):
        await connect(folder)


async def test_an_engine_of_another_protocol_is_named() -> None:
    folder = begin(a_profile())

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"hello":1,"protocol":7,"night":"n","version":"9.0.0","seq":0}\n')
        writer.close()

    server = await asyncio.start_unix_server(speak, make_socket_path(folder))
    with pytest.raises(EngineError, match=r"protocol 7.*Nightferry 9\.0\.0"):
        await connect(folder)
    server.close()
    clear_socket(folder)


async def test_what_is_no_engine_is_an_error_too() -> None:
    folder = begin(a_profile())

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\n")
        writer.close()

    server = await asyncio.start_unix_server(speak, make_socket_path(folder))
    with pytest.raises(EngineError):
        await connect(folder)
    server.close()
    clear_socket(folder)


async def test_asking_whether_it_answers_costs_the_engine_nothing() -> None:
    async with served() as night:
        assert await asyncio.to_thread(answers, night.live.folder)
        await until(lambda: not night.server._windows)
        assert night.desk.handled == []
    assert not await asyncio.to_thread(answers, night.live.folder)


def test_requests_have_ids_of_their_own() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_lines_of_the_wire_come_back_as_they_went() -> None:
    request = Probe(id="r", seen_seq=3, phase="servers")
    assert wire.decode_request(wire.encode_line(request)) == request
    welcome = wire.Welcome(night="n", version="1", seq=4)
    assert wire.decode_welcome(wire.encode_line(welcome)) == welcome
    assert wire.decode_request(hello(after_seq=2)).id == "h"


async def test_two_clients_fold_the_same_night() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    def clock() -> datetime:
        nonlocal moment
        moment += timedelta(seconds=1)
        return moment

    async with served(clock) as night:
        clients: list[Client] = [await connect(night.live.folder) for _ in range(2)]
        await clients[0].send(Probe(id=new_id(), phase="route"))
        states = [await each.until(lambda night: "route" in night.looked, 5.0) for each in clients]
        assert states[0] == states[1]
        for client in clients:
            await client.close()
