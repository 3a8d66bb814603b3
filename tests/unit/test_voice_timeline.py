"""Which words of a text have been heard when so much of its sound was played."""

from collections.abc import AsyncIterator

import pytest
from livekit import rtc

from agent.room.voice_timeline import (
    PlaybackClock,
    VoiceTimeline,
    mark_text_end,
    next_word_end,
    resample_marked,
)

RATE = 16_000


def make_sound(seconds: float, text_end: int | None = None, rate: int = RATE) -> rtc.AudioFrame:
    samples = int(seconds * rate)
    frame = rtc.AudioFrame(bytes(2 * samples), rate, 1, samples)
    if text_end is not None:
        mark_text_end(frame, text_end)
    return frame


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_characters_of_a_complete_piece_are_spread_over_its_exact_length() -> None:
    timeline = VoiceTimeline()
    for frame in (make_sound(0.5, 10), make_sound(0.5), make_sound(3.0, 20)):
        timeline.add_frame(frame)
    timeline.end_sound(20)
    assert [timeline.time_of(char) for char in (0, 5, 10, 15, 20)] == [0.0, 0.5, 1.0, 2.5, 4.0]


def test_characters_without_sound_have_no_time_until_it_arrives() -> None:
    timeline = VoiceTimeline()
    timeline.add_frame(make_sound(1.0, 10))
    assert timeline.time_of(11) is None
    assert not timeline.covers(11)
    timeline.add_frame(make_sound(1.0, 30))
    assert timeline.time_of(11) is not None
    assert timeline.covers(11)


def test_piece_that_arrives_is_taken_for_as_slow_as_the_pieces_before_it() -> None:
    timeline = VoiceTimeline()
    timeline.add_frame(make_sound(2.0, 10))
    timeline.add_frame(make_sound(0.1, 20))
    assert timeline.time_of(15) == pytest.approx(3.0)


def test_piece_that_arrives_is_at_least_as_long_as_its_sound_so_far() -> None:
    timeline = VoiceTimeline()
    timeline.add_frame(make_sound(1.0, 10))
    timeline.add_frame(make_sound(4.0, 20))
    assert timeline.time_of(20) == pytest.approx(5.0)


def test_sound_without_marks_speaks_the_whole_text() -> None:
    timeline = VoiceTimeline()
    timeline.add_frame(make_sound(2.0))
    timeline.end_sound(40)
    assert timeline.time_of(20) == pytest.approx(1.0)


def test_text_after_the_last_mark_has_no_sound() -> None:
    timeline = VoiceTimeline()
    timeline.add_frame(make_sound(2.0, 20))
    timeline.end_sound(40)
    assert timeline.time_of(20) == pytest.approx(2.0)
    assert timeline.time_of(21) is None


def test_clock_stands_still_before_the_start_during_a_pause_and_when_the_sound_has_run_dry() -> (
    None
):
    time = Time()
    clock = PlaybackClock(time)
    time.now += 1.0
    assert clock.position_s(2.0) == 0.0
    clock.start()
    time.now += 0.5
    assert clock.position_s(2.0) == pytest.approx(0.5)
    clock.pause(2.0)
    time.now += 7.0
    assert clock.position_s(2.0) == pytest.approx(0.5)
    clock.resume()
    time.now += 1.0
    assert clock.position_s(2.0) == pytest.approx(1.5)
    time.now += 3.0
    assert clock.position_s(2.0) == pytest.approx(2.0)
    clock.measure(2.0)  # one more second of sound is captured after 2.5 s of silence
    time.now += 0.25
    assert clock.position_s(3.0) == pytest.approx(2.25)


def test_clock_goes_back_by_what_is_played_again_after_each_pause() -> None:
    time = Time()
    clock = PlaybackClock(time)
    clock.start()
    for position_s in (1.0, 1.6):
        time.now += 1.0
        clock.pause(5.0)
        clock.rewind(0.4)
        clock.resume()
        assert clock.position_s(5.0) == pytest.approx(position_s - 0.4)
    time.now += 0.1
    assert clock.position_s(5.0) == pytest.approx(1.3)
    clock.pause(5.0)
    clock.rewind(2.0)
    assert clock.position_s(5.0) == 0.0


def test_word_at_the_end_of_the_text_waits_until_it_is_whole() -> None:
    assert next_word_end("Gradient des", 0, is_whole=lambda _: False) == 8
    assert next_word_end("Gradient des", 8, is_whole=lambda _: False) is None
    assert next_word_end("Gradient des", 8, is_whole=lambda end: end == 12) == 12
    assert next_word_end("Gradient ", 8, is_whole=lambda _: True) is None


async def test_marks_survive_another_sample_rate() -> None:
    async def speak() -> AsyncIterator[rtc.AudioFrame]:
        for text_end in (10, 20):
            yield make_sound(0.5, text_end, rate=22_050)
            yield make_sound(0.5, rate=22_050)

    resampled = [frame async for frame in resample_marked(speak(), 24_000)]
    assert {frame.sample_rate for frame in resampled} == {24_000}
    timeline = VoiceTimeline()
    for frame in resampled:
        timeline.add_frame(frame)
    timeline.end_sound(20)
    assert timeline.captured_s == pytest.approx(2.0, abs=0.05)
    assert timeline.time_of(10) == pytest.approx(1.0, abs=0.05)
