"""The latency of a turn, by stage."""

from protocol.wire import Wire

TOPIC_TURN_LATENCY = "turn.latency"


class TurnLatency(Wire):
    """`turn.latency`, agent to page. Times are in seconds; null for a stage the turn didn't have.

    A typed turn has no end of turn and no speech to text.
    """

    turn: int
    """From 1."""
    end_of_turn_s: float | None
    """From the end of the learner's speech to the end of the turn, recognition included."""
    speech_to_text_s: float | None
    first_token_s: float | None
    """Until the language model's first token."""
    first_sound_s: float | None
    """Until the voice's first sound."""
    total_s: float | None
