"""The audio of one utterance. Splits speech that is too long."""

from dataclasses import dataclass

import numpy as np

from speech.levels import middle_of_quietest_frame
from speech.wire import RATE

MAX_UTTERANCE_S = 29.0  # the engine accepts 29.5 s
CUT_SEARCH_S = 5.0  # the cut is at the quietest moment of the last seconds
CUT_FRAME = RATE // 10
CLEAR_PROBABILITY = 0.8  # of speech in a window of the detector
MIN_CLEAR_S = 0.09  # three windows: keys and knocks have one or two, "B" has four
BYTES_PER_S = 2 * RATE


@dataclass
class UtteranceSound:
    """PCM (int16, mono, 16 kHz) that starts shortly before the speech. Times are epoch seconds."""

    segment_id: str
    pcm: bytearray
    pcm_at: float  # when its first sample was spoken
    started_at: float
    next_interim_at: float
    clear_s: float = 0.0  # of windows that are clearly speech
    ended_at: float = 0.0
    continues: bool = False  # the speech continues in the next one

    @property
    def last_at(self) -> float:
        return self.pcm_at + len(self.pcm) / BYTES_PER_S

    @property
    def too_long(self) -> bool:
        return len(self.pcm) >= MAX_UTTERANCE_S * BYTES_PER_S

    @property
    def is_speech(self) -> bool:
        """Whether it is worth recognising: no click, no far murmur."""
        return self.clear_s >= MIN_CLEAR_S

    def note_window(self, probability: float, window_s: float) -> None:
        """A window of the detector, with the probability that it is speech."""
        if probability >= CLEAR_PROBABILITY:
            self.clear_s += window_s

    def cut_at_quietest(
        self, next_segment_id: str, search_s: float = CUT_SEARCH_S
    ) -> "UtteranceSound":
        """Returns what comes after the quietest of its last seconds."""
        at = 2 * _quietest_sample(np.frombuffer(bytes(self.pcm), np.int16), search_s)
        rest = self.pcm[at:]
        del self.pcm[at:]
        self.ended_at, self.continues = self.last_at, True
        return UtteranceSound(
            next_segment_id,
            rest,
            self.ended_at,
            self.ended_at,
            self.next_interim_at,
            clear_s=self.clear_s,
        )


def _quietest_sample(samples: np.ndarray, search_s: float) -> int:
    """Index of the sample in the middle of the quietest 100 ms of the last seconds."""
    late = samples[-int(search_s * RATE) :].astype(np.float32)
    return len(samples) - len(late) + middle_of_quietest_frame(late, CUT_FRAME)
