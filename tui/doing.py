"""What takes more than one key: a dialog or several, and then a request.

Each is a worker of the app; leaving a dialog leaves the whole thing undone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.client import new_id
from profiles.fold import Night
from profiles.machine import Proposal
from profiles.requests import (
    AcceptHostKey,
    Arm,
    ChooseValue,
    Confirm,
    Request,
    RunStep,
    Skip,
    Stop,
    TellSecret,
    UndoStep,
)
from profiles.steps import Step
from rehearsal.wire import Conditions
from tui import rehearse
from tui.widgets.dialogs import Ask, Choice, Choose, Page
from tui.widgets.knobs import Knobs
from tui.words.checklist import arm_terms
from tui.words.detail import command_lines
from tui.words.figures import many
from tui.words.text import Line, Span, line
from tui.words.view import profile_of

if TYPE_CHECKING:
    from tui.app import Nightferry

APPLY = "apply"
WIDE_CELLS = 70


def unconfirmed(
    night: Night, steps: Sequence[Step], *, settled_too: bool = False
) -> dict[tuple[str, str], list[Step]]:
    """The (phase, server) whose name has yet to be typed, each with the steps that want it."""
    wanted: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        if step.danger and (settled_too or not night.state_of(step.id).settled):
            for server in step.servers:
                wanted.setdefault((step.phase, server), []).append(step)
    return {key: said for key, said in wanted.items() if key not in night.confirmed}


async def confirmed(window: Nightferry, steps: Sequence[Step], request: Request) -> None:
    """Have the name of every server typed that these steps endanger, then ask."""
    meant = isinstance(request, RunStep | UndoStep)
    wanted = unconfirmed(window.view.night, steps, settled_too=meant)
    for (phase, server), endangering in wanted.items():
        said = [f"! {step.title}: {step.danger}" for step in endangering[:6]]
        if len(endangering) > 6:
            said.append(f"  and {len(endangering) - 6} more")
        said.append(f"Type {server} to let the wizard do it there:")
        if (
            await window.push_screen_wait(Ask(f"This changes {server}", said, must_be=server))
            is None
        ):
            return
        window.ask(Confirm(id=new_id(), phase=phase, server=server))
    window.ask(request)


async def shown_and_confirmed(window: Nightferry, steps: Sequence[Step], request: Request) -> None:
    """Show every command of the steps, have the servers' names typed, then ask."""
    lines: list[Line] = []
    for step in steps:
        lines.append(line(Span(step.title, "heading")))
        for command in step.commands:
            lines += command_lines(command, WIDE_CELLS)
    title = f"{many(len(steps), 'change')}: every command"
    if await window.push_screen_wait(Page(title, lines, take=APPLY)) == APPLY:
        await confirmed(window, steps, request)


async def choose_value(window: Nightferry, proposal: Proposal) -> None:
    """Have another value typed than the proposed one; the engine refuses what cannot work."""
    said = [
        f"{proposal.name} on {proposal.server}: {proposal.now or '?'} now",
        f"proposed: {proposal.proposed} ({proposal.arithmetic})",
    ]
    typed = await window.push_screen_wait(Ask("Another value", said, placeholder=proposal.proposed))
    if typed is not None:
        window.ask(ChooseValue(id=new_id(), step=proposal.id, value=typed))


async def arm(window: Nightferry, *, by_hand: bool) -> None:
    """Show what arming means, have the source's name typed, and arm."""
    night = window.view.night
    profile = profile_of(night)
    if profile is None:
        return
    source = profile.source.name
    said = [*arm_terms(night, by_hand), f"Type {source} to arm:"]
    typed = await window.push_screen_wait(Ask("Arm the stretch", said, must_be=source))
    if typed is not None:
        window.ask(Arm(id=new_id(), typed=typed, by_hand=by_hand))


async def skip(window: Nightferry, step: Step) -> None:
    """Have the reason typed, and leave the step out."""
    said = [step.title, "Why is it left out? The reason goes to the journal and the report."]
    reason = await window.push_screen_wait(Ask("Skip a step", said))
    if reason is not None:
        window.ask(Skip(id=new_id(), step=step.id, reason=reason))


async def tell_secrets(window: Nightferry) -> None:
    """Have every password typed that nobody holds; it is shown nowhere and kept in memory."""
    for server, prompt in dict(window.view.night.secrets_wanted).items():
        said = [prompt, "It is held in the memory of the engine and its keeper, nowhere else."]
        typed = await window.push_screen_wait(Ask(f"Password for {server}", said, secret=True))
        if typed is None:
            return
        window.ask(TellSecret(id=new_id(), server=server, value=typed))


async def compare_keys(window: Nightferry) -> None:
    """Have the key of every host compared that nobody knows yet; typing its name accepts it."""
    for server, asked in dict(window.view.night.keys_wanted).items():
        said = [asked.prompt, asked.fingerprint, f"Type {server} to accept it:"]
        ask = Ask(f"Unknown key: host of {server}", said, must_be=server)
        if await window.push_screen_wait(ask) is None:
            return
        window.ask(AcceptHostKey(id=new_id(), server=server, fingerprint=asked.fingerprint))


async def change_road(window: Nightferry, now: Conditions) -> None:
    """Have the road of the rehearsal made better or worse."""
    typed = await window.push_screen_wait(Knobs(now))
    if typed is not None:
        window.tell(await asyncio.to_thread(rehearse.change_road, window.folder, typed))


async def leave(window: Nightferry) -> None:
    """Ask before leaving a night that lives."""
    view = window.view
    if not view.open or view.night.ended or view.watch:
        window.part("")
        return
    profile = profile_of(view.night)
    rehearsal = profile is not None and profile.rehearsal
    choices = [Choice("d", "leave it running, and detach", "detach")]
    if rehearsal:
        choices.append(Choice("e", "end the rehearsal, and take everything down", "end"))
    else:
        choices.append(Choice("s", "stop the engine; the night can be resumed", "stop"))
    chosen = await window.push_screen_wait(Choose("Leave", _under_way(view.night), choices))
    if chosen == "detach":
        window.detach()
    elif chosen is not None:
        window.ask(Stop(id=new_id()))
        window.part(chosen)


def _under_way(night: Night) -> list[str]:
    said = [f"● running: {step.title}" for step in night.running()]
    if night.armed:
        said.insert(0, "! the stretch is armed: it ends by itself, with or without this window")
    ends = len(night.open_loose_ends())
    if ends:
        said.append(f"! {many(ends, 'loose end')} open on the servers")
    return said or ["The engine goes on without this window; nothing runs at the moment."]
