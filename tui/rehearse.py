"""The rehearsal as the wizard's process sees it: begun, kept alive and ended by another process.

That process holds the drivers; here only folders and words pass.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from engine import launch
from engine.keeper import ROOT
from profiles import journal, load
from profiles.errors import HostError
from profiles.files import write_whole
from profiles.fold import fold
from rehearsal.folders import BOX, Layout
from rehearsal.wire import Conditions

TOUCH_EVERY_S = 60.0
ENGINE_END_DEADLINE_S = 15.0


def begin(say: Callable[[str], object] = lambda text: None) -> Path:
    """The folder of a new night, on a rehearsal that was started for it. Raises HostError.

    ``say`` is told what the rehearsal's hosts are.
    """
    started = _box("start")
    say(started["stands_on"])
    folder = launch.begin(load.read(Path(started["profile"])))
    write_whole(folder / BOX, started["folder"].encode())
    return folder


@contextmanager
def kept_alive(night: Callable[[], Path | None]) -> Iterator[None]:
    """While a window is open on a rehearsal, the rehearsal does not end by itself."""
    over = threading.Event()

    def touch() -> None:
        while not over.wait(TOUCH_EVERY_S):
            box = box_of(night())
            if box is not None:
                with suppress(FileNotFoundError):  # it is just being taken down
                    os.utime(Layout(box).keepalive)

    toucher = threading.Thread(target=touch, name="keepalive", daemon=True)
    toucher.start()
    try:
        yield
    finally:
        over.set()
        toucher.join()


def end_if_over(night: Path, *, asked: bool) -> int:
    """End the night's rehearsal when the night has ended, or when that was asked for.

    Says what the application's ledger says of it; 0 unless a write was lost or duplicated.
    """
    box = box_of(night)
    state = fold(journal.read_events(night).events)
    if box is None or not (state.ended or asked):
        return 0
    if not _engine_gone(night):
        click.echo("The engine still has something to finish: the rehearsal goes on.")
        return 1
    said = _box("end", str(box), "new" if state.moved else "old")
    click.echo(said["says"])
    return 0 if said["clean"] else 1


def box_of(night: Path | None) -> Path | None:
    """The folder of the night's rehearsal; None when it moves none, or it is gone."""
    if night is None or not (night / BOX).exists():
        return None
    box = Path((night / BOX).read_text())
    return box if box.is_dir() else None


def road_of(night: Path | None) -> Conditions | None:
    """What the road of the night's rehearsal is like; None where it stands on none, or is gone."""
    box = box_of(night)
    if box is None:
        return None
    try:
        return Layout(box).read_state().road
    except FileNotFoundError:  # it is just being taken down
        return None


def change_road(night: Path | None, typed: Mapping[str, str]) -> str:
    """Turn the knobs of its road, by their names; what the road is like now. Raises HostError."""
    box = box_of(night)
    if box is None:
        raise HostError("this machine", "change the road", "the rehearsal is gone")
    options = [word for name, text in typed.items() for word in (f"--{name}", text)]
    said: str = _box("road", str(box), *options)["says"]
    return said


def faults_of(night: Path | None) -> tuple[str, ...]:
    """The faults that are at work in the night's rehearsal; none where it is gone."""
    box = box_of(night)
    if box is None:
        return ()
    try:
        return Layout(box).read_state().faults
    except FileNotFoundError:  # it is just being taken down
        return ()


def fault(night: Path | None, name: str, *, undo: bool) -> str:
    """Make a fault of it, or take it back; what was done, in words. Raises HostError."""
    box = box_of(night)
    if box is None:
        raise HostError("this machine", f"make the fault {name}", "the rehearsal is gone")
    said: str = _box("fault", str(box), name, *["--undo"] * undo)["says"]
    return said


def _engine_gone(night: Path) -> bool:
    until = time.monotonic() + ENGINE_END_DEADLINE_S
    while journal.is_live(night):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _box(*words: str) -> dict[str, Any]:
    """What ``python -m rehearsal`` answers: one JSON object. Raises HostError with its words."""
    ended = subprocess.run(
        [sys.executable, "-m", "rehearsal", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    tried = f"{words[0]} the rehearsal"
    try:
        said = msgspec.json.decode(ended.stdout, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise HostError("this machine", tried, *last or ["it said nothing"]) from error
    if "answered" in said:
        raise HostError(**said)
    return said
