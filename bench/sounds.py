"""Synthesised sounds of a room in which nobody talks: int16 samples at 16 kHz.

Each function returns float samples of about full scale; `make_sound` sets the level.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from speech.wire import RATE

Wave = npt.NDArray[np.floating]
Random = np.random.Generator

KEY_GAP_S = (0.08, 0.4)
SEMITONE = 2 ** (1 / 12)
CHORDS = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16))  # I, IV, V, vi in semitones


def make_sound(kind: str, seconds: float, seed: int, level_db: float) -> npt.NDArray[np.int16]:
    """`level_db` is the level of its louder tenth, in dB of full scale."""
    random = np.random.default_rng([seed, *kind.encode()])
    wave = SOUNDS[kind](int(seconds * RATE), random)
    loud = float(np.quantile(np.abs(wave), 0.9)) or float(np.abs(wave).max())
    wave = wave / max(loud, 1e-3 * float(np.abs(wave).max()), 1e-12) * 10 ** (level_db / 20)
    wave += random.normal(0, 10 ** (-72 / 20), len(wave))  # a microphone's own noise
    return (np.clip(wave, -1, 1) * 32_767).astype(np.int16)


def silence(count: int, random: Random) -> Wave:
    return np.zeros(count)


def hum(count: int, random: Random) -> Wave:
    """Mains hum with harmonics."""
    at, base = _seconds(count), random.choice([50.0, 60.0])
    return np.asarray(
        sum(
            random.uniform(0.1, 1)
            / one
            * np.sin(2 * np.pi * base * one * at + random.uniform(0, 6))
            for one in range(1, 9)
        )
    )


def white_noise(count: int, random: Random) -> Wave:
    return random.normal(0, 1, count)


def pink_noise(count: int, random: Random) -> Wave:
    return shape_spectrum(white_noise(count, random), lambda hz: 1 / np.sqrt(np.maximum(hz, 20)))


def fan(count: int, random: Random) -> Wave:
    """Low noise, a blade tone and slow beating."""
    low = shape_spectrum(white_noise(count, random), lambda hz: 1 / (1 + (hz / 300) ** 2))
    at, blades = _seconds(count), random.uniform(80, 160)
    tone = np.sin(2 * np.pi * blades * at) * np.std(low)
    beat: Wave = 1 + 0.2 * np.sin(2 * np.pi * random.uniform(0.3, 2) * at)
    wave: Wave = (low + 0.5 * tone) * beat
    return wave


def clicks(count: int, random: Random) -> Wave:
    return _scatter(count, random, (0.2, 2.0), lambda: _ring(random, 0.008, (1_000, 6_000)))


def keys(count: int, random: Random) -> Wave:
    """A keyboard: each key goes down with a thud and a click, and up again."""

    def stroke() -> Wave:
        down = _ring(random, 0.03, (1_500, 4_500)) + 0.8 * _ring(random, 0.03, (150, 400))
        up = 0.4 * _ring(random, 0.02, (2_000, 5_000))
        return np.concatenate([down, np.zeros(int(random.uniform(0.04, 0.09) * RATE)), up])

    return _scatter(count, random, KEY_GAP_S, stroke)


def knocks(count: int, random: Random) -> Wave:
    """A cup put down, a door, a knock on the desk."""
    return _scatter(count, random, (0.3, 3.0), lambda: _ring(random, 0.15, (80, 500)))


def music(count: int, random: Random) -> Wave:
    """Chords, a melody over them and a drum."""
    beat_s = random.uniform(0.3, 0.6)
    root = random.uniform(110, 220)
    wave = np.zeros(count)
    for number, at_s in enumerate(np.arange(0, count / RATE, beat_s)):
        chord = CHORDS[number // 4 % len(CHORDS)]
        if number % 4 == 0:
            for step in chord:
                _add(wave, at_s, 0.4 * _note(random, root * SEMITONE**step, 4 * beat_s))
        melody = int(random.choice(chord)) + 12
        _add(wave, at_s, _note(random, root * SEMITONE**melody, beat_s * random.uniform(0.5, 1)))
        drum = _ring(random, 0.1, (60, 120)) if number % 2 == 0 else _ring(random, 0.05, (2e3, 6e3))
        _add(wave, at_s, 0.5 * drum)
    return wave


def melody(count: int, random: Random) -> Wave:
    """One voice, like somebody who whistles or hums a tune."""
    wave, at_s, step = np.zeros(count), 0.0, 0
    base, vibrato = random.uniform(180, 900), random.uniform(4, 7)
    while at_s < count / RATE:
        length_s = random.choice([0.2, 0.4, 0.8])
        step = int(np.clip(step + random.integers(-4, 5), -7, 12))
        hz = base * SEMITONE**step
        at = _seconds(int(length_s * RATE))
        phase = 2 * np.pi * hz * at + 0.8 * np.sin(2 * np.pi * vibrato * at)
        tone = np.sin(phase) + 0.2 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase)
        _add(wave, at_s, tone * _swell(len(at)))
        at_s += length_s + random.choice([0.02, 0.02, 0.5])
    return wave


def beeps(count: int, random: Random) -> Wave:
    """A phone, a notification, an alarm clock."""

    def beep() -> Wave:
        parts = [random.uniform(400, 2_000) for _ in range(random.integers(1, 4))]
        tones = [np.sin(2 * np.pi * hz * _seconds(RATE // 8)) * _swell(RATE // 8) for hz in parts]
        return np.concatenate(tones)

    return _scatter(count, random, (0.5, 3.0), beep)


def breaths(count: int, random: Random) -> Wave:
    def breath() -> Wave:
        length = int(random.uniform(0.5, 1.6) * RATE)
        low, high = random.uniform(300, 800), random.uniform(2_000, 5_000)
        noise = shape_spectrum(
            white_noise(length, random), lambda hz: np.where((hz > low) & (hz < high), 1, 0.05)
        )
        return noise * _swell(length)

    return _scatter(count, random, (0.6, 2.5), breath)


def coughs(count: int, random: Random) -> Wave:
    """One to three coughs in a row: a burst, hoarse noise, and often a voiced end."""

    def cough() -> Wave:
        parts = []
        for _ in range(random.integers(1, 4)):
            length = int(random.uniform(0.2, 0.45) * RATE)
            at = _seconds(length)
            noise = _throat(white_noise(length, random), random)
            pitch = random.uniform(90, 260) * np.exp(-at)
            pulses = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)) * (at > 0.08)
            voiced = _throat(pulses, random) * random.uniform(0, 0.8)
            decay = np.minimum(1, at / 0.004) * np.exp(-at / random.uniform(0.06, 0.15))
            parts += [(noise + voiced) * decay, np.zeros(int(random.uniform(0.05, 0.3) * RATE))]
        return np.concatenate(parts)

    return _scatter(count, random, (1.0, 4.0), cough)


SOUNDS: dict[str, Callable[[int, Random], Wave]] = {
    one.__name__: one
    for one in (
        silence, hum, white_noise, pink_noise, fan, clicks, keys, knocks, music, melody, beeps,
        breaths, coughs,
    )
}  # fmt: skip


def shape_spectrum(wave: Wave, gain_at: Callable[[Wave], Wave]) -> Wave:
    spectrum = np.fft.rfft(wave)
    return np.fft.irfft(spectrum * gain_at(np.fft.rfftfreq(len(wave), 1 / RATE)), len(wave))


def _throat(wave: Wave, random: Random) -> Wave:
    """Three resonances, like those of an open mouth."""
    peaks = [random.uniform(*span) for span in ((500, 900), (1_100, 1_800), (2_300, 3_200))]

    def gain(hz: Wave) -> Wave:
        return np.asarray(sum(1 / (1 + ((hz - peak) / 150) ** 2) for peak in peaks)) + 0.05

    return shape_spectrum(wave, gain)


def _ring(random: Random, length_s: float, hz: tuple[float, float]) -> Wave:
    """Something that was hit: a few dying tones and a burst of noise."""
    at = _seconds(int(3 * length_s * RATE))
    tones: Wave = np.sum([np.sin(2 * np.pi * random.uniform(*hz) * at) for _ in range(4)], axis=0)
    burst = random.normal(0, 1, len(at)) * np.exp(-at / (length_s / 4))
    wave: Wave = (tones / 2 + burst) * np.exp(-at / length_s) * random.uniform(0.3, 1)
    return wave


def _note(random: Random, hz: float, length_s: float) -> Wave:
    at = _seconds(int(length_s * RATE))
    partials = sum(
        random.uniform(0.3, 1) / n * np.sin(2 * np.pi * hz * n * at) for n in range(1, 6)
    )
    wave: Wave = partials * np.minimum(1, at / 0.01) * np.exp(-2 * at / length_s)
    return wave


def _scatter(
    count: int, random: Random, gap_s: tuple[float, float], make: Callable[[], Wave]
) -> Wave:
    """One after another, with gaps between them."""
    wave, at_s = np.zeros(count), random.uniform(0, gap_s[1])
    while at_s < count / RATE:
        part = make()
        _add(wave, at_s, part)
        at_s += len(part) / RATE + random.uniform(*gap_s)
    return wave


def _add(wave: Wave, at_s: float, part: Wave) -> None:
    at = int(at_s * RATE)
    fits = part[: max(0, len(wave) - at)]
    wave[at : at + len(fits)] += fits


def _swell(count: int) -> Wave:
    return np.sin(np.pi * np.linspace(0, 1, count)) ** 0.5


def _seconds(count: int) -> Wave:
    return np.arange(count) / RATE
