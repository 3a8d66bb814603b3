"""The sound of a piece: equal loudness, and no silence at its ends. Pure functions and filters."""

import numpy as np

from speech.levels import PAUSE_BELOW, Samples, frame_levels

# RMS of speech, of full scale: eSpeak NG's own loudness, so both voices sound equally loud
TARGET_RMS = 0.096
MAX_PEAK = 0.98
QUIET_BELOW = 10 ** (-40 / 20)  # frames this far below the target are silence at an end
FRAME_S = 0.01
KEPT_BEFORE_S, KEPT_AFTER_S = 0.02, 0.03
FADE_S = 0.004


def loudness(samples: Samples, rate: int) -> float:
    """The RMS of a text's sound, of full scale, without its pauses."""
    levels = frame_levels(samples, round(FRAME_S * rate))
    loud = levels[levels > levels.max(initial=0.0) * PAUSE_BELOW]
    return float(np.sqrt(np.mean(np.square(loud)))) if len(loud) else 0.0


def to_pcm(samples: Samples) -> bytes:
    limited = np.clip(samples, -MAX_PEAK, MAX_PEAK)
    return (limited * 32767).astype(np.int16).tobytes()


class EndTrimmer:
    """Removes the silence at both ends of a piece that arrives in chunks."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frame = round(FRAME_S * rate)
        self._before, self._after = round(KEPT_BEFORE_S * rate), round(KEPT_AFTER_S * rate)
        self._fade = np.linspace(0, 1, round(FADE_S * rate), dtype=np.float32)
        self._held = np.zeros(0, np.float32)  # not known yet whether it is at the end
        self._begun = False

    @property
    def held_s(self) -> float:
        return len(self._held) / self._rate

    def push(self, samples: Samples) -> Samples:
        """What can be heard now. Holds back silence until sound follows it."""
        held = np.concatenate([self._held, samples])
        levels = frame_levels(held, self._frame)
        loud = np.flatnonzero(levels > TARGET_RMS * QUIET_BELOW)
        if not len(loud):
            self._held = held if self._begun else held[-self._before :]
            return held[:0]
        start = 0
        if not self._begun:
            start = max(0, int(loud[0]) * self._frame - self._before)
            held[start : start + len(self._fade)] *= self._fade
            self._begun = True
        end = (int(loud[-1]) + 1) * self._frame
        self._held = held[end:]
        return held[start:end]

    def finish(self) -> Samples:
        """The end of the last sound."""
        rest = self._held[: self._after] if self._begun else self._held[:0]
        fade = self._fade[::-1][len(self._fade) - min(len(rest), len(self._fade)) :]
        if len(fade):
            rest = rest.copy()
            rest[-len(fade) :] *= fade
        return rest
