"""A participant who does everything a token allows, in a process of its own.

`python -m harness.attacker` reads a join ticket as JSON, then a word per line: `hostile`,
`harmless` or `quiet`. After each of these stretches it prints what it did as JSON, a `Stretch`.
If harmless, it sends as much sound and data as it did when hostile, but none that the tutor reads.
The process takes at most half of a core.
"""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from livekit import rtc

from agent.models.espeak import RATE as VOICE_RATE
from harness.attacks import ATTACKS, FRAME, Mallory
from harness.voices import resampled, synthesise_cached
from speech.wire import RATE

Mode = Literal["hostile", "harmless", "quiet"]

CORE_SHARE = 0.5
SPEECH = "i do not understand the learning rate and the loss, please tell me more about it again"
STAY_S = 4.0  # before it joins again
JOINS_IN_A_ROW = 10
ATTEMPT_S = 10.0


@dataclass(frozen=True)
class Stretch:
    mode: Mode
    seconds: float
    cpu_s: float
    bytes: int  # of messages, streams and calls, without sound
    joins: int


class Attacker:
    def __init__(self, ticket: dict[str, Any], speech: np.ndarray) -> None:
        self.mode: Mode = "quiet"
        self._mallory = Mallory(ticket, speech)
        self._hum = _hum(len(speech))
        self._since = _Since.now(self._mallory)
        self._rounds: Counter[str] = Counter()  # of each attack in this mode
        self._rounds_per_s: dict[str, float] = {}  # of each attack when hostile

    async def run(self) -> None:
        """Until cancelled."""
        await self._mallory.join()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_endless_speech())
            tasks.create_task(self._join_again())
            for attack in ATTACKS:
                tasks.create_task(self._repeat_attack(attack))

    def change_mode(self, mode: Mode) -> Stretch:
        stretch = self._since.until_now(self.mode, self._mallory)
        if self.mode == "hostile":
            self._rounds_per_s = {
                name: count / stretch.seconds for name, count in self._rounds.items()
            }
        self.mode, self._mallory.hostile = mode, mode == "hostile"
        self._since = _Since.now(self._mallory)
        self._rounds.clear()
        return stretch

    async def _repeat_attack(self, attack: Callable[[Mallory], Awaitable[None]]) -> None:
        name = attack.__name__
        while True:
            await self._wait_for_cpu_share()
            if self.mode != "quiet" and not self._is_ahead(name):
                # whatever the servers refuse, it goes on
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(ATTEMPT_S):
                        await attack(self._mallory)
                    self._rounds[name] += 1
            await asyncio.sleep(0.005)

    def _is_ahead(self, name: str) -> bool:
        """Whether the harmless twin has sent as much by now as the hostile one had."""
        if self.mode != "harmless" or not self._rounds_per_s:
            return False
        seconds = time.monotonic() - self._since.at
        return self._rounds[name] >= self._rounds_per_s.get(name, 0.0) * seconds

    async def _wait_for_cpu_share(self) -> None:
        """Waits until this process has used less than its share of a core."""
        since = self._since
        used = time.process_time() - since.cpu_s
        await asyncio.sleep(max(0.0, used / CORE_SHARE - (time.monotonic() - since.at)))

    async def _join_again(self) -> None:
        while True:
            await asyncio.sleep(STAY_S)
            if self.mode == "hostile":
                for _ in range(JOINS_IN_A_ROW):
                    await self._wait_for_cpu_share()
                    await self._join_if_possible()
            elif not self._mallory.room.isconnected():
                await self._join_if_possible()

    async def _join_if_possible(self) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(ATTEMPT_S):
                await self._mallory.join()

    async def _publish_endless_speech(self) -> None:
        for at in itertools.count():
            if self.mode == "quiet":
                samples = np.zeros(FRAME, np.int16)
            else:
                sound = self._mallory.speech if self.mode == "hostile" else self._hum
                start = at * FRAME % (len(sound) - FRAME)
                samples = sound[start : start + FRAME]
            frame = rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME)
            await self._mallory.sound.capture_frame(frame)


@dataclass(frozen=True)
class _Since:
    at: float  # monotonic
    cpu_s: float
    bytes: int
    joins: int

    @classmethod
    def now(cls, mallory: Mallory) -> "_Since":
        return cls(time.monotonic(), time.process_time(), mallory.bytes, mallory.joins)

    def until_now(self, mode: Mode, mallory: Mallory) -> Stretch:
        return Stretch(
            mode,
            time.monotonic() - self.at,
            time.process_time() - self.cpu_s,
            mallory.bytes - self.bytes,
            mallory.joins - self.joins,
        )


def _hum(length: int) -> np.ndarray:
    """As loud as speech, but none."""
    return (3000 * np.sin(2 * np.pi * 100 * np.arange(length) / RATE)).astype(np.int16)


async def _follow_commands(attacker: Attacker, lines: asyncio.StreamReader) -> None:
    """Until the end of the input."""
    while line := (await lines.readline()).decode().strip():
        for mode in get_args(Mode):
            if mode == line:
                sys.stdout.write(json.dumps(asdict(attacker.change_mode(mode))) + "\n")
                sys.stdout.flush()


async def main() -> None:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    ticket = json.loads(await lines.readline())
    speech = resampled(await synthesise_cached(SPEECH), VOICE_RATE, RATE)
    attacker = Attacker(ticket, speech)
    attack = asyncio.create_task(attacker.run())
    commands = asyncio.create_task(_follow_commands(attacker, lines))
    await asyncio.wait({attack, commands}, return_when=asyncio.FIRST_COMPLETED)
    attack.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attack


if __name__ == "__main__":
    asyncio.run(main())
