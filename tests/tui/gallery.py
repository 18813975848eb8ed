"""Which nights are shown where: every picture, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from profiles import events as ev
from tests.tui import entering, scenes
from tests.tui.slow_disk import slow_disk
from tests.tui.tuned import tuned


class Scene(NamedTuple):
    """One picture: the night, the phase it is looked at in, and keys pressed then."""

    events: Callable[[], list[ev.Event]]
    phase: str
    keys: tuple[str, ...] = ()


SCENES: dict[str, Scene] = {
    "sessions": Scene(scenes.up_to_preflight, "sessions"),
    "servers": Scene(scenes.rehearsing, "servers", ("down", "down", "down", "down")),
    "servers-long-names": Scene(scenes.long_names, "servers"),
    "profile": Scene(entering.half_entered, "servers", ("tab", "tab", "tab", "tab")),
    "profile-refused": Scene(entering.half_entered, "servers", ("tab",) * 13),
    "profile-wrong": Scene(entering.wrong_everywhere, "servers", ("ctrl+s", "tab", "tab", "tab")),
    "route": Scene(scenes.up_to_preflight, "route"),
    "network": Scene(scenes.up_to_preflight, "network"),
    "network-from-here": Scene(scenes.up_to_preflight, "network", ("d",)),
    "network-probing": Scene(scenes.network_probing, "network", ("j",)),
    "tuning": Scene(
        tuned, "tuning", ("down", "down", "down", "down", "down", "down", "down", "space")
    ),
    "tuning-hosts": Scene(tuned, "tuning", ("end", "pageup", "pageup")),
    "preflight": Scene(scenes.preflight_stop, "preflight"),
    "preflight-forty-findings": Scene(scenes.forty_findings, "preflight", ("pagedown",)),
    "replication": Scene(scenes.up_to_replication, "replication", ("down",)),
    "replication-logged": Scene(scenes.logged, "replication"),
    "replication-copying": Scene(scenes.copying, "replication"),
    "lag": Scene(scenes.streaming, "lag"),
    "lag-slow-disk": Scene(slow_disk, "lag"),
    "lag-lost-slot": Scene(scenes.lost_slot, "lag"),
    "verify": Scene(scenes.verified, "verify"),
    "cutover": Scene(scenes.ready, "cutover"),
    "cutover-arming": Scene(scenes.prepared, "cutover", ("t",)),
    "cutover-armed": Scene(scenes.armed, "cutover"),
    "cutover-paused": Scene(scenes.paused, "cutover"),
    "cutover-writes-stopped": Scene(scenes.stopped, "cutover"),
    "aftercare": Scene(scenes.loose_ends, "aftercare"),
    "card": Scene(scenes.practising, "lag", ("c",)),
    "help": Scene(scenes.ready, "cutover", ("?",)),
    "journal": Scene(scenes.moved, "cutover", ("l",)),
    "quit": Scene(scenes.copying, "replication", ("q",)),
}
