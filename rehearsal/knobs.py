"""What can be changed of a rehearsal's road while it carries, as fields an operator types.

The words and limits of each; standard library only. What then happens to a frame is the wire's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rehearsal.wire import Conditions


@dataclass(frozen=True)
class Knob:
    """One field: what it is called, its unit, and what it may be."""

    name: str
    """As the command line has it: ``--delay-ms``."""
    title: str
    unit: str
    most: float

    def read(self, text: str) -> float:
        """The number that was typed; ValueError, in words for whoever typed it."""
        try:
            number = float(text)
        except ValueError:
            raise ValueError("not a number") from None
        if math.isnan(number) or not 0 <= number <= self.most:
            raise ValueError(f"from 0 to {self.most:g}")
        return number


KNOBS = (
    Knob("delay-ms", "delay", "ms each way", 2000),
    Knob("jitter-ms", "jitter", "ms up and down", 1000),
    Knob("loss-percent", "loss", "% of the packets", 100),
    Knob("rate-mbit", "rate", "Mbit/s, 0: as it can", 10000),
)
BY_NAME = {knob.name: knob for knob in KNOBS}


def values(conditions: Conditions) -> dict[str, float]:
    """What each knob stands at."""
    return {
        "delay-ms": conditions.delay_ms,
        "jitter-ms": conditions.jitter_ms,
        "loss-percent": conditions.loss * 100.0,
        "rate-mbit": conditions.rate_mbit,
    }


def turned(conditions: Conditions, typed: Mapping[str, str]) -> tuple[Conditions, dict[str, str]]:
    """The conditions with what was typed, by the knobs' names; and what is wrong with which."""
    now, wrong = values(conditions), dict[str, str]()
    for name, text in typed.items():
        try:
            now[name] = BY_NAME[name].read(text.strip())
        except ValueError as error:
            wrong[name] = str(error)
    if not wrong and now["jitter-ms"] > now["delay-ms"]:
        wrong["jitter-ms"] = "not more than the delay"
    if wrong:
        return conditions, wrong
    changed = replace(
        conditions,
        delay_ms=now["delay-ms"],
        jitter_ms=now["jitter-ms"],
        loss=now["loss-percent"] / 100.0,
        rate_mbit=now["rate-mbit"],
    )
    return changed, wrong


def said(conditions: Conditions) -> str:
    """In words: ``2 ms ± 0.2 ms each way, 0 % lost``."""
    rate = f"{conditions.rate_mbit:g} Mbit/s" if conditions.rate_mbit else "as fast as it can"
    return (
        f"{conditions.delay_ms:g} ± {conditions.jitter_ms:g} ms each way,"
        f" {conditions.loss * 100:g} % lost, {rate}"
    )
