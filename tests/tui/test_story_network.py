"""The Network test by its keys: looking on entry, the hops as they are probed, freezing, paper."""

from __future__ import annotations

import json
from pathlib import Path

from profiles import events as ev
from profiles import requests as ask
from tests.tui import scenes
from tests.tui.recorded import Recorded, Window, press, settled, shown
from tui.widgets.lines import Lines
from tui.words.text import text_of

SMALL = (80, 24)


async def test_the_road_is_probed_as_the_phase_is_entered() -> None:
    link = Recorded(scenes.up_to_network())
    window = Window(link)
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert [each.phase for each in link.sent if isinstance(each, ask.Probe)] == ["network"]
        assert "No hop is known: p probes the road." in shown(window)
        link.tell(ev.ChecksBegan(phase="network"))
        await settled(pilot)
        assert "Finding the hops" in shown(window)
        link.tell(scenes.probed(final=False, hops=scenes.HOPS[:2]))
        await settled(pilot)
        assert "probe 142 of 200" in shown(window)
        assert "nix.example.net" in shown(window)
        assert "???" not in shown(window)
        link.tell(scenes.probed())
        await settled(pilot)
        assert "???" in shown(window)
        assert "loss begins at hop 5 · hop 4 rate-limited, no loss · hop 3 silent" in shown(window)


async def test_j_shows_the_jitter_and_moves_no_cursor() -> None:
    window = Window(Recorded(scenes.up_to_preflight()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        focused = shown(window).count("▸")
        assert "stdev jitter" not in shown(window)
        await press(pilot, "j")
        assert "stdev jitter" in shown(window)
        assert "check     net.loss" in shown(window)
        assert shown(window).count("▸") == focused
        await press(pilot, "j", "down")
        assert "stdev jitter" not in shown(window)
        assert "check     net.mtu" in shown(window)


async def test_d_walks_through_the_roads_and_names_each_in_words() -> None:
    window = Window(Recorded(scenes.up_to_preflight()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        assert road_title(window) == "Road 1 of 2: from db-new to the database port of db-old"
        await press(pilot, "d")
        assert road_title(window) == (
            "Road 2 of 2: from this machine to the SSH port of db-new's jump host…"
        )
        assert "203.0.113.40:22, TCP" in road_lines(window)
        assert "hop 2 by UDP · hop 3 by ICMP" in road_lines(window)
        assert "nix.example.net" not in road_lines(window)
        await press(pilot, "f")
        assert road_title(window).endswith("…, frozen")
        await press(pilot, "d")
        assert "it is frozen; f goes on" in shown(window)
        await press(pilot, "f", "d")
        assert "nix.example.net" in road_lines(window)


async def test_there_is_no_other_direction_before_it_was_probed() -> None:
    link = Recorded([*scenes.up_to_network(), scenes.probed(final=False)])
    window = Window(link)
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await press(pilot, "4", "d")
        assert "no other road was probed" in shown(window)
        assert road_title(window) == "Road: from db-new to the database port of db-old"
        link.tell(scenes.probed_from_here())
        await settled(pilot)
        assert "nix.example.net" in road_lines(window)
        await press(pilot, "d")
        assert "gate.example.net" in road_lines(window)


def road_lines(window: Window) -> str:
    return text_of(window.screen.query_one("#road", Lines)._lines)


def road_title(window: Window) -> str:
    return str(window.screen.query_one("#road", Lines).border_title)


async def test_what_is_frozen_stays_until_it_goes_on() -> None:
    link = Recorded([*scenes.up_to_network(), scenes.probed(final=False, hops=scenes.HOPS[:1])])
    window = Window(link)
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await press(pilot, "4", "f")
        link.tell(scenes.probed(final=False))
        await settled(pilot)
        assert "nix.example.net" not in shown(window)
        await press(pilot, "f")
        assert "nix.example.net" in shown(window)


async def test_nothing_is_frozen_or_written_before_there_is_a_probe(tmp_path: Path) -> None:
    window = Window(Recorded(scenes.up_to_network()))
    async with window.run_test(size=SMALL) as pilot:
        await settled(pilot)
        window.folder = tmp_path
        for key in ("f", "w"):
            await press(pilot, key)
            assert "nothing was probed yet" in shown(window)
        assert not [*tmp_path.iterdir()]


async def test_the_road_is_written_as_text_csv_and_json(tmp_path: Path) -> None:
    window = Window(Recorded(scenes.up_to_preflight()))
    async with window.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        window.folder = tmp_path
        await press(pilot, "4", "w")
        assert "network.txt, network.csv, network.json" in shown(window)
    text = (tmp_path / "network.txt").read_text()
    assert "HOST: db-new" in text
    assert "  3.|-- ???" in text
    lines = (tmp_path / "network.csv").read_text().splitlines()
    assert len(lines) == 1 + len(scenes.HOPS)
    assert ",db-old.frankfurt.example.net,0.70,142," in lines[-1]
    whole = json.loads((tmp_path / "network.json").read_text())
    assert whole["target"] == "10.20.0.5:5432"
    assert whole["destination"]["jitter_ms"] == 0.6
    assert [hop["loss_percent"] for hop in whole["hops"]] == [0.0, 0.0, 100.0, 38.03, 0.7, 0.7]
    checks = {each["check"] for each in whole["verdicts"]}
    assert checks >= {"net.loss", "net.copy"} and "net.from_here" not in checks


async def test_each_road_is_written_to_files_of_its_own(tmp_path: Path) -> None:
    window = Window(Recorded(scenes.up_to_preflight()))
    async with window.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        window.folder = tmp_path
        await press(pilot, "4", "d", "w")
        for ending in ("txt", "csv", "json"):
            assert f"network-2.{ending}" in shown(window)
    text = (tmp_path / "network-2.txt").read_text()
    assert "HOST: this machine" in text
    assert "Hop 2 answers to udp alone.\nHop 3 answers to icmp alone." in text
    whole = json.loads((tmp_path / "network-2.json").read_text())
    assert (whole["target"], whole["mode"]) == ("203.0.113.40:22", "tcp")
    assert set(whole["hops"][0]) == {
        *("ttl", "address", "name", "loss_percent", "sent", "last_ms", "avg_ms"),
        *("best_ms", "worst_ms", "stdev_ms", "jitter_ms"),
    }
    assert [each["check"] for each in whole["verdicts"]] == ["net.from_here"]


async def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    window = Window(Recorded(scenes.up_to_preflight()))
    async with window.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        window.folder = tmp_path / "gone"
        await press(pilot, "4", "w")
        assert "No such file or directory" in shown(window)
