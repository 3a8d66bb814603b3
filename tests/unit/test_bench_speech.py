"""The parts of the benches of speech: word error rates, sounds, sentences."""

from pathlib import Path

import numpy as np
import pytest

from bench.figures.silence import LEVELS_DB, make_pieces
from bench.sounds import SOUNDS, make_sound
from bench.spoken import (
    list_lesson_sentences,
    list_near_misses,
    list_sentences,
    pick_evenly,
    put_in_room,
    read_recordings,
    write_wav,
)
from bench.word_errors import Counted, compare, count_errors, error_rate
from speech.wire import RATE


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("What is a vector?", "what is a vector", 0),
        ("I don't know.", "I do not know", 0),
        ("What is a vector?", "What is the vector?", 1),
        ("What is a vector?", "What is", 2),
        ("Yes.", "Yes. Yes. Yes.", 2),
        ("Yes.", "", 1),
    ],
)
def test_wrong_missing_and_additional_words_are_errors(said: str, heard: str, errors: int) -> None:
    assert count_errors(said, heard).errors == errors


def test_rate_counts_words_and_not_sentences() -> None:
    assert error_rate([Counted(1, 1), Counted(0, 9)]) == 10.0


def test_difference_has_an_interval_of_paired_samples() -> None:
    same = [Counted(errors, 10) for errors in (0, 3, 5, 1)]
    assert compare(same, same).more_high == 0.0
    worse = [Counted(one.errors + 1, one.words) for one in same]
    found = compare(worse, same)
    assert (found.more, found.more_low, found.more_high) == (10.0, 10.0, 10.0)


def test_pieces_of_sound_have_every_kind_at_every_level() -> None:
    pieces = list(make_pieces(2.0, seed=1))
    assert [kind for kind, _ in pieces] == list(SOUNDS)[:6]
    assert sum(len(pcm) for _, pcm in pieces) == 2 * 60 * RATE
    assert len(SOUNDS) % len(LEVELS_DB) != 0  # else each kind would always have the same level


@pytest.mark.parametrize("kind", SOUNDS)
def test_sounds_have_their_length_and_level_and_depend_on_the_seed_only(kind: str) -> None:
    sound = make_sound(kind, 5.0, 1, -20.0)
    assert len(sound) == 5 * RATE
    assert np.array_equal(sound, make_sound(kind, 5.0, 1, -20.0))
    assert not np.array_equal(sound, make_sound(kind, 5.0, 2, -20.0))
    assert bool(np.abs(sound).max() > 1_000) is (kind != "silence")


def test_there_are_two_hundred_sentences_and_each_is_there_once() -> None:
    sentences = list_sentences()
    assert len(sentences) >= 200
    assert len(set(sentences)) == len(sentences)
    assert len(list_lesson_sentences()) >= 30
    assert len(list_near_misses()) >= 20


def test_picked_sentences_are_spread_over_all() -> None:
    assert pick_evenly(range(10), 5) == [0, 2, 4, 6, 8]
    assert pick_evenly(range(3), 5) == [0, 1, 2]


def test_noise_has_the_asked_level_below_the_speech() -> None:
    speech = (10_000 * np.sin(np.arange(RATE) * 0.3)).astype(np.int16)
    room = put_in_room(speech, snr_db=10.0).astype(float)
    noise, loud = room[: RATE // 3], room[RATE // 2 : RATE]
    ratio_db = 10 * np.log10((np.mean(loud**2) - np.mean(noise**2)) / np.mean(noise**2))
    assert ratio_db == pytest.approx(10, abs=0.5)


def test_recordings_of_a_folder_have_the_text_of_the_same_name(tmp_path: Path) -> None:
    write_wav(tmp_path / "one.wav", np.arange(100, dtype=np.int16))
    (tmp_path / "one.txt").write_text("Hello there.\n")
    (clip,) = read_recordings(tmp_path)
    assert clip.text == "Hello there."
    assert np.array_equal(clip.pcm, np.arange(100))
