"""The quiz by voice: asks, understands answers, grades. No result reveals the right option."""

import re
from collections.abc import Sequence

import prompts
from courses.lexemes import lexemes, normalise
from courses.quiz import Question, QuizRun
from db import NotFound
from tools.desk import Desk
from tools.phrasing import NUMBERS, ORDINALS, find_number, number_word

LETTERS = "ABCDEFGH"
_LEAD_IN = re.compile(
    r"^(?:(?:um|uh|so|well|okay|ok|maybe|perhaps|yes|then|that is|is that|is it|it is|it must be|"
    r"i think|i believe|i guess|i would say|i say|i choose|i pick|i take|i go with|"
    r"my answer is|the answer is|answer is|my answer|the answer|answer|option|choice|number|"
    r"letter|the) )+"
)
_HEARD_LETTERS = {"be": "b", "bee": "b", "see": "c", "sea": "c", "dee": "d", "ay": "a", "ef": "f"}
_COUNT_WORDS = "|".join([*NUMBERS, *ORDINALS])
_NUMBERED_CHOICE = re.compile(rf"(?:\d{{1,2}}|{_COUNT_WORDS})(?: one| option| answer| choice)?")
_MIN_COMMON_SHARE = 0.5  # minimum share of common words for an answer in the learner's own words


def strip_lead_in(answer: str) -> str:
    """The answer without its lead-in: "my answer is three" -> "three"."""
    return _LEAD_IN.sub("", normalise(answer) + " ").strip()


def match_option(answer: str, options: Sequence[str]) -> int | None:
    """The index of the option an answer means, by text, letter, number or common words."""
    rest = strip_lead_in(answer)
    texts = [normalise(option) for option in options]
    if rest in texts or normalise(answer) in texts:
        return texts.index(rest if rest in texts else normalise(answer))
    index = _option_by_position(rest, len(options))
    if index is not None or is_position(answer):
        return index
    return _option_by_words(rest, texts)


def is_position(answer: str) -> bool:
    """Whether the text is a letter, number or ordinal, even one out of range."""
    rest = strip_lead_in(answer)
    letter = _HEARD_LETTERS.get(rest, rest).upper()
    return (len(letter) == 1 and letter in LETTERS) or bool(
        _NUMBERED_CHOICE.fullmatch(rest) or re.fullmatch(r"last( one| option| answer)?", rest)
    )


def _option_by_position(rest: str, total: int) -> int | None:
    letter = _HEARD_LETTERS.get(rest, rest).upper()
    if len(letter) == 1 and letter in LETTERS:
        index = LETTERS.index(letter)
    elif _NUMBERED_CHOICE.fullmatch(rest):
        index = (find_number(rest) or 0) - 1
    elif rest.startswith("last"):
        index = total - 1
    else:
        return None
    return index if 0 <= index < total else None


def _option_by_words(rest: str, options: Sequence[str]) -> int | None:
    said = set(lexemes(rest))
    scores = []
    for option in options:
        words = set(lexemes(option))
        both = len(said & words)
        scores.append(2 * both / (len(said) + len(words)) if both else 0.0)
    best, second = sorted([*scores, 0.0, 0.0], reverse=True)[:2]
    return scores.index(best) if best >= _MIN_COMMON_SHARE and best - second >= 0.15 else None


def question_text(question: Question, run: QuizRun) -> str:
    options = [
        prompts.render("option", letter=letter, text=option)
        for letter, option in zip(LETTERS, question.options, strict=False)
    ]
    return prompts.render(
        "question",
        number=number_word(run.answered + 1),
        total=number_word(run.total),
        question=question.prompt,
        options=" ".join(options),
    )


async def start_quiz(desk: Desk) -> str:
    if desk.lesson_id is None:
        return prompts.render("no_lesson")
    run = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
    if run.pending is None:
        try:
            run = await desk.library.start_quiz(desk.account_id, desk.lesson_id)
        except NotFound:
            return prompts.render("no_quiz")
    return question_text(run.pending, run) if run.pending else prompts.render("no_quiz")


async def grade_answer(desk: Desk, said: str) -> str:
    if desk.lesson_id is None:
        return prompts.render("no_open_question")
    run = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
    if run.pending is None:
        return prompts.render("no_open_question")
    options = run.pending.options
    option = match_option(said, options)
    if option is None:
        return prompts.render("unclear_option", last=LETTERS[len(options) - 1])
    graded = await desk.library.grade_answer(desk.account_id, desk.lesson_id, option, desk.now())
    if not graded.right:
        return prompts.render("wrong_answer", letter=LETTERS[option])
    right = prompts.render("right_answer", why=graded.why or None)
    if graded.run.pending is not None:
        return f"{right} {question_text(graded.run.pending, graded.run)}"
    return f"{right} {_result_text(graded.run)}"


async def give_hint(desk: Desk) -> str:
    if desk.lesson_id is None:
        return prompts.render("no_open_question")
    run = await desk.library.get_quiz_run(desk.account_id, desk.lesson_id)
    if run.pending is None:
        return prompts.render("no_open_question")
    text = await desk.library.take_hint(desk.account_id, desk.lesson_id)
    return prompts.render("hint", hint=text or prompts.render("no_hint"))


def _result_text(run: QuizRun) -> str:
    right, total = number_word(run.correct), number_word(run.total)
    return prompts.render("last_answer", right=right, total=total)
