"""The tutor's LiveKit function tools.

No tool takes a tenant, a learner or an address as an argument. Every result can be read aloud.
"""

from typing import Any

from livekit.agents import FunctionTool, function_tool

from tools import lessons, pace, quiz
from tools.desk import Desk


def build_tools(desk: Desk) -> list[FunctionTool[..., Any]]:
    return [*_lesson_tools(desk), *_quiz_tools(desk), *_pace_tools(desk)]


def _lesson_tools(desk: Desk) -> list[FunctionTool[..., Any]]:
    @function_tool
    async def change_lesson(target: str) -> str:
        """Take the learner to another lesson of the course.

        Args:
            target: next, previous, first, last, a lesson number, or a lesson title
        """
        return await lessons.change_lesson(desk, target)

    @function_tool
    async def describe_lesson(target: str) -> str:
        """Say what a lesson of the course is about, without going there.

        Args:
            target: this, next, previous, first, last, a lesson number, or a lesson title
        """
        return await lessons.describe_lesson(desk, target)

    @function_tool
    async def lesson_objectives() -> str:
        """Say what the learner will be able to do after the current lesson."""
        return await lessons.tell_objectives(desk)

    @function_tool
    async def summarise_lesson(target: str = "this") -> str:
        """Summarise a lesson in a few sentences.

        Args:
            target: this, next, previous, a lesson number, or a lesson title
        """
        return await lessons.summarise_lesson(desk, target)

    @function_tool
    async def read_lesson(part: str) -> str:
        """Read a part of the current lesson aloud; "next" continues from where the learner is.

        Args:
            part: next, previous, first, this, example, another example, or code
        """
        return await lessons.read_part(desk, part)

    @function_tool
    async def where_was_i() -> str:
        """Say where the learner is in the lesson and the course."""
        return await lessons.tell_position(desk)

    return [
        change_lesson,
        describe_lesson,
        lesson_objectives,
        summarise_lesson,
        read_lesson,
        where_was_i,
    ]


def _quiz_tools(desk: Desk) -> list[FunctionTool[..., Any]]:
    @function_tool
    async def start_quiz() -> str:
        """Ask the learner the open quiz question, or start the quiz of the current lesson."""
        return await quiz.start_quiz(desk)

    @function_tool
    async def answer_quiz(answer: str) -> str:
        """Grade the learner's answer to the open quiz question.

        Args:
            answer: what the learner said, in their own words
        """
        return await quiz.grade_answer(desk, answer)

    @function_tool
    async def take_hint() -> str:
        """Give a hint for the open quiz question."""
        return await quiz.give_hint(desk)

    return [start_quiz, answer_quiz, take_hint]


def _pace_tools(desk: Desk) -> list[FunctionTool[..., Any]]:
    @function_tool
    async def speak_slower() -> str:
        """Speak more slowly from now on."""
        return pace.speak_slower(desk)

    @function_tool
    async def speak_faster() -> str:
        """Speak faster from now on."""
        return pace.speak_faster(desk)

    return [speak_slower, speak_faster]
