"""What each learner of a room said and heard, kept apart, and only in the agent's memory."""

import itertools
import re
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from livekit.agents import llm

import prompts
from agent.durable.earlier_turns import EarlierTurns
from agent.durable.journal import NOT_HEARD, Journal, Utterance, utc_from_epoch
from agent.room.learner import Learner, Roster
from agent.text.lines import Sentence, Speech
from db.erasing import ErasedWords
from db.stays import HEARD_AFTER

_WORD = re.compile(r"\w+")
KEPT = 200  # segments of a learner's own conversation
KEPT_OF_OTHERS = 20  # segments of classmates, and answers to them


@dataclass(frozen=True)
class Said:
    """A segment in words. It belongs to the learner who said it or to whom it was said."""

    id: str
    owner: str  # their identity
    owner_name: str
    by_tutor: bool
    text: str
    started_at: datetime
    in_reply_to: str | None = None
    interrupted: bool = False


@dataclass
class Conversation:
    """What one learner knows. `own` is what they said and what was said to them."""

    own: deque[Said] = field(default_factory=lambda: deque(maxlen=KEPT))
    of_others: deque[Said] = field(default_factory=lambda: deque(maxlen=KEPT_OF_OTHERS))
    last_answer_to: str | None = None  # the segment that the learner's last answer replies to

    @property
    def asked_last(self) -> str:
        """What the tutor said to the learner before they spoke: it may end with a question."""
        before = [*self.own]
        while before and not before[-1].by_tutor:
            before.pop()
        told = itertools.takewhile(lambda one: one.by_tutor, reversed(before))
        return " ".join(one.text for one in reversed([*told]))

    def history(self, turn: Collection[str]) -> list[llm.ChatItem]:
        """The talk without this turn, and without what is said in reply to it."""
        before = [one for one in self.own if not {one.id, one.in_reply_to} & {*turn}]
        groups = itertools.groupby(before, key=_message_group)
        return [_chat_message(list(said)) for _, said in groups]


class Conversations:
    """The only way to store what was said: in the journal, and in memory.

    A learner's context holds their own conversation. Of the others it holds what was said in
    their presence, unless the other does not store their words. Nothing that is erased comes back.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._roster: Roster = journal.roster
        self._of: dict[str, Conversation] = {}  # by identity: accounts may not be known yet
        self._erased_at: dict[UUID, datetime] = {}
        self._erased_ids: set[str] = set()
        self._taken_over: set[str] = set()  # ids of the segments that previous agents left

    def conversation_of(self, identity: str) -> Conversation:
        return self._of.setdefault(identity, Conversation())

    def next_segment_id(self) -> str:
        return self._journal.next_segment_id()

    async def record_utterance(self, learner: Learner, said: Utterance) -> bool:
        """Stores an utterance. Returns False if it belongs to what the learner has erased."""
        listeners = _identities(self.list_listeners(said.ended_at))
        await self._journal.record_utterance(learner, said)
        one = Said(
            said.segment_id,
            learner.identity,
            learner.name,
            by_tutor=False,
            text=said.text,
            started_at=utc_from_epoch(said.started_at),
        )
        if self._is_erased(one):
            self._erased_ids.add(one.id)
            return False
        if said.text != NOT_HEARD:
            self._remember(one, listeners)
        return True

    async def record_sentence(self, sentence: Sentence) -> None:
        listeners = _identities(self.list_listeners(sentence.ended_at))
        await self._journal.record_sentence(sentence)
        line, learner = sentence.line, self._roster.get(sentence.line.identity)
        if learner is None or sentence.text == prompts.render("one_moment"):
            return
        one = Said(
            sentence.id,
            learner.identity,
            learner.name,
            by_tutor=True,
            text=sentence.text,
            started_at=utc_from_epoch(sentence.started_at),
            in_reply_to=line.in_reply_to,
            interrupted=sentence.interrupted,
        )
        if not self._is_erased(one):
            self._remember(one, listeners)

    def remember_answer(self, learner: Learner, text: str, in_reply_to: str | None) -> None:
        """Keeps an answer, which may still be spoken, for "repeat that"."""
        if in_reply_to not in self._erased_ids:
            learner.last_answer = text
            self.conversation_of(learner.identity).last_answer_to = in_reply_to

    def take_over(self, earlier: EarlierTurns) -> None:
        names = {one.identity: one.name for one in earlier.segments if one.role == "learner"}
        for segment in earlier.segments_without_fatal():
            self._taken_over.add(segment.id)
            owner = earlier.owner_of(segment)
            if owner is not None:
                one = Said(
                    segment.id,
                    owner,
                    names.get(owner, ""),
                    by_tutor=segment.role == "tutor",
                    text=segment.text,
                    started_at=segment.started_at,
                    in_reply_to=segment.in_reply_to,
                    interrupted=segment.interrupted,
                )
                self._remember(one, earlier.listeners.get(segment.id, ()))

    def restore_last_answer(self, learner: Learner) -> None:
        conversation = self.conversation_of(learner.identity)
        told = [one for one in conversation.own if one.by_tutor]
        if told and not learner.last_answer:
            answer = [one.text for one in told if one.in_reply_to == told[-1].in_reply_to]
            self.remember_answer(learner, " ".join(answer), told[-1].in_reply_to)

    def chat_context(self, speech: Speech | None, chat_ctx: llm.ChatContext) -> llm.ChatContext:
        """The instructions, the asker's own conversation, then the turn that is answered.

        livekit-agents keeps one context for the whole room; only the items of this speech are
        taken from it.
        """
        learner = self._roster.get(speech.identity) if speech else None
        turn = {speech.message_id, *(item.id for item in speech.items)} if speech else set()
        history = (
            self.conversation_of(learner.identity).history(speech.turn)
            if learner and speech
            else []
        )
        instructions = [item for item in chat_ctx.items if _is_instructions(item)]
        own = [item for item in chat_ctx.items if item.id in turn and not _is_instructions(item)]
        return llm.ChatContext([*instructions, *history, *own])

    def list_listeners(self, ended_at: float) -> list[Learner]:
        """Who heard what ended at that time: all who had been here for a second."""
        since = utc_from_epoch(ended_at) - HEARD_AFTER
        return [
            learner
            for learner in self._roster.list_present()
            if learner.connection and learner.connection.joined_at <= since
        ]

    def overheard(self, learner: Learner) -> list[tuple[str, str]]:
        """Who said what in the learner's presence, oldest first: classmates, and answers to them.

        Classmates are numbered and not named, so that the tutor cannot put the name of one learner
        into what it says to another.
        """
        kept = self.conversation_of(learner.identity).of_others
        shared = [one for one in kept if self._is_shared(one)]
        owners = [*dict.fromkeys(one.owner for one in shared)]
        return [_nameless_remark(one, owners.index(one.owner) + 1) for one in shared]

    def forget_erased(self, erased: ErasedWords) -> None:
        """Drops what the account has erased, and the answers to it, from every conversation."""
        before = self._erased_at.get(erased.account_id, erased.erased_at)
        self._erased_at[erased.account_id] = max(before, erased.erased_at)
        self._erased_ids |= {*erased.segment_ids}
        for conversation in self._of.values():
            said = [*conversation.own, *conversation.of_others]
            self._erased_ids |= {one.id for one in said if self._is_erased(one)}
        for identity, conversation in self._of.items():
            for kept in (conversation.own, conversation.of_others):
                left = [one for one in kept if not self._is_erased(one)]
                kept.clear()
                kept.extend(left)
            if conversation.last_answer_to in self._erased_ids:
                self._drop_last_answer(identity, conversation)

    def is_erased(self, turn: Iterable[str]) -> bool:
        return any(segment_id in self._erased_ids for segment_id in turn)

    def _drop_last_answer(self, identity: str, conversation: Conversation) -> None:
        conversation.last_answer_to = None
        if learner := self._roster.get(identity):
            learner.last_answer, learner.place = "", None

    def _is_erased(self, one: Said) -> bool:
        if one.by_tutor:
            return one.in_reply_to in self._erased_ids
        owner = self._roster.get(one.owner)
        erased_at = self._erased_at.get(owner.account_id) if owner else None
        return one.id in self._erased_ids or (erased_at is not None and one.started_at <= erased_at)

    def _remember(self, one: Said, listeners: Iterable[str]) -> None:
        self.conversation_of(one.owner).own.append(one)
        if one.by_tutor and one.in_reply_to is None:
            return  # a greeting or an announcement matters to nobody else
        for identity in listeners:
            if identity != one.owner:
                self.conversation_of(identity).of_others.append(one)

    def _is_shared(self, one: Said) -> bool:
        """Whether classmates may be answered from it: only words that their owner stores."""
        owner = self._roster.get(one.owner)
        if owner is None:  # not seen by this agent: words taken over were read from stored rows
            return one.id in self._taken_over
        return owner.store_words is True


def _message_group(one: Said) -> tuple[str, str | None]:
    """Sentences of one answer become one message; each of the learner's segments is its own."""
    return ("assistant", one.in_reply_to) if one.by_tutor else ("user", one.id)


def _chat_message(said: list[Said]) -> llm.ChatMessage:
    return llm.ChatMessage(
        role="assistant" if said[0].by_tutor else "user",
        content=[" ".join(one.text for one in said)],
        interrupted=said[-1].interrupted,
        created_at=said[0].started_at.timestamp(),
    )


def _nameless_remark(one: Said, number: int) -> tuple[str, str]:
    """Who spoke, and the words. In the tutor's answers a number replaces the learner's name."""
    classmate = prompts.render("classmate", number=number)
    if not one.by_tutor:
        return classmate, one.text
    names = {part for part in _WORD.findall(one.owner_name) if not part.islower()}
    text = _WORD.sub(lambda word: classmate if word[0] in names else word[0], one.text)
    text = text.replace(f"{classmate} {classmate}", classmate)
    return prompts.render("tutor_to_classmate", number=number), text


def _identities(learners: Iterable[Learner]) -> list[str]:
    return [learner.identity for learner in learners]


def _is_instructions(item: llm.ChatItem) -> bool:
    return item.type == "message" and item.role in ("system", "developer")
