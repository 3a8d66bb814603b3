"""How long the tutor waits after speech, by the words, the question asked and the learner."""

import pytest

from agent.text.turn_end import (
    MAX_WAIT_S,
    QUESTION_WAIT_S,
    Asked,
    Ending,
    Pauses,
    asked_kind,
    continues_turn,
    ending_of,
    turn_wait_s,
)


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("What is gradient descent?", "whole"),
        ("The answer is three.", "whole"),
        ("Yes, it is.", "whole"),
        ("I think so.", "whole"),
        ("i don't know", "whole"),
        ("Because the slope is negative.", "whole"),
        ("What is it for?", "whole"),
        ("my answer is three", "open"),
        ("three", "open"),
        ("It falls because", "unfinished"),
        ("It falls because.", "unfinished"),  # Whisper often adds a full stop
        ("The loss is the", "unfinished"),
        ("so we add two plus", "unfinished"),
        ("I think the answer is", "unfinished"),
        ("I would say that", "unfinished"),
        ("It is that", "unfinished"),
        ("We call that", "unfinished"),
        ("Yes, I can.", "whole"),
        ("Then the weights would.", "unfinished"),
        ("I would like to know why", "unfinished"),
        ("Can you explain the difference between", "unfinished"),
        ("Um", "unfinished"),
        ("The slope, um,", "unfinished"),
        ("First we take the gradient...", "unfinished"),
        ("Let me think.", "unfinished"),
        ("What is", "unfinished"),
        ("What is the difference between the", "unfinished"),
        ("", "unfinished"),
    ],
)
def test_ending_of_a_turn_is_seen_by_its_last_words(text: str, ending: Ending) -> None:
    assert ending_of(text) == ending


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Hello Amina. Shall I start?", "fact"),
        ("What is a vector?", "fact"),
        ("Why does the loss fall?", "reasoning"),
        ("Can you explain that in your own words?", "reasoning"),
        ("How much is three times four?", "calculation"),
        ("How many weights are there? Think of the layers.", "calculation"),
        ("Why not? Good. What is a label?", "fact"),
        ("Gradient descent goes downhill.", "nothing"),
        ("", "nothing"),
    ],
)
def test_last_question_of_the_tutor_tells_how_much_time_an_answer_takes(
    said: str, asked: Asked
) -> None:
    assert asked_kind(said) == asked


@pytest.mark.parametrize(
    ("text", "asked", "wait_s"),
    [
        ("What is gradient descent?", "nothing", 0.25),
        ("The answer is three.", "fact", 0.45),
        ("The answer is three.", "calculation", 0.8),
        ("Because the slope is negative.", "reasoning", 1.4),
        ("It falls.", "reasoning", 4.1),  # no reason yet
        ("I don't know.", "reasoning", 0.45),
        ("What does slope mean?", "reasoning", 0.25),  # a question instead of an answer
        ("It falls because", "nothing", 4.1),
        ("It falls because", "reasoning", 4.2),
        ("my answer is three", "nothing", 0.6),
    ],
)
def test_wait_follows_the_words_and_the_question(text: str, asked: Asked, wait_s: float) -> None:
    assert turn_wait_s(text, asked, Pauses()) == pytest.approx(wait_s)


@pytest.mark.parametrize("text", ["The answer is three.", "the answer is three", "It is the"])
def test_learner_who_pauses_for_long_is_given_more_time_within_bounds(text: str) -> None:
    waits = []
    for pause_s in (0.0, 1.0, 4.5):
        pauses = Pauses()
        pauses.note_pause(pause_s, after=ending_of(text))
        waits.append(turn_wait_s(text, "fact", pauses))
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]
    assert waits[-1] <= MAX_WAIT_S


def test_pauses_inside_sentences_do_not_delay_the_answer_to_a_whole_one() -> None:
    pauses = Pauses()
    pauses.note_pause(4.0, after="unfinished")
    assert turn_wait_s("What is a vector?", "nothing", pauses) == QUESTION_WAIT_S


def test_pauses_after_sentences_delay_answers_until_turns_end_without_them() -> None:
    pauses = Pauses()
    pauses.note_pause(2.0, after="whole")
    before = turn_wait_s("It is three.", "fact", pauses)
    for _ in range(20):
        pauses.note_turn_end(after="whole")
    assert before > turn_wait_s("It is three.", "fact", pauses)
    assert pauses.after_sentence_s < 0.01


@pytest.mark.parametrize(
    ("before", "text", "pause_s", "continues"),
    [
        ("The answer is three.", "Because one plus two is three.", 1.2, True),
        ("It falls because", "what is lost gets smaller", 2.0, True),
        ("What is a vector?", "I mean a matrix.", 1.0, True),
        ("What is a vector?", "What is a matrix?", 1.0, False),
        ("What is a vector?", "Stop.", 1.0, False),
        ("What is a vector?", "Okay, next lesson.", 1.0, False),
        ("The answer is three.", "Because one plus two is three.", 8.0, False),
    ],
)
def test_words_after_an_answer_that_came_too_early_continue_the_turn(
    before: str, text: str, pause_s: float, continues: bool
) -> None:
    assert continues_turn(before, text, pause_s) is continues


def test_usual_pause_follows_the_pauses_of_late() -> None:
    pauses = Pauses()
    assert pauses.usual_s == 0
    for seconds in (0.1, 20.0):  # part of speech; somebody was away
        pauses.note_pause(seconds, after="open")
    assert pauses.usual_s == 0
    for _ in range(20):
        pauses.note_pause(2.0, after="open")
    assert pauses.usual_s == pytest.approx(2.0, abs=0.1)
    for _ in range(20):
        pauses.note_pause(0.5, after="open")
    assert pauses.usual_s == pytest.approx(0.5, abs=0.15)
