"""How often each participant may do what costs others time: a burst, then a steady rate."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "turn",
    "lesson",
    "again",
    "speech",
    "activity",
    "microphone",
    "early_audio",
    "refusal",
    "welcome",
    "apology",
    "interruption",
    "pause",
]


@dataclass(frozen=True)
class Rate:
    """`burst` at once, then one every `every_s` seconds."""

    burst: int
    every_s: float


# far above what one person does with a page and a microphone
RATES: dict[Kind, Rate] = {
    "turn": Rate(12, 1.5),
    "lesson": Rate(10, 2.0),
    "again": Rate(3, 2.0),
    "speech": Rate(10, 1.0),
    "activity": Rate(10, 1.0),
    "microphone": Rate(6, 5.0),
    "early_audio": Rate(6, 5.0),
    "refusal": Rate(20, 2.0),  # each names the typed turn that goes back into its sender's box
    "welcome": Rate(3, 20.0),  # aloud, when they join again
    "apology": Rate(3, 10.0),  # aloud, for speech that was not recognised or is slow to be
    "interruption": Rate(1, 30.0),  # by voice, of what is said to somebody else
    "pause": Rate(6, 10.0),  # of the tutor, for a sound that was no turn
}
PRUNE_ABOVE = 256  # entries


class Rates:
    """Counts per identity and kind. What has not been used for a while is forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: dict[tuple[str, Kind], float] = {}  # when the whole burst is free again

    def allow(self, identity: str, kind: Kind) -> bool:
        """Whether they may do it now; counts it if they may."""
        if self.wait_s(identity, kind) > 0:
            return False
        self._count(identity, kind)
        return True

    def reserve(self, identity: str, kind: Kind) -> float:
        """Counts it, and returns after how many seconds they may do it."""
        wait_s = self.wait_s(identity, kind)
        self._count(identity, kind)
        return wait_s

    def wait_s(self, identity: str, kind: Kind) -> float:
        rate, now = RATES[kind], self._clock()
        full_at = self._full_at.get((identity, kind), now)
        return max(0.0, full_at - now - (rate.burst - 1) * rate.every_s)

    def _count(self, identity: str, kind: Kind) -> None:
        now = self._clock()
        full_at = max(now, self._full_at.get((identity, kind), now))
        self._full_at[identity, kind] = full_at + RATES[kind].every_s
        if len(self._full_at) > PRUNE_ABOVE:
            self._full_at = {key: at for key, at in self._full_at.items() if at > now}
