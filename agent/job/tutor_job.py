"""The tutor's job: greets, teaches and answers in one room."""

import asyncio
import contextlib
from functools import partial

from agent.durable.earlier_turns import EarlierTurns, load_earlier_turns
from agent.job.agent_session import RoomAgentSession
from agent.job.job import JobParts, RoomJob
from agent.models.choice import build_models
from agent.models.recogniser import ExpectingRecogniser
from agent.room.events import RoomEvents
from agent.room.lesson_terms import LessonTerms
from agent.room.limits import Limits
from agent.room.microphones import Microphones
from agent.talk.classroom import Classroom
from agent.talk.floor import Floor
from agent.talk.interruptions import Interruptions
from agent.talk.room_tutor import RoomTutor

LAST_WORDS_S = 8.0  # limit for recognising what was said just before the end


async def run_tutor_job(parts: JobParts) -> None:
    """Raises database errors if the session's earlier turns cannot be read."""
    earlier = await load_earlier_turns(parts.pool, parts.spool, parts.dispatch)
    await TutorJob(parts, earlier).run()


class TutorJob(RoomJob):
    def __init__(self, parts: JobParts, earlier: EarlierTurns | None) -> None:
        super().__init__(parts)
        settings, ctx = parts.settings, parts.ctx
        self._engine = parts.engine
        self._earlier = earlier
        models = build_models(settings, parts.engine)
        self._limits = Limits(self.room)
        interruptions = Interruptions(self._limits.rates)
        self._floor = Floor(self._split_and_tell_page, self._may_interrupt, interruptions)
        self._terms = terms = LessonTerms(parts.dispatch, parts.pool, self.journal.roster)
        self._microphones = Microphones(
            self.room,
            lambda identity: ExpectingRecogniser(
                models.recogniser, partial(terms.list_terms, identity)
            ),
            self._floor,
            next_segment_id=self.journal.next_segment_id,
            limits=self._limits,
            early=settings.prepare_answers or not settings.stt_base_url,
        )
        self._classroom = classroom = Classroom(
            settings,
            parts.dispatch,
            events=RoomEvents(self.room, self._limits, self._floor),
            pool=parts.pool,
            livekit=ctx.api,
            journal=self.journal,
            pace=models,
            lease=self.lease,
            earlier=earlier,
        )
        self._agent_session = RoomAgentSession(
            settings, self.room, models, self._floor, classroom.desk
        )
        interruptions.attach_voice(self._agent_session)
        self._agent_session.inner.on("close", lambda _event: self.request_end())
        self._tutor = RoomTutor(
            classroom,
            self._floor,
            wait_for_captions=self._agent_session.wait_for_captions,
            playing_time=self._agent_session.playing_time,
            prepares=settings.prepare_answers or not settings.llm_base_url,
        )
        classroom.tutor_speech.attach_session(self._agent_session.inner)
        classroom.nudges.attach_session(self._agent_session.inner)

    async def start(self) -> None:
        captions = self._classroom.tutor_captions
        await self._agent_session.start(self._tutor, captions)

    async def serve_room(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._agent_session.keep_model_names_published(self._engine))
            tasks.create_task(self._classroom.run())

    async def say_goodbye(self) -> None:
        await self._classroom.say_goodbye()

    def silence_output(self) -> None:
        self._agent_session.silence_output()

    async def close(self) -> None:
        """Waits for the last words, then closes microphones, models and captions, in this order."""
        async with contextlib.AsyncExitStack() as at_end:
            at_end.push_async_callback(self._limits.close)
            at_end.push_async_callback(self._classroom.captions.close)
            at_end.push_async_callback(self._classroom.tutor_captions.wait_until_recorded)
            at_end.push_async_callback(self._agent_session.aclose)
            at_end.push_async_callback(self._terms.aclose)
            at_end.push_async_callback(self._microphones.aclose)
            at_end.push_async_callback(self._hear_last_words)

    def _split_and_tell_page(self, identity: str) -> None:
        """Somebody spoke for long while others waited: what follows is not answered."""
        self._microphones.split_utterance(identity)
        self._limits.send_refusal(identity, "floor")

    def _may_interrupt(self, identity: str) -> bool:
        """Whether somebody who starts to speak may cut what is said to others: not often."""
        if not self._classroom.tutor_speech.is_speaking_to_others(identity):
            return True
        return self._limits.rates.allow(identity, "interruption")

    async def _hear_last_words(self) -> None:
        """Waits until what was said just before the end is in the journal."""
        self._floor.drop_late_utterances()
        self._microphones.end_listening()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._microphones.wait_until_recognised()
                await self._floor.wait_until_taken()
