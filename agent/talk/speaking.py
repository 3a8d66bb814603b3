"""From the tutor's text to its sound, sentence by sentence."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from livekit import rtc
from livekit.agents import tts

from agent.room.voice_timeline import mark_text_end
from agent.text.lines import LEAD_S
from agent.text.speakable import speakable
from courses.sentences import split_sentences, whole_sentences_length
from speech.playback import Playback

LOOK_S = 0.05  # between two looks at a clock that may stand still
AHEAD_S = 8.0  # of sound; what is made further ahead is thrown away if the learner interrupts


async def synthesise_sentences(
    voice: tts.TTS[Any],
    text: AsyncIterable[str],
    prepare: Callable[[], None],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[rtc.AudioFrame]:
    """The sound of a text that is still being written, sentence by sentence.

    `prepare` is called before each. The first frame of each is marked with the length of the text
    up to its end, so that captions follow the voice. `clock` stands still while nothing is played.

    LiveKit's default waits for the next sentence before it speaks one, and its text filters for
    one more word, so the first sentence of a slow model would be heard when the second is written.
    """
    playback = Playback(clock=clock)
    text_end = marked = 0
    async for sentence in _whole_sentences(text):
        text_end += len(sentence)
        if words := (await asyncio.to_thread(speakable, sentence)).strip():
            await wait_until_needed(playback)
            prepare()
            LEAD_S.set(playback.lead_s)
            async with voice.synthesize(words) as stream:
                async for sound in stream:
                    playback.add(sound.frame.duration)
                    if marked < text_end:
                        marked = text_end
                        mark_text_end(sound.frame, text_end)
                    yield sound.frame


async def wait_until_needed(playback: Playback) -> None:
    while (excess_s := playback.lead_s - AHEAD_S) > 0:  # noqa: ASYNC110 a clock tells nobody
        await asyncio.sleep(max(excess_s, LOOK_S))


async def _whole_sentences(text: AsyncIterable[str]) -> AsyncIterator[str]:
    """Whole sentences, so that no formula is cut in two."""
    held = ""
    async for delta in text:
        held += delta
        *complete, held = split_sentences(held)
        if whole_sentences_length(f"{held} ") >= len(held.rstrip()):
            complete, held = [*complete, held], ""
        for sentence in complete:
            yield sentence
    yield held
