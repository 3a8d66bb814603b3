"""That the tutor waits for a learner to go on."""

from protocol.wire import Wire

TOPIC_TURN_WAITING = "turn.waiting"


class TurnWaiting(Wire):
    """`turn.waiting`, agent to the learner who spoke last, and to nobody else.

    Their turn does not sound complete, so the tutor waits before it answers.
    """

    seconds: float
    """How long it waits, unless they go on."""
