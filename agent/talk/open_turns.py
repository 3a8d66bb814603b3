"""The spoken turns that may still go on, and when each of them is over."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from livekit.agents import utils

from agent.room.learner import Learner
from agent.room.participant_voice import HeardUtterance
from agent.talk.conversations import Conversations
from agent.talk.turns import Turn
from agent.text.turn_end import asked_kind, ending_of, turn_wait_s

Item = TypeVar("Item")
TOGETHER_S = 0.5  # turns that end within it are answered one after another, not cut by each other


@dataclass
class OpenTurn:
    """What one learner has said in a turn so far. `over_at` is in epoch seconds."""

    learner: Learner
    said: list[tuple[HeardUtterance, Turn]]
    over_at: float = 0.0

    def seconds_left(self, now: float) -> float:
        return max(0.0, self.over_at - now)

    @property
    def text(self) -> str:
        return " ".join(heard.text for heard, _ in self.said)

    @property
    def segment_ids(self) -> list[str]:
        return [turn.segment_id for _, turn in self.said]


class OpenTurns:
    def __init__(
        self, conversations: Conversations, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._conversations = conversations
        self._clock = clock
        self._turns: dict[str, OpenTurn] = {}  # by identity, the first to speak first

    def add(self, heard: HeardUtterance, turn: Turn) -> OpenTurn:
        """Adds an utterance to its learner's turn, which ends after the wait that fits it.

        Drops what the learner has erased of the turn since.
        """
        learner, is_erased = turn.learner, self._conversations.is_erased
        own = self._turns.setdefault(learner.identity, OpenTurn(learner, []))
        own.said = [(one, before) for one, before in own.said if not is_erased([before.segment_id])]
        if own.said:
            pause_s = heard.started_at - own.said[-1][0].ended_at
            learner.pauses.note_pause(pause_s, after=ending_of(own.text))
        own.said.append((heard, turn))
        asked = asked_kind(self._conversations.conversation_of(learner.identity).asked_last)
        wait_s = turn_wait_s(own.text, asked, learner.pauses)
        own.over_at = min(heard.ended_at, self._clock()) + wait_s
        return own

    def seconds_left(self) -> float | None:
        """To the next end of a turn; None if no turn is open."""
        now = self._clock()
        return min((own.seconds_left(now) for own in self._turns.values()), default=None)

    def take_over(self) -> list[OpenTurn]:
        """Takes the turns that are over, with those that will be in a moment."""
        now = self._clock()
        if not any(own.over_at <= now for own in self._turns.values()):
            return []
        over = [own for own in self._turns.values() if own.over_at <= now + TOGETHER_S]
        for own in over:
            own.learner.pauses.note_turn_end(after=ending_of(own.text))
            del self._turns[own.learner.identity]
        return over


async def with_timeouts(
    items: AsyncGenerator[Item, None], timeout_s: Callable[[], float | None]
) -> AsyncIterator[Item | None]:
    """Yields the items, and None whenever none came for `timeout_s`, which is asked each time.

    Closes `items`.
    """
    following = asyncio.ensure_future(anext(items))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=timeout_s())
            if not done:
                yield None
                continue
            try:
                item = following.result()
            except StopAsyncIteration:
                return
            yield item
            following = asyncio.ensure_future(anext(items))
    finally:
        await utils.aio.cancel_and_wait(following)
        await items.aclose()
