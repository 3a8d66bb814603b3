"""Hotwords are put in where the text sounds like them and the sound supports them."""

import math
from collections.abc import Sequence

import pytest

from speech.hotwords import MAX_LOSS, ScoredWord, propose_hotwords, put_in_hotwords, spell_by_sound

TERMS = ["Rosenblatt", "Minsky", "perceptron", "Oluwaseun", "NumPy", "backpropagation"]


class Sound:
    """Gives each text the log-probability that a real sound gave to it, or a very low one.

    `doubtful` are the words of the text that the model doubts.
    """

    def __init__(self, logprobs: dict[str, float], *doubtful: str) -> None:
        self.asked: list[str] = []
        self._logprobs = logprobs
        self._doubtful = doubtful

    def __call__(self, text: str) -> Sequence[ScoredWord]:
        self.asked.append(text)
        words = text.split()
        whole = math.exp(self._logprobs.get(text, -60.0) / len(words))
        return [
            ScoredWord(
                word, (0.01, whole / 0.01) if word.strip("?.") in self._doubtful else (whole,)
            )
            for word in words
        ]


def test_hotword_replaces_words_that_sound_like_it() -> None:
    sound = Sound({"Who was Marvin Minski?": -5.5, "Who was Marvin Minsky?": -1.8}, "Minski")
    assert put_in_hotwords("Who was Marvin Minski?", TERMS, sound) == "Who was Marvin Minsky?"


def test_hotword_may_replace_several_words() -> None:
    heard, said = "Do we need back propagation?", "Do we need backpropagation?"
    sound = Sound({heard: -9.0, said: -9.5}, "back")
    assert put_in_hotwords(heard, TERMS, sound) == said


def test_two_hotwords_are_put_into_one_text() -> None:
    heard = "Was Minski against the perception?"
    sound = Sound(
        {
            heard: -14.0,
            "Was Minsky against the perception?": -10.0,
            "Was Minski against the perceptron?": -14.5,
        },
        "Minski",
        "perception",
    )
    assert put_in_hotwords(heard, TERMS, sound) == "Was Minsky against the perceptron?"


def test_hotword_that_the_sound_does_not_support_is_dropped() -> None:
    heard = "Please go back to the beginning of a lesson."
    sound = Sound({heard: -6.0, "Please go back to the beginning of Oluwaseun.": -34.0}, "lesson")
    assert put_in_hotwords(heard, TERMS, sound) == heard
    assert len(sound.asked) == 2


def test_words_that_the_model_is_sure_of_are_not_replaced() -> None:
    heard = "Was that in the perception?"
    sound = Sound({heard: -0.1, "Was that in the perceptron?": -0.1})
    assert put_in_hotwords(heard, TERMS, sound) == heard
    assert sound.asked == [heard]


def test_hotword_does_not_swallow_a_word_that_the_model_is_sure_of() -> None:
    heard = "My cousin lives in Minsk."
    sound = Sound({heard: -3.0, "My cousin lives Hinton.": -3.0}, "Minsk")
    assert put_in_hotwords(heard, ["Hinton"], sound) == heard


def test_sure_word_that_is_part_of_the_hotword_may_be_replaced() -> None:
    heard, said = "Is that propagation?", "Is backpropagation?"
    sound = Sound({heard: -9.0, said: -1.0}, "that")
    assert put_in_hotwords(heard, TERMS, sound) == said


def test_short_word_that_is_no_name_is_not_put_in() -> None:
    heard, other = "Does it switch off some of the runs?", "Does it switch off some of rents?"
    sound = Sound({heard: -12.0, other: -6.0}, "the", "runs")
    assert put_in_hotwords(heard, ["rents"], sound) == heard
    assert sound.asked == []


@pytest.mark.parametrize("name", ["Anh", "Ann", "Ian", "Lee", "Amy", "Anne"])
def test_short_name_does_not_replace_a_small_word(name: str) -> None:
    heard = "I am in a line on any law"
    assert propose_hotwords(heard, [name]) == []


@pytest.mark.parametrize(("loss", "kept"), [(MAX_LOSS - 0.1, True), (MAX_LOSS + 0.1, False)])
def test_hotword_may_be_a_little_less_likely_than_the_text_without_it(
    loss: float, kept: bool
) -> None:
    heard, said = "Is num pie fast?", "Is NumPy fast?"
    sound = Sound({heard: -10.0, said: -10.0 - loss}, "num")
    assert (put_in_hotwords(heard, TERMS, sound) == said) is kept


@pytest.mark.parametrize(
    "text", ["", "Give me the book.", "NumPy is a library.", "numpy and minsky and perceptron"]
)
def test_text_that_sounds_like_no_hotword_or_has_it_already_needs_no_second_look(text: str) -> None:
    sound = Sound({})
    assert put_in_hotwords(text, TERMS, sound) == text
    assert sound.asked == []


def test_without_hotwords_nothing_is_compared() -> None:
    sound = Sound({})
    assert put_in_hotwords("Who was Marvin Minski?", (), sound) == "Who was Marvin Minski?"
    assert sound.asked == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Minsky", "Minski"),
        ("Rosenblatt", "Rosin Blatt"),
        ("NumPy", "num pie"),
        ("McCulloch", "McColloch"),
        ("Pitts", "Pitt's"),
        ("photo", "foto"),
    ],
)
def test_words_that_sound_alike_are_spelled_alike(one: str, other: str) -> None:
    assert spell_by_sound(one) == spell_by_sound(other)


def test_proposals_are_sorted_by_likeness() -> None:
    proposals = propose_hotwords("Who was Marvin Minski in the perception?", TERMS)
    assert [one.hotword for one in proposals][:2] == ["Minsky", "perceptron"]
