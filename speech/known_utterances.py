"""Recognises utterances that are asked for again and again while they are being said."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial

from speech.decoder import CLEAR_LOGPROB
from speech.engine import DecodeOptions, pcm_to_samples
from speech.queue import RecognitionQueue, count_request
from speech.settled import Settled, join_texts, settle
from speech.sound_or_noise import LoudPart, find_loud_part
from speech.wire import RATE, Recognition, Span

Ask = Callable[..., Awaitable[Recognition]]
MAX_KNOWN = 64
FORGET_S = 60.0
ENDED_S = 0.1  # after such a pause the sound before it will not change any more
LONG_INTERIM_S = 4.0  # a shorter one is decoded as quickly whole
LONG_FINAL_S = 10.0  # a shorter one fits in a short window, and is most accurate whole


@dataclass
class KnownUtterance:
    """`answer` is for `sound`, and is what a final would get."""

    used_at: float
    settled: Settled = field(default_factory=Settled)
    sound: LoudPart | None = None
    options: DecodeOptions | None = None
    answer: Recognition | None = None


class KnownUtterances:
    """By their names. Each is forgotten after a time without use: it has the words of a learner."""

    def __init__(self) -> None:
        self._by_name: OrderedDict[str, KnownUtterance] = OrderedDict()  # the last used one is last
        self._next_forgetting: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._by_name)

    def find_or_add(self, name: str) -> KnownUtterance:
        now = time.monotonic()
        known = self._by_name.pop(name, None) or KnownUtterance(now)
        known.used_at = now
        self._by_name[name] = known
        if len(self._by_name) > MAX_KNOWN:
            self._by_name.popitem(last=False)
        if self._next_forgetting is None:
            self._forget_later(FORGET_S)
        return known

    def _forget_later(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._next_forgetting = loop.call_later(delay_s, self._forget_unused)

    def _forget_unused(self) -> None:
        self._next_forgetting = None
        while self._by_name:
            left_s = next(iter(self._by_name.values())).used_at + FORGET_S - time.monotonic()
            if left_s > 0:
                self._forget_later(left_s)
                return
            self._by_name.popitem(last=False)


class UtteranceRecogniser:
    """Decodes no sound again that gave the answer before, or that is settled."""

    def __init__(self, queue: RecognitionQueue) -> None:
        self._queue = queue
        self._known = KnownUtterances()

    async def recognise(
        self, pcm: bytes, options: DecodeOptions, *, final: bool, timeout_s: float, name: str
    ) -> Recognition:
        """`RecognitionQueue.recognise` of an utterance from its beginning.

        `name` is that of the utterance, or empty if it is asked for once.
        """
        ask = partial(self._queue.recognise, final=final)
        if not name:
            return await ask(pcm, options, timeout_s=timeout_s)
        known = self._known.find_or_add(name)
        sound = find_loud_part(pcm_to_samples(pcm))
        audio_s = len(pcm) / 2 / RATE
        if known.answer is not None and (known.sound, known.options) == (sound, options):
            count_request(final, "reused")
            return replace(known.answer, audio_s=audio_s, decode_s=0.0)
        if not final and audio_s > LONG_INTERIM_S:
            return await recognise_long_interim(ask, known, pcm, options, timeout_s)
        if final and known.settled.text and audio_s > LONG_FINAL_S:
            found = await recognise_long_final(ask, known.settled, pcm, options, timeout_s)
        else:
            found = await ask(pcm, options, timeout_s=timeout_s)
        if audio_s - sound.end / RATE >= ENDED_S:
            known.sound, known.options, known.answer = sound, options, found
        return found


async def recognise_long_final(
    ask: Ask, settled: Settled, pcm: bytes, options: DecodeOptions, timeout_s: float
) -> Recognition:
    """Decodes what comes after the settled text, and everything if that is not clear."""
    until = time.monotonic() + timeout_s
    rest = await ask(cut_from(pcm, settled.until_s), options, timeout_s=timeout_s)
    if rest.confidence >= math.exp(CLEAR_LOGPROB):
        return put_after(settled, rest)
    return await ask(pcm, options, timeout_s=until - time.monotonic())


async def recognise_long_interim(
    ask: Ask, known: KnownUtterance, pcm: bytes, options: DecodeOptions, timeout_s: float
) -> Recognition:
    """Decodes what comes after the settled text, and settles what it agrees on."""
    before = known.settled
    rest = cut_from(pcm, before.until_s)
    found = put_after(before, await ask(rest, replace(options, words=True), timeout_s=timeout_s))
    known.settled = settle(before, found.words)
    return found


def cut_from(pcm: bytes, start_s: float) -> bytes:
    return pcm[2 * int(start_s * RATE) :]


def put_after(settled: Settled, rest: Recognition) -> Recognition:
    """The recognition of all of the utterance; `words` are only those of the rest."""
    start_s = settled.until_s
    return replace(
        rest,
        text=join_texts(settled.text, rest.text),
        audio_s=rest.audio_s + start_s,
        words=tuple(
            Span(one.text, one.start_s + start_s, one.end_s + start_s) for one in rest.words
        ),
    )
