"""How much sound a listener still has."""

import time
from collections.abc import Callable


class Playback:
    """Sound that is played as soon as it is there. The clock stands still while nothing is played.

    `lead_s` is what the listener has at the start, in seconds.
    """

    def __init__(self, lead_s: float = 0.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.ends_at = clock() + lead_s

    @property
    def lead_s(self) -> float:
        return max(0.0, self.ends_at - self._clock())

    def add(self, sound_s: float) -> None:
        self.ends_at = max(self.ends_at, self._clock()) + sound_s
