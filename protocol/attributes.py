"""The agent's participant attributes, which the page reads."""

from typing import Literal

from protocol.wire import Wire

ATTRIBUTE_AGENT_STATE = "lk.agent.state"  # LiveKit's: listening, thinking, speaking, ...
ATTRIBUTE_MODELS = "bodh.models"  # ModelNames as JSON
ATTRIBUTE_NOTES = "bodh.notes"  # NotesState

# failing: speech cannot be stored at the moment; held: it waits in the agent's memory until it is
# known whether its speaker wants it stored
NotesState = Literal["ok", "failing", "held"]


class ModelNames(Wire):
    """`bodh.models`: the models in use."""

    stt: str
    """`test` for the small model of the tests, which knows only a few words."""
    llm: str
    tts: str
