"""How far the tutor's voice is ahead of what the listener hears."""

import asyncio

import pytest
from livekit import rtc

from agent.room.tutor_track import TutorTrack
from agent.talk.speaking import AHEAD_S, wait_until_needed
from speech.playback import Playback
from tests.unit.conftest import Clock


class Silent:
    """A sound queue that plays nothing."""

    queued_duration = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None: ...

    def clear_queue(self) -> None: ...


@pytest.fixture
def track(clock: Clock) -> TutorTrack:
    return TutorTrack(Silent(), clock=clock)


@pytest.fixture
def playback(track: TutorTrack) -> Playback:
    return Playback(clock=track.playing_time)


def test_sound_is_used_up_while_it_is_played(playback: Playback, clock: Clock) -> None:
    playback.add(5.0)
    clock.now += 2.0
    assert playback.lead_s == 3.0
    clock.now += 10.0
    assert playback.lead_s == 0.0
    playback.add(1.0)
    assert playback.lead_s == 1.0


def test_sound_that_is_held_is_still_ahead(
    playback: Playback, track: TutorTrack, clock: Clock
) -> None:
    playback.add(5.0)
    for _ in range(2):
        track.hold()
        clock.now += 30.0
        track.hold()
        clock.now += 30.0
        track.release()
        track.release()
    assert playback.lead_s == 5.0
    clock.now += 2.0
    assert playback.lead_s == 3.0


async def test_no_more_sound_is_needed_while_much_is_held(
    playback: Playback, track: TutorTrack, clock: Clock
) -> None:
    playback.add(AHEAD_S + 0.001)
    track.hold()
    waiting = asyncio.create_task(wait_until_needed(playback))
    clock.now += 60.0
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    track.release()
    clock.now += 1.0
    await asyncio.wait_for(waiting, 20)
