"""Who gives way: a learner who was spoken to much more than another of late."""

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0
LEAD = 3  # as many speeches more than the other


class TurnTaking:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spoken_to: dict[str, deque[float]] = {}  # identity -> when, in the window

    def note_speech_to(self, identity: str) -> None:
        self._count_recent_speeches(identity)  # drops old times
        self._spoken_to.setdefault(identity, deque()).append(self._clock())

    def gives_way(self, identity: str, *, to: str) -> bool:
        """Whether what is said to a learner is cut off, so that another need not wait."""
        return self._count_recent_speeches(identity) >= self._count_recent_speeches(to) + LEAD

    def _count_recent_speeches(self, identity: str) -> int:
        """How often they were spoken to in the window."""
        times, since = self._spoken_to.get(identity, deque()), self._clock() - WINDOW_S
        while times and times[0] < since:
            times.popleft()
        if not times:
            self._spoken_to.pop(identity, None)
        return len(times)
