"""What the agent did not do for a participant."""

from typing import Literal

from protocol.wire import Wire

TOPIC_REFUSED = "refused"

RefusedKind = Literal["turn", "floor", "microphone"]


class Refused(Wire):
    """`refused`, agent to the sender.

    turn        a typed turn that was too long, did not arrive whole, or was one of too many
    floor       they spoke for long while somebody else waited: what they say until they pause is
                in the transcript, but the tutor does not answer it
    microphone  a microphone was published too often, and is not heard
    """

    kind: RefusedKind
    error: str
    """A sentence to show."""
    stream_id: str = ""
    """Of the refused typed turn."""
