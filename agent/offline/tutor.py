"""A tutor without a language model: intents by rules, answers from the course's passages."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from livekit.agents import APIConnectionError, llm, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

import prompts
from agent.offline.composer import Vocabulary, compose_answer, correct_content_words, search_words
from agent.offline.intents import (
    AnswerQuestion,
    CallTool,
    DescribeCourse,
    HelpStuck,
    Intent,
    RecallQuestion,
    RepeatAnswer,
    SayText,
    TellDuration,
    understand_intent,
)
from courses.lexemes import content_words, lexemes, normalise, stem
from courses.library import PassageHit
from courses.quiz import Question
from db import NotFound
from tools.desk import Desk
from tools.grounding import find_passages
from tools.lessons import spoken_lesson_name
from tools.phrasing import capitalise_first, first_words, number_word
from tools.quiz import is_position, match_option

CANDIDATE_PASSAGES = 24
MAX_REPEATED_CHARS = 200  # of what a learner said
VOCABULARY_LIFE = timedelta(minutes=5)  # an import may change the course while rooms are open
PREWARM_AFTER_S = 2.0  # the first seconds of a room belong to its greeting
_QUESTION_OR_REQUEST = re.compile(
    r"(what|why|how|who|when|where|which|explain|tell me|describe|define|can|could|does|are"
    r"|is(?! it| that)|i do not|repeat|say|slow|speak|summari|next|previous|go|hint|give)\b"
)


class OfflineTutor(llm.LLM[Any]):
    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self._vocabularies: dict[UUID, tuple[datetime, Vocabulary]] = {}

    @property
    def model(self) -> str:
        return "offline-tutor"

    @property
    def provider(self) -> str:
        return "bodh"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> "OfflineStream":
        return OfflineStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)

    async def load_vocabulary(self) -> Vocabulary:
        now, course_id = self.desk.now(), self.desk.course_id
        known = self._vocabularies.get(course_id)
        if known and now - known[0] < VOCABULARY_LIFE:
            return known[1]
        found: list[dict[str, str]] = []
        stems: dict[str, str] = {}
        for lesson in await self.desk.library.list_outline(course_id):
            passages = await self.desk.library.list_passages(lesson.id)
            for passage in passages:
                words = set(content_words(f"{passage.heading} {passage.body}"))
                stems |= {word: stem(word) for word in words - stems.keys()}
                found.append({word: stems[word] for word in words})
                await asyncio.sleep(0)  # a whole course would hold up the sound
        vocabulary = Vocabulary.from_passages(found)
        self._vocabularies[course_id] = (now, vocabulary)
        return vocabulary

    async def _prewarm_impl(self) -> None:
        await asyncio.sleep(PREWARM_AFTER_S)
        await self.load_vocabulary()


class OfflineStream(llm.LLMStream):
    def __init__(
        self,
        tutor: OfflineTutor,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(tutor, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)
        self._tutor = tutor
        self._request_id = utils.shortuuid("offline_")

    async def _run(self) -> None:
        said, results = last_turn_and_results(self._chat_ctx)
        try:
            offline = OfflineReply(self._tutor, self._chat_ctx)
            reply = " ".join(results) or await offline.choose_reply(said)
        except NotFound:
            reply = prompts.render("no_lesson")
        except Exception as error:  # any library error; the framework retries this one
            raise APIConnectionError("the course library did not answer") from error
        if isinstance(reply, CallTool):
            self._send_call(reply)
        else:
            await self._send_words(reply)
        written = reply if isinstance(reply, str) else reply.name
        self._send_chunk(usage=_count_usage(said, written))

    def _send_call(self, call: CallTool) -> None:
        function = llm.FunctionToolCall(
            name=call.name,
            arguments=json.dumps(call.arguments),
            call_id=utils.shortuuid("call_"),
        )
        self._send_chunk(delta=llm.ChoiceDelta(role="assistant", tool_calls=[function]))

    async def _send_words(self, text: str) -> None:
        for word in re.findall(r"\S+\s*", text):
            self._send_chunk(delta=llm.ChoiceDelta(role="assistant", content=word))
            await asyncio.sleep(0)

    def _send_chunk(
        self, *, delta: llm.ChoiceDelta | None = None, usage: llm.CompletionUsage | None = None
    ) -> None:
        self._event_ch.send_nowait(llm.ChatChunk(id=self._request_id, delta=delta, usage=usage))


class OfflineReply:
    def __init__(self, tutor: OfflineTutor, chat_ctx: llm.ChatContext) -> None:
        self._tutor = tutor
        self._desk = tutor.desk
        self._chat_ctx = chat_ctx

    async def choose_reply(self, said: str) -> str | CallTool:
        pending = await self._find_open_question()
        if pending is not None and (call := quiz_answer_call(said, pending)):
            return call
        intent = self._understand_answer_to_nudge(said) or understand_intent(said)
        if pending is not None and intent == CallTool("read_lesson", {"part": "next"}):
            return CallTool("start_quiz")  # "go on" means the open question
        if pending is not None and intent == SayText("no_open_question"):
            return CallTool("answer_quiz", {"answer": said})  # the tool asks for a letter
        return await self._reply_to_intent(intent, pending)

    def _understand_answer_to_nudge(self, said: str) -> Intent | None:
        """What "yes" means after a nudge, which is no part of the last answer."""
        asked = last_tutor_text(self._chat_ctx)
        if understand_intent(said) != understand_intent("yes"):
            return None
        if asked.endswith(prompts.render("nudge")):
            return RepeatAnswer()
        return CallTool("take_hint") if asked.endswith(prompts.render("offer_hint")) else None

    async def _find_open_question(self) -> Question | None:
        if self._desk.lesson_id is None:
            return None
        run = await self._desk.library.get_quiz_run(self._desk.account_id, self._desk.lesson_id)
        return run.pending

    async def _reply_to_intent(self, intent: Intent, pending: Question | None) -> str | CallTool:
        match intent:
            case CallTool():
                return intent
            case SayText():
                return prompts.render(intent.text)
            case HelpStuck():
                return CallTool("take_hint") if pending else prompts.render(intent.text)
            case RepeatAnswer():
                return self._desk.last_answer or prompts.render("nothing_said_yet")
            case RecallQuestion():
                return self._recall_question()
            case DescribeCourse():
                course = await self._desk.library.get_course(self._desk.course_id)
                return prompts.render(
                    "course_described", course=course.title, description=course.description
                )
            case TellDuration():
                return await self._duration_text()
            case AnswerQuestion():
                return await self._answer_from_course(intent, pending)

    def _recall_question(self) -> str:
        texts = [
            item.text_content or ""
            for item in self._chat_ctx.items
            if item.type == "message" and item.role == "user"
        ]
        if len(texts) < 2:
            return prompts.render("nothing_asked_yet")
        said = " ".join(texts[-2].split())
        begin = first_words(said, MAX_REPEATED_CHARS)
        return prompts.render("you_said" if begin == said else "you_said_more", words=begin)

    async def _duration_text(self) -> str:
        found = await self._desk.find_lesson()
        if found is None:
            return prompts.render("no_lesson")
        number, lesson = found
        if lesson.duration_s is None:
            return prompts.render(
                "unknown_duration", lesson=spoken_lesson_name(number, lesson.title)
            )
        name = capitalise_first(spoken_lesson_name(number, lesson.title))
        minutes = round(lesson.duration_s / 60)
        if minutes <= 1:
            return prompts.render("lesson_lasts_a_minute", lesson=name)
        return prompts.render("lesson_lasts", lesson=name, minutes=number_word(minutes))

    async def _answer_from_course(self, ask: AnswerQuestion, pending: Question | None) -> str:
        vocabulary = await self._tutor.load_vocabulary()
        question = correct_content_words(
            await self._resolve_pronoun(ask.text, vocabulary), vocabulary
        )
        words = search_words(question, vocabulary)
        hits = await find_passages(self._desk, words, CANDIDATE_PASSAGES)
        found = await self._desk.find_lesson()
        number = found[0] if found else 0
        if pending is not None and would_spoil_quiz(question, pending, hits, self._desk.lesson_id):
            return prompts.render("no_spoilers")
        answer = compose_answer(
            question, hits, vocabulary, lesson_number=number, example=ask.example
        )
        if answer is None:
            return prompts.render("refusal")
        self._desk.mark_place(answer.hit.passage.lesson_id, answer.hit.passage.number)
        return prompts.render("look_again", answer=answer.text) if ask.again else answer.text

    async def _resolve_pronoun(self, text: str, vocabulary: Vocabulary) -> str:
        """The question; if its only topic is "it" or "that", the last topic instead."""
        known = [word for word in lexemes(text) if word in vocabulary.weights]
        topic = self._desk.topic
        if (
            topic is None
            or known
            or not {"it", "that", "this", "they"} & set(normalise(text).split())
        ):
            return text
        passages = await self._desk.library.list_passages(topic.lesson_id)
        return next((p.heading for p in passages if p.number == topic.passage), "") or text


def last_turn_and_results(chat_ctx: llm.ChatContext) -> tuple[str, list[str]]:
    results: list[str] = []
    for item in reversed(chat_ctx.items):
        if item.type == "function_call_output":
            results.insert(0, item.output)
        elif item.type == "message" and item.role == "user":
            return item.text_content or "", results
    return "", results


def last_tutor_text(chat_ctx: llm.ChatContext) -> str:
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "assistant":
            return item.text_content or ""
    return ""


def quiz_answer_call(said: str, pending: Question) -> CallTool | None:
    if is_position(said):
        return CallTool("answer_quiz", {"answer": said[:200]})
    option = match_option(said, pending.options)
    if option is None or (
        _QUESTION_OR_REQUEST.match(normalise(said)) and not _quotes_option(said, pending, option)
    ):
        return None
    return CallTool("answer_quiz", {"answer": said[:200]})


def _quotes_option(said: str, pending: Question, option: int) -> bool:
    return normalise(said) == normalise(pending.options[option])


def would_spoil_quiz(
    question: str, pending: Question, hits: Sequence[PassageHit], lesson_id: UUID | None
) -> bool:
    asked, prompt = set(lexemes(question)), set(lexemes(pending.prompt))
    if asked and len(asked & prompt) >= 0.6 * len(prompt):
        return True
    options = set(lexemes(" ".join(pending.options)))
    at_answer = any(
        hit.passage.lesson_id == lesson_id and hit.passage.number == pending.passage_number
        for hit in hits[:1]
    )
    return at_answer and bool(asked & (prompt | options))


def _count_usage(said: str, written: str) -> llm.CompletionUsage:
    prompt, completion = len(said.split()), len(written.split())
    return llm.CompletionUsage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
    )
