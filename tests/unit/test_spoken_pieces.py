"""Where spoken text is cut: first a few words, then the rest, never inside a formula."""

import pytest

from speech.voice.pieces import split_pieces

SENTENCES = [
    "Gradient descent takes small steps downhill, and the learning rate says how far.",
    "Overfitting means that a model has learned its training data by heart, so it does well on the "
    "examples it saw and badly on new ones.",
    "The loss is the sum from i equals 1 to n of x sub i squared over n, which is 3 point 1 4.",
    "Hello Amina, welcome back to lesson two of machine learning. Shall we go on?",
    "Yes.",
    "word " * 200,
    "",
]


@pytest.mark.parametrize("text", SENTENCES)
@pytest.mark.parametrize("at_once", [True, False])
def test_pieces_hold_every_word_once_and_in_order(text: str, at_once: bool) -> None:
    pieces = split_pieces(text, at_once=at_once)
    assert " ".join(piece.text for piece in pieces).split() == text.split()
    ends = [piece.end for piece in pieces]
    assert [text[: piece.end].endswith(piece.text) for piece in pieces] == [True] * len(pieces)
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Hello Amina, welcome back to the second lesson.", "Hello Amina,"),
        (SENTENCES[0], "Gradient descent takes small steps downhill,"),
        ("Gradient descent is a method that makes the loss small.", "Gradient descent is a method"),
        (SENTENCES[1], "Overfitting means that a model"),
        ("Yes. That is exactly right.", "Yes."),
        ("You are right about that.", "You are right about that."),
    ],
)
def test_first_piece_is_short_and_ends_where_a_speaker_breathes(text: str, first: str) -> None:
    assert split_pieces(text, at_once=True)[0].text == first


def test_sentence_that_can_wait_is_not_cut() -> None:
    text = "Gradient descent is a method that makes the loss small."
    assert [piece.text for piece in split_pieces(text, at_once=False)] == [text]


@pytest.mark.parametrize(
    "formula",
    [
        "x squared plus 3 times x equals 10",
        "the sum from i equals 1 to n of x sub i",
        "1, 2, 3, 5, 8, 13, 21, 34, 55, 89",
        "f of x equals a over b",
        "42 percent",
        "3 point 1 4 1 5",
    ],
)
def test_formula_and_number_stay_in_one_piece(formula: str) -> None:
    text = f"In this lesson we say that {formula} and that nobody has to learn it by heart today."
    pieces = [piece.text for piece in split_pieces(text, at_once=True)]
    assert len(pieces) > 1
    assert [piece for piece in pieces if formula in piece] != [], pieces


def test_pause_follows_the_punctuation() -> None:
    pauses = [piece.pause_s for piece in split_pieces(SENTENCES[1], at_once=True)]
    phrase, comma, stop = pauses
    assert phrase == 0 < comma < stop
    assert comma <= 0.15
