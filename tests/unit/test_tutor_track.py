"""The tutor's track: what is played, held, said again and cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from agent.room.tutor_track import BYTES_PER_S, RATE, TutorTrack

Finished = asyncio.Queue[io.PlaybackFinishedEvent]

WORD_S, GAP_S = 0.3, 0.1
QUEUE_BYTES = BYTES_PER_S // 5


class Speaker:
    """A sound queue that plays when the test says so."""

    def __init__(self) -> None:
        self.queued = bytearray()
        self.played = bytearray()
        self.refuses = False
        self._changed = asyncio.Event()

    @property
    def queued_duration(self) -> float:
        return len(self.queued) / BYTES_PER_S

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self.refuses:
            raise Exception("an error was returned")
        self.queued += frame.data.cast("B")
        self._changed.set()
        while len(self.queued) > QUEUE_BYTES:
            self._changed.clear()
            await self._changed.wait()

    def clear_queue(self) -> None:
        self.queued.clear()
        self._changed.set()

    async def play(self, seconds: float) -> None:
        """Returns once so much more was played."""
        wanted = len(self.played) + 2 * round(seconds * RATE)
        async with asyncio.timeout(10):
            while len(self.played) < wanted:
                if not self.queued:
                    await self._changed.wait()
                size = min(len(self.queued), wanted - len(self.played))
                self.played += self.queued[:size]
                del self.queued[:size]
                self._changed.set()
                await asyncio.sleep(0)  # the track sends more, or waits
                if not self.queued:
                    self._changed.clear()


def words(count: int) -> bytes:
    """Words of loud noise, each after a gap."""
    noise = np.random.default_rng(1)
    gap = np.zeros(round(GAP_S * RATE), np.int16)
    parts = [
        part
        for _ in range(count)
        for part in (gap, noise.integers(2000, 9000, round(WORD_S * RATE)).astype(np.int16))
    ]
    return np.concatenate(parts).tobytes()


def gap_before_word(number: int) -> range:
    """The bytes of the gap in front of a word, counted from 0."""
    begin = round(number * (WORD_S + GAP_S) * RATE)
    return range(2 * begin, 2 * (begin + round(GAP_S * RATE)))


@asynccontextmanager
async def playing() -> AsyncIterator[tuple[TutorTrack, Speaker, Finished]]:
    speaker = Speaker()
    track = TutorTrack(speaker)
    finished: Finished = asyncio.Queue()
    track.on("playback_finished", finished.put_nowait)
    track.start()
    task = asyncio.create_task(track.play_forever())
    try:
        yield track, speaker, finished
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def say(track: TutorTrack, pcm: bytes) -> None:
    """In frames of 70 ms, which are no multiple of what the track sends."""
    size = 2 * round(0.07 * RATE)
    for at in range(0, len(pcm), size):
        part = pcm[at : at + size]
        await track.capture_frame(rtc.AudioFrame(part, RATE, 1, len(part) // 2))
    track.flush()


async def test_speech_is_played_as_it_is() -> None:
    async with playing() as (track, speaker, finished):
        pcm = words(4)
        await say(track, pcm)
        await speaker.play(len(pcm) / BYTES_PER_S)
        end = await asyncio.wait_for(finished.get(), 10)
        assert bytes(speaker.played) == pcm
        assert (end.interrupted, end.playback_position) == (False, len(pcm) / BYTES_PER_S)


async def test_speech_whose_sound_is_refused_is_cut_and_the_next_one_is_played() -> None:
    async with playing() as (track, speaker, finished):
        speaker.refuses = True
        await say(track, words(1))
        assert (await asyncio.wait_for(finished.get(), 10)).interrupted
        speaker.refuses = False
        pcm = words(2)
        await say(track, pcm)
        await speaker.play(len(pcm) / BYTES_PER_S)
        assert not (await asyncio.wait_for(finished.get(), 10)).interrupted
        assert bytes(speaker.played) == pcm


async def test_held_speech_is_silent_at_once_and_goes_on_at_the_same_word() -> None:
    async with playing() as (track, speaker, finished):
        pcm = words(6)
        await say(track, pcm)
        await speaker.play(3 * (WORD_S + GAP_S) + GAP_S + WORD_S / 2)  # half of word 3
        track.hold()
        assert not speaker.queued
        heard = bytes(speaker.played)
        assert heard == pcm[: len(heard)]
        track.release()
        rest = len(pcm) - gap_before_word(3).start
        await speaker.play(rest / BYTES_PER_S - GAP_S)
        again = bytes(speaker.played[len(heard) :])
        begin = pcm.rindex(again[-1000:]) + 1000 - len(again)
        assert begin in gap_before_word(3)
        assert again == pcm[begin : begin + len(again)]
        await speaker.play((len(pcm) - begin - len(again)) / BYTES_PER_S)
        end = await asyncio.wait_for(finished.get(), 10)
        assert (end.interrupted, end.playback_position) == (False, len(pcm) / BYTES_PER_S)


async def test_each_hold_tells_how_much_is_played_again() -> None:
    async with playing() as (track, speaker, _finished):
        pcm = words(6)
        await say(track, pcm)
        begin = 0  # of what is played next
        for _ in range(2):
            before = len(speaker.played)
            await speaker.play(0.9)
            end = begin + len(speaker.played) - before
            begin = end - round(track.hold() * BYTES_PER_S)
            assert 0 < end - begin <= BYTES_PER_S / 2
            assert track.hold() == 0.0
            track.release()
        before = len(speaker.played)
        await speaker.play(WORD_S)
        again = bytes(speaker.played[before:])
        assert again == pcm[begin : begin + len(again)]


async def test_speech_that_arrives_while_held_is_not_played() -> None:
    async with playing() as (track, speaker, finished):
        track.hold()
        await say(track, words(2))
        await asyncio.sleep(0)
        assert not speaker.queued
        track.release()
        await speaker.play(len(words(2)) / BYTES_PER_S)
        assert not (await asyncio.wait_for(finished.get(), 10)).interrupted


async def test_nothing_is_played_before_somebody_can_hear_it() -> None:
    speaker = Speaker()
    track = TutorTrack(speaker)
    task = asyncio.create_task(track.play_forever())
    await say(track, words(1))
    await asyncio.sleep(0)
    assert not speaker.queued
    track.start()
    await speaker.play(WORD_S)
    task.cancel()


async def test_cut_speech_reports_how_much_was_heard() -> None:
    async with playing() as (track, speaker, finished):
        pcm = words(6)
        await say(track, pcm)
        await speaker.play(1.0)
        track.clear_buffer()
        track.clear_buffer()  # as an agent session does
        end = await asyncio.wait_for(finished.get(), 10)
        assert end.interrupted
        assert end.playback_position == len(speaker.played) / BYTES_PER_S
        assert not speaker.queued


async def test_speech_that_is_cut_while_held_counts_up_to_where_it_was_held() -> None:
    async with playing() as (track, speaker, finished):
        await say(track, words(6))
        await speaker.play(1.0)
        track.hold()
        track.clear_buffer()
        end = await asyncio.wait_for(finished.get(), 10)
        assert end.playback_position == len(speaker.played) / BYTES_PER_S
        track.release()
        pcm = words(1)
        await say(track, pcm)
        await speaker.play(len(pcm) / BYTES_PER_S)
        assert bytes(speaker.played).endswith(pcm)


async def test_long_speech_goes_on_after_what_was_played_long_ago_is_dropped() -> None:
    async with playing() as (track, speaker, _finished):
        pcm = words(40)
        await say(track, pcm)
        await speaker.play(10.0)
        heard = bytes(speaker.played)
        assert heard == pcm[: len(heard)]
        track.hold()
        track.release()
        await speaker.play(len(pcm) / BYTES_PER_S - 10.0)
        again = bytes(speaker.played[len(heard) :])
        begin = pcm.index(again[:1000])
        assert 0 < len(heard) - begin < BYTES_PER_S
        assert again == pcm[begin : begin + len(again)]
