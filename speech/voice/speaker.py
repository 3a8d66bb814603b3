"""Speaks one text: piece by piece, chunk by chunk, each when its listener needs it."""

from collections.abc import AsyncGenerator, Iterator
from functools import partial

import numpy as np

from speech.playback import Playback
from speech.voice.pieces import Piece, split_pieces
from speech.voice.queue import ComputationQueue
from speech.voice.sound import EndTrimmer, to_pcm
from speech.voice.synthesiser import Encoded, Synthesiser
from speech.voice.wire import Spoken

FIRST_CHUNK_S = 0.35
LONGEST_CHUNK_S = 2.0
SOON_S = 0.8  # a listener with less sound left than this needs a short first piece


class Speaker:
    def __init__(self, synthesiser: Synthesiser, queue: ComputationQueue) -> None:
        self._synthesiser = synthesiser
        self._queue = queue
        self._prepared: dict[str, list[Spoken]] = {}

    async def prepare(self, text: str) -> None:
        """Keeps the sound of a text at normal speed in memory."""
        spoken = self._speak(text, 1.0, Playback(float("inf")), at_once=False)
        self._prepared[text] = [one async for one in spoken]

    async def speak(self, text: str, *, pace: float, lead_s: float) -> AsyncGenerator[Spoken, None]:
        """Yields the sound of a text. Its listener still has `lead_s` seconds of sound."""
        if pace == 1.0 and text in self._prepared:
            for spoken in self._prepared[text]:
                yield spoken
            return
        async for spoken in self._speak(text, pace, Playback(lead_s), at_once=lead_s < SOON_S):
            yield spoken

    async def _speak(
        self, text: str, pace: float, playback: Playback, *, at_once: bool
    ) -> AsyncGenerator[Spoken, None]:
        begin = 0
        for piece in split_pieces(text, at_once=at_once):
            async for spoken in self._speak_piece(piece, begin, pace, playback):
                playback.add(len(spoken.pcm) / 2 / self._synthesiser.rate)
                yield spoken
            begin = piece.end

    async def _speak_piece(
        self, piece: Piece, begin: int, pace: float, playback: Playback
    ) -> AsyncGenerator[Spoken, None]:
        synthesiser, rate = self._synthesiser, self._synthesiser.rate
        encode = partial(synthesiser.encode, piece.text, pace)
        encoded = await self._queue.compute(playback.ends_at, encode)
        trimmer = EndTrimmer(rate)
        for start, end in chunks(encoded, synthesiser):
            decode = partial(synthesiser.decode, encoded, start, end)
            heard = trimmer.push(await self._queue.compute(playback.ends_at, decode))
            if len(heard):
                said = (end - synthesiser.frames_of(trimmer.held_s)) / encoded.frames
                yield Spoken(to_pcm(heard), begin + round((piece.end - begin) * said))
        pause = np.zeros(round(piece.pause_s / pace * rate), np.float32)
        yield Spoken(to_pcm(np.concatenate([trimmer.finish(), pause])), piece.end)


def chunks(encoded: Encoded, synthesiser: Synthesiser) -> Iterator[tuple[int, int]]:
    """Frames to decode at a time: few at first, then more, because each chunk has its own cost."""
    start, length = 0, synthesiser.frames_of(FIRST_CHUNK_S)
    longest = synthesiser.frames_of(LONGEST_CHUNK_S)
    while start < encoded.frames:
        end = start + length
        if encoded.frames - end < length:
            end = encoded.frames
        yield start, end
        start, length = end, min(3 * length, longest)
