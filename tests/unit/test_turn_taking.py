"""Who gives way when several learners want to be answered."""

import pytest

from agent.talk.turn_taking import LEAD, WINDOW_S, TurnTaking
from tests.unit.conftest import Clock


@pytest.fixture
def turns(clock: Clock) -> TurnTaking:
    return TurnTaking(clock)


def test_a_learner_who_was_spoken_to_much_more_gives_way(turns: TurnTaking) -> None:
    for _ in range(LEAD + 1):
        turns.note_speech_to("mallory")
    turns.note_speech_to("amina")
    assert turns.gives_way("mallory", to="amina")
    assert not turns.gives_way("amina", to="mallory")


def test_learners_who_take_turns_do_not_give_way(turns: TurnTaking) -> None:
    for _ in range(20):
        for identity in ("amina", "tomas"):
            turns.note_speech_to(identity)
            assert not turns.gives_way("amina", to="tomas")
            assert not turns.gives_way("tomas", to="amina")


def test_only_what_was_said_in_the_window_counts(turns: TurnTaking, clock: Clock) -> None:
    for _ in range(100):
        turns.note_speech_to("amina")
        clock.now += WINDOW_S / 10
    for _ in range(10):
        turns.note_speech_to("tomas")
    assert not turns.gives_way("amina", to="tomas")


def test_a_long_talk_is_forgotten_after_a_while(turns: TurnTaking, clock: Clock) -> None:
    for _ in range(100):
        turns.note_speech_to("mallory")
    clock.now += WINDOW_S + 1
    assert not turns.gives_way("mallory", to="amina")
