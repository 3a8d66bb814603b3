"""What is settled of an utterance while it is being said."""

import pytest

from speech.settled import Settled, join_texts, settle
from speech.wire import Span


def words(text: str, start_s: float = 0.0) -> tuple[Span, ...]:
    """Words of 0.3 s without a pause."""
    at = [start_s + 0.3 * number for number in range(len(text.split()))]
    return tuple(Span(word, t, t + 0.3) for word, t in zip(text.split(), at, strict=True))


def test_first_interim_settles_nothing() -> None:
    heard = words("I think, it is")
    assert settle(Settled(), heard) == Settled(words=heard)


def test_words_that_two_interims_agree_on_are_settled_up_to_the_last_pause() -> None:
    first = settle(Settled(), words("Yes, I think the answer"))
    second = settle(first, words("yes, I think. The answer is three"))
    assert second.text == "yes, I think."
    assert second.until_s == pytest.approx(0.9)
    assert [word.text for word in second.words] == ["The", "answer", "is", "three"]


def test_pause_in_the_sound_counts_as_well() -> None:
    said = (*words("so it"), *words("is three", start_s=2.0))
    assert settle(settle(Settled(), said), said).text == "so it"


def test_last_word_is_never_settled() -> None:
    said = words("it is seven.")
    assert settle(settle(Settled(), said), said).text == ""


def test_settled_words_stay_when_later_ones_change() -> None:
    before = Settled("Yes,", 0.3, words("I sink the", start_s=0.3))
    after = settle(before, words("I think the answer, maybe", start_s=0.3))
    assert (after.text, after.until_s) == ("Yes,", 0.3)
    assert [word.text for word in after.words] == ["I", "think", "the", "answer,", "maybe"]


@pytest.mark.parametrize(
    ("settled", "rest", "joined"),
    [
        ("", "Hello there", "Hello there"),
        ("Well,", "", "Well,"),
        ("Well,", "The answer is three.", "Well, the answer is three."),
        ("Well,", "I think so.", "Well, I think so."),
        ("Well,", "Amina was right.", "Well, Amina was right."),
        ("Well,", "Will was right.", "Well, Will was right."),
        ("Well,", "It's three.", "Well, it's three."),
        ("Well,", "IT is hard.", "Well, IT is hard."),
        ("Well,", "DNA is a molecule.", "Well, DNA is a molecule."),
        ("It is three.", "Or is it four?", "It is three. Or is it four?"),
    ],
)
def test_small_word_is_lowered_within_a_sentence_and_a_name_is_not(
    settled: str, rest: str, joined: str
) -> None:
    assert join_texts(settled, rest) == joined
