"""When each word of a text is heard: text against sound, and how much of the sound has played."""

import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from itertools import pairwise

from livekit import rtc

CHARS_PER_S = 15.0  # until a piece of this sound is complete
TEXT_END = "bodh.text_end"  # in the user data of a frame

_WORD = re.compile(r"\s*+\S++")


def mark_text_end(frame: rtc.AudioFrame, text_end: int) -> None:
    """Marks the first frame of a piece of sound, which speaks the text up to this character."""
    frame.userdata[TEXT_END] = text_end


async def resample_marked(
    frames: AsyncIterable[rtc.AudioFrame], rate: int
) -> AsyncIterator[rtc.AudioFrame]:
    """Mono frames at another rate, with the same marks. livekit-agents would drop the marks."""
    resampler: rtc.AudioResampler | None = None
    mark: dict[str, int] = {}  # waits for the first frame that the resampler gives back
    async for frame in frames:
        if frame.sample_rate == rate:
            yield frame
            continue
        resampler = resampler or rtc.AudioResampler(frame.sample_rate, rate)
        if TEXT_END in frame.userdata:
            mark = {TEXT_END: frame.userdata[TEXT_END]}
        for resampled in resampler.push(frame):
            resampled.userdata.update(mark)
            mark = {}
            yield resampled
    for resampled in resampler.flush() if resampler else []:
        resampled.userdata.update(mark)
        mark = {}
        yield resampled


class VoiceTimeline:
    """Maps the characters of a text to seconds of its sound.

    The sound arrives in pieces: clauses or sentences. The length of a complete piece is known
    exactly, that of the one which is arriving is estimated. Within a piece, characters are spread
    evenly.
    """

    def __init__(self) -> None:
        self.captured_s = 0.0
        self._pieces = [(0, 0.0)]  # where each complete piece ends: character, seconds
        self._text_end: int | None = None  # of the piece that is arriving, if it is marked
        self._complete = False

    def add_frame(self, frame: rtc.AudioFrame) -> None:
        text_end = frame.userdata.get(TEXT_END)
        if text_end is not None:
            if self._text_end is not None:
                self._pieces.append((self._text_end, self.captured_s))
            self._text_end = text_end
        self.captured_s += frame.duration

    def end_sound(self, chars: int) -> None:
        """The sound is complete. Without marks, it speaks a text of so many characters."""
        self._text_end = chars if self._text_end is None else self._text_end
        self._complete = True

    def covers(self, char: int) -> bool:
        """Whether the sound of this character is known to have begun to arrive."""
        return self._text_end is not None and char <= self._text_end

    def time_of(self, char: float, *, is_complete: bool = False) -> float | None:
        """The position of a character in the sound, or None if its sound has not arrived.

        `is_complete` says that all sound of the last piece has arrived.
        """
        for (begin, begin_s), (end, end_s) in pairwise(self._pieces):
            if char <= end:
                return begin_s + (end_s - begin_s) * (char - begin) / max(1, end - begin)
        if self._text_end is not None and char > self._text_end:
            return None
        begin, begin_s = self._pieces[-1]
        is_complete = is_complete or self._complete
        return begin_s + (char - begin) * self._seconds_per_char_of_last_piece(is_complete)

    def _seconds_per_char_of_last_piece(self, is_complete: bool) -> float:
        begin, begin_s = self._pieces[-1]
        usual = begin_s / begin if begin and begin_s else 1 / CHARS_PER_S
        if self._text_end is None:
            return usual
        exact = (self.captured_s - begin_s) / max(1, self._text_end - begin)
        # a piece that is arriving is at least as long as what has arrived
        return exact if is_complete else max(usual, exact)


class PlaybackClock:
    """How much of a sound has played. It rests while the sound is paused, or has run dry."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = self._paused = False
        self._position_s = 0.0
        self._at = 0.0  # when the position was measured last

    @property
    def is_running(self) -> bool:
        return self._started and not self._paused

    def position_s(self, captured_s: float) -> float:
        """Seconds of the sound captured so far that have played."""
        if not self.is_running:
            return self._position_s
        return max(self._position_s, min(captured_s, self._position_s + self._clock() - self._at))

    def seconds_dry(self, captured_s: float) -> float:
        """For how long no sound has been left to play."""
        if not self.is_running:
            return 0.0
        return max(0.0, self._position_s + self._clock() - self._at - captured_s)

    def measure(self, captured_s: float) -> None:
        """Call it before more sound is captured, else time without sound would count as played."""
        self._position_s, self._at = self.position_s(captured_s), self._clock()

    def start(self) -> None:
        self._started, self._at = True, self._clock()

    def pause(self, captured_s: float) -> None:
        self.measure(captured_s)
        self._paused = True

    def rewind(self, seconds: float) -> None:
        """Goes back during a pause: this much of the sound is played again."""
        self._position_s = max(0.0, self._position_s - seconds)

    def resume(self) -> None:
        self._paused, self._at = False, self._clock()


def next_word_end(text: str, start: int, *, is_whole: Callable[[int], bool]) -> int | None:
    """Where the word that begins at `start`, with the white space before it, ends.

    None if there is no whole word yet. `is_whole` is asked about a word at the end of the text.
    """
    found = _WORD.match(text, start)
    if found is None or (found.end() == len(text) and not is_whole(found.end())):
        return None
    return found.end()
