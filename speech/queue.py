"""Shares the engine between rooms: finals in order of arrival, in batches; interims when idle."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from speech.decoder import Unwanted
from speech.engine import DecodeOptions, Engine, Utterance
from speech.wire import Recognition
from telemetry import metrics

MAX_BATCH = 8
MAX_WAITING = 256  # requests of 10 s are 160 MB of sound
REST = 4.0  # after an interim, by the time that it took
MAX_REST_S = 1.0
NEWEST_WEIGHT = 0.2  # of a decode in the average of all

logger = logging.getLogger("bodh.speech")


class EngineBusy(Exception):
    """An interim came while the engine had something else to do."""


class Overloaded(Exception):
    """So much waits that this request would not be decoded in time."""


class Request:
    def __init__(self, utterance: Utterance, *, final: bool) -> None:
        self.utterance = utterance
        self.final = final
        self.overtaken = False  # an interim that a final came after
        self.answer: asyncio.Future[Recognition] = asyncio.get_running_loop().create_future()

    @property
    def is_unwanted(self) -> bool:
        return self.overtaken or self.answer.cancelled()


class RecognitionQueue:
    """Decodes finals in `lanes` threads, and interims in one more.

    Refuses an interim while anything is decoded or waits, and after an interim for four times as
    long as that one took, but a second at most: so interims rarely use more than a fifth of a core,
    and seldom run when speech ends. A final that arrives ends an interim at
    the next step of its decode.
    """

    def __init__(self, engine: Engine, *, lanes: int) -> None:
        self._engine = engine
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(lanes + 1, thread_name_prefix="decode")
        self._waiting: deque[Request] = deque()
        self._batches: list[Sequence[Request]] = []  # being decoded
        self._tasks: set[asyncio.Task[None]] = set()
        self._interim: Request | None = None
        self.no_interim_before = 0.0
        self.decode_s = 0.0  # average time of the engine for an utterance
        self.refused = 0
        self.thrown_away = 0

    @property
    def unfinished(self) -> int:
        return len(self._waiting) + sum(len(batch) for batch in self._batches)

    async def recognise(
        self, pcm: bytes, options: DecodeOptions, *, final: bool, timeout_s: float
    ) -> Recognition:
        """The text of `pcm`.

        Raises TooLong, EngineBusy (interims), Overloaded (finals), TimeoutError, and what the
        model raises. Dropped if it is cancelled: at once, or at the next step of its decode.
        """
        if not final:
            self._refuse_interim_if_busy()
        utterance = self._engine.find_utterance(pcm, options)
        if isinstance(utterance, Recognition):
            return utterance
        request = Request(utterance, final=final)
        if final:
            self._queue_final(request, timeout_s)
        else:
            self._begin_interim(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await request.answer
        finally:
            if request in self._waiting:
                self._waiting.remove(request)
                count_request(final, "dropped")
            self._report_waiting()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _queue_final(self, request: Request, timeout_s: float) -> None:
        if self._interim is not None:
            self._interim.overtaken = True
        turn = (self.unfinished + 1) / self._lanes
        if len(self._waiting) >= MAX_WAITING or turn * self.decode_s > timeout_s:
            self.refused += 1
            count_request(True, "refused")
            raise Overloaded(f"{self.unfinished} requests are before this one")
        self._waiting.append(request)
        self._start_batches()

    def _refuse_interim_if_busy(self) -> None:
        if self.unfinished or time.monotonic() < self.no_interim_before:
            count_request(False, "refused")
            raise EngineBusy("decoding other requests")

    def _begin_interim(self, request: Request) -> None:
        self._interim = request
        self._start_decode([request])

    def _start_batches(self) -> None:
        while self._waiting and self._finals_running < self._lanes:
            self._start_decode(self._take_batch())
        self._report_waiting()

    @property
    def _finals_running(self) -> int:
        return len(self._batches) - (self._interim is not None)

    def _take_batch(self) -> list[Request]:
        """The request that waits longest, and others that can be decoded together with it."""
        first = self._waiting.popleft()
        fitting = [one for one in self._waiting if one.utterance.can_share_batch(first.utterance)]
        for request in fitting[: MAX_BATCH - 1]:
            self._waiting.remove(request)
        return [first, *fitting[: MAX_BATCH - 1]]

    def _start_decode(self, batch: Sequence[Request]) -> None:
        self._batches.append(batch)
        task = asyncio.create_task(self._decode(batch), name="decode")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _decode(self, batch: Sequence[Request]) -> None:
        began = time.monotonic()
        try:
            await self._decode_and_answer(batch)
        finally:
            self._end_decode(batch, time.monotonic() - began)

    async def _decode_and_answer(self, batch: Sequence[Request]) -> None:
        """Decodes one by one what cannot be decoded together: one request may spoil a batch."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._pool,
                self._engine.recognise_batch,
                [request.utterance for request in batch],
                lambda: all(request.is_unwanted for request in batch),
            )
        except Unwanted:
            self._fail_requests(batch, EngineBusy("a final came"))
        except Exception as error:  # noqa: BLE001 whatever the model raises
            if len(batch) == 1:
                self._fail_requests(batch, error)
                return
            for request in batch:
                await self._decode_and_answer([request])
        else:
            self._answer_requests(batch, found)

    def _answer_requests(self, batch: Sequence[Request], found: Sequence[Recognition]) -> None:
        for request, recognition in zip(batch, found, strict=True):
            if request.answer.done():
                self._count_thrown_away(request)
            else:
                count_request(request.final, "answered")
                request.answer.set_result(recognition)

    def _fail_requests(self, batch: Sequence[Request], error: Exception) -> None:
        for request in batch:
            if request.is_unwanted:
                self._count_thrown_away(request)
            if not request.answer.done():
                request.answer.set_exception(error)

    def _count_thrown_away(self, request: Request) -> None:
        self.thrown_away += 1
        count_request(request.final, "thrown_away")

    def _end_decode(self, batch: Sequence[Request], decode_s: float) -> None:
        self._batches.remove(batch)
        if self._interim in batch:
            self._interim = None
            self.no_interim_before = time.monotonic() + min(REST * decode_s, MAX_REST_S)
        else:
            newest = decode_s / len(batch)
            self.decode_s += NEWEST_WEIGHT * (newest - self.decode_s) if self.decode_s else newest
        self._report_decode(batch, decode_s)
        self._start_batches()

    def _report_decode(self, batch: Sequence[Request], decode_s: float) -> None:
        metrics.SPEECH_DECODE_SECONDS.observe(decode_s)
        metrics.SPEECH_BUSY_SECONDS.inc(decode_s)
        metrics.SPEECH_AUDIO_SECONDS.inc(sum(one.utterance.audio_s for one in batch))
        metrics.SPEECH_BATCHES.inc(size=str(len(batch)))

    def _report_waiting(self) -> None:
        metrics.SPEECH_WAITING.set(len(self._waiting))


def count_request(final: bool, outcome: str) -> None:
    metrics.SPEECH_REQUESTS.inc(kind="final" if final else "interim", outcome=outcome)
