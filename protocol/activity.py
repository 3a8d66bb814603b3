"""RPC method by which a page tells the tutor why its learner is silent."""

from protocol.wire import Request, parse

RPC_ACTIVITY_SET = "activity.set"


class ActivitySet(Request):
    """`activity.set`, page to agent. Null keeps the current value."""

    typing: bool | None = None
    """There is text in the box that is not sent yet."""
    video_playing: bool | None = None
    """A video of the lesson plays."""


def parse_activity_set(payload: bytes | str) -> ActivitySet:
    return parse(ActivitySet, payload)
