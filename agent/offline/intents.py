"""What a learner wants, by rules over normal text: an action, small talk, or a question. Pure.

Speech arrives in lower case without punctuation, typed text as written; rules see both alike.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from courses.lexemes import normalise
from tools.phrasing import find_number

MAX_FIXED_CHARS = 80  # longer text is always a question


@dataclass(frozen=True)
class CallTool:
    name: str
    arguments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SayText:
    """An answer that needs no lesson. `text` is its name in prompts/, after what was asked."""

    text: str


@dataclass(frozen=True)
class RepeatAnswer:
    pass


@dataclass(frozen=True)
class RecallQuestion:
    pass


@dataclass(frozen=True)
class DescribeCourse:
    pass


@dataclass(frozen=True)
class TellDuration:
    pass


@dataclass(frozen=True)
class HelpStuck:
    """The learner wants or does not know the answer to the open question.

    `text` names what to say if no question is open.
    """

    text: str


@dataclass(frozen=True)
class AnswerQuestion:
    """A question to look up in the course; `again` if the learner did not understand it before."""

    text: str
    example: bool = False
    again: bool = False


Intent = (
    CallTool
    | SayText
    | RepeatAnswer
    | RecallQuestion
    | DescribeCourse
    | TellDuration
    | HelpStuck
    | AnswerQuestion
)

_COURTESY = re.compile(r"\b(?:please|bodh|um|uh|erm|hmm|hey|right now|for me)\b")
_LEAD_IN = re.compile(r"^(?:(?:so|well|okay|ok|and|but|now|like|you know) )+(?=.)")
_POLITE_REQUEST = re.compile(
    r"^(?:(?:can|could|would|will) you (?:also )?|(?:can|could|may) (?:we|i) "
    r"|i (?:want|would like) (?:you )?to |i would like |let us |you should )"
)
_LESSON_WORD = r"(?:lesson|video|chapter|module|unit)"
_GIVE_ME = r"(?:(?:give|show|tell) me |i need |i want |take |get |what is )?"
_GO_TO_WORDS = (
    r"(?:go|move|jump|skip|switch|change|take me|bring me|open|start|continue|return|repeat|i want)"
    r"(?: (?:on|back|over|ahead|forward|up))?(?: (?:to|with|at))?"
)
_SPEAK_MORE = r"(?:speak |talk |go |read )?(?:a (?:bit|little) )?(?:more )?"
_LAST_ANSWER = (
    r"(?:that|this|it|what you(?: just)? said|(?:the )?last (?:part|answer|sentence|thing))"
)
_I_UNDERSTAND = r"i understand(?: (?:this|it|that))?"

# The first rule with a pattern that matches the whole text decides.
_FIXED_RULES: tuple[tuple[Intent, tuple[str, ...]], ...] = (
    (
        RepeatAnswer(),
        (
            rf"(?:repeat|say)(?: {_LAST_ANSWER})?(?: again| once more| one more time)?",
            r"again|once more|one more time|come again|pardon|what|sorry what",
            r"what did you (?:just )?say|what was that",
        ),
    ),
    (
        RecallQuestion(),
        (r"what (?:is|was) my (?:last )?question", r"what did i (?:just )?(?:say|ask)"),
    ),
    (DescribeCourse(), (r"(?:what is )?(?:this|the) course(?: about)?",)),
    (TellDuration(), (rf"how long (?:is|does|will) (?:this|the) (?:{_LESSON_WORD}|course).*",)),
    (
        CallTool("speak_slower"),
        (
            rf"{_SPEAK_MORE}(?:slower|slowly)(?: down)?",
            r"slow (?:it )?down(?: a (?:bit|little))?|(?:you are |that is |this is )?too fast",
        ),
    ),
    (
        CallTool("speak_faster"),
        (
            rf"{_SPEAK_MORE}(?:faster|quicker|quickly)",
            r"speed (?:it )?up(?: a (?:bit|little))?|(?:you are |that is |this is )?too slow",
        ),
    ),
    (CallTool("take_hint"), (rf"{_GIVE_ME}(?:an?(?:other)? |the |one more )?(?:hint|clue)",)),
    (
        CallTool("where_was_i"),
        (
            r"where (?:was|am|were|are) (?:i|we)(?: now)?|where did (?:i|we) (?:stop|leave off)",
            r"(?:what is )?my progress|how far (?:am|have) i(?: come| got| gotten)?",
        ),
    ),
    (
        CallTool("lesson_objectives"),
        (
            r"(?:what are |tell me |list |say |read |give me )?(?:the |this |my |our )?(?:lesson )?"
            r"(?:learning )?(?:objectives?|goals?)(?: (?:of|for) (?:this|the) lesson)?",
            r"what (?:will|can|do|should) (?:i|we) learn(?: (?:here|(?:in|from) .*))?",
        ),
    ),
    (
        CallTool("describe_lesson", {"target": "this"}),
        (
            rf"(?:what is )?(?:this|the|the current) {_LESSON_WORD} about",
            rf"what is (?:this|the|the current) {_LESSON_WORD}|which lesson is this",
            r"what (?:are we|am i) (?:doing|learning)",
        ),
    ),
    (
        CallTool("start_quiz"),
        (
            r"(?:quiz|test|examine) me(?: again| now| on this(?: lesson)?)?",
            r"ask me (?:something|questions|another question|a (?:quiz )?question|again)",
            r"(?:start |begin |do |take |repeat |have |open )?"
            r"(?:the |a |this |my |last |the last |the next |next )?quiz(?: (?:number )?\w+)?",
            r"(?:repeat|say|read)(?: me)?(?: the)?(?: last| quiz)? question(?: again)?",
            r"(?:the )?next question|another question|what (?:is|was) the question",
        ),
    ),
    (
        CallTool("read_lesson", {"part": "another example"}),
        (rf"{_GIVE_ME}(?:another|one more|a second|more|a different) examples?",),
    ),
    (
        CallTool("read_lesson", {"part": "example"}),
        (
            rf"{_GIVE_ME}(?:an |the )?examples?|for example",
            rf"explain {_LAST_ANSWER}(?: again)? with an example",
        ),
    ),
    (
        CallTool("read_lesson", {"part": "code"}),
        (
            r"(?:what is |explain |i do not understand |what does )(?:this|the) (?:code|program)"
            r"(?: do| mean)?",
        ),
    ),
    (
        CallTool("read_lesson", {"part": "first"}),
        (
            r"start (?:again|over)|from the (?:beginning|start)|repeat (?:this|the) lesson",
            r"(?:start|begin|read)(?: again)? (?:from|at) the (?:beginning|start)",
        ),
    ),
    (
        CallTool("read_lesson", {"part": "previous"}),
        (r"(?:go )?back(?: (?:one|a) (?:part|step))?|(?:the )?previous (?:part|passage|section)",),
    ),
    (
        CallTool("read_lesson", {"part": "next"}),
        (
            r"yes|yes please|yeah|yep|yup|sure|of course|gladly|ready|i am ready|teach me",
            r"continue|go on|go ahead|carry on|keep going|proceed|resume|start|begin|next",
            r"(?:(?:continue|start|begin) )(?:with )?(?:the|this) lesson",
            r"read(?: on)?|read (?:me )?(?:the|this) lesson|tell me more|more",
            r"what (?:is|comes) next",
            r"(?:the )?next (?:part|passage|section)",
        ),
    ),
    (
        CallTool("read_lesson", {"part": "this"}),
        (
            r"why|how|how so|why is that|what is (?:this|that|it)|what does (?:this|that|it) mean",
            r"i (?:still )?(?:do|did) not (?:understand|get)"
            r"(?: (?:this|that|it|you|anything))?(?: part| lesson)?(?: yet)?",
            r"(?:i am )?(?:lost|confused|stuck)|repeat (?:this|the) (?:part|passage)",
            r"explain(?: (?:this|that|it))?(?: part)?(?: again| more| once more)?",
        ),
    ),
    (
        HelpStuck("nobody_knows_everything"),
        (r"i do not know|no idea|i am not sure|i can not (?:answer|say)|skip(?: it| this)?",),
    ),
    (
        HelpStuck("no_open_question"),
        (
            r"(?:(?:just )?(?:tell|give|show) me |what is |what was |say |reveal )?(?:the |your )?"
            r"(?:right |correct |quiz )*(?:answer|solution|answer key)s?"
            r"(?: (?:key|is|to (?:this|the) question))?",
            r"which (?:one|option|answer|letter) is (?:it|right|correct|the (?:right|correct) one)",
        ),
    ),
    (
        SayText("no_open_question"),
        (
            r"(?:is )?(?:that|this|it)(?: is)? (?:right|correct|wrong|true|false)",
            r"(?:i think )?(?:that|this|it) is not (?:right|correct|wrong|true|false)",
            r"i think (?:it|that) is (?:true|false|right|wrong)|true|false",
        ),
    ),
    (
        SayText("help"),
        (
            r"help(?: me)?|i need help|commands?|how does this work",
            r"what can (?:you do|i (?:say|ask|do))|what do you do|what should i (?:say|do|ask)",
        ),
    ),
    (
        SayText("hello"),
        (r"(?:hello|hi|good (?:morning|afternoon|evening|day)|greetings)(?: there| again)?",),
    ),
    (
        SayText("how_are_you"),
        (r"how are you(?: doing| today)?",),
    ),
    (
        SayText("who_are_you"),
        (
            r"who are you|what are you|what is your name",
            r"are you (?:an? )?(?:human|person|robot|real|ai|bot|computer|machine)",
        ),
    ),
    (
        SayText("farewell"),
        (r"good ?bye|bye(?: bye)?|see you(?: later| soon)?|good night",),
    ),
    (
        SayText("thanks"),
        (
            r"(?:that is all )?(?:thank you|thanks)(?: a lot| (?:so|very) much)?(?: for .{1,40})?",
            r"that is all",
        ),
    ),
    (
        SayText("take_your_time"),
        (
            r"no|nope|no thank you|no thanks|not (?:now|yet)|i am not ready",
            r"i need (?:more|some) time|(?:just )?(?:wait|hold on|pause)(?: a (?:moment|minute))?",
            r"(?:just )?stop(?: it| now| there| talking)?|be quiet|silence",
        ),
    ),
    (
        SayText("understood"),
        (
            r"okay|ok|alright|all right|got it|fine|good|great|cool|i see|very good",
            rf"(?:now )?{_I_UNDERSTAND}(?: now)?",
        ),
    ),
    (SayText("are_you_ready"), (r"are you ready",)),
    (SayText("sorry"), (r"(?:i am )?sorry|excuse me|oops",)),
    (
        SayText("can_you_hear_me"),
        (r"(?:can you |do you )?hear me|are you (?:there|listening)",),
    ),
    (
        SayText("learner_hears_us"),
        (r"(?:yes )?i can hear you",),
    ),
    (
        SayText("learner_does_not_hear_us"),
        (r"(?:no )?i (?:can|do) not hear you",),
    ),
    (
        SayText("ask_it"),
        (r"i have (?:a|another|one more) question|ask(?: you)?(?: a question)?",),
    ),
    (
        SayText("learner_likes_it"),
        (r"i (?:really )?(?:like|love|enjoy) .{1,40}",),
    ),
    (
        SayText("no_replay"),
        (r"repeat the last (?:module|video)",),
    ),
)
_COMPILED_RULES = tuple(
    (intent, re.compile("|".join(patterns))) for intent, patterns in _FIXED_RULES
)

_SUM_UP = re.compile(r"(?:summari[sz]e|sum up|recap|(?:give me )?(?:an? )?summary(?: of)?)\b(.*)")
_ORDINAL = r"(?:next|previous|first|last|second|third|fourth|fifth|sixth)"
_WHICH_LESSON = re.compile(
    rf"what is (?:the )?({_ORDINAL} lesson|lesson (?:number )?\w+)(?: about| called)?"
)
_NEXT_OR_PREVIOUS = re.compile(
    rf"(?:{_GO_TO_WORDS} )?(?:the |a )?((?:next|previous|following) {_LESSON_WORD})"
)
_GO_TO = re.compile(rf"{_GO_TO_WORDS} (?:the )?(.*\b{_LESSON_WORD}\b.*)")
_GO_TO_TITLE = re.compile(r"(?:go|move|jump|skip|switch|take me|bring me|return)(?: back)? to (.+)")
_WITH_EXAMPLE = re.compile(
    r"(?:explain|show|describe|illustrate) (?:me )?(.+) (?:with|by|using) (?:an? )?examples?"
    r"|(?:give me |show me )?(?:an? )?examples? (?:of|for) (.+)"
)
_NOT_UNDERSTOOD = re.compile(r"i (?:still )?(?:do|did) not (?:really )?(?:understand|get) (.+)")
_BARE_CHOICE = re.compile(
    r"(?:(?:my|the) answer is |i think (?:it|that) is |it is |that is |option |number |the )?"
    r"(?:\d{1,2}|[a-h]|[a-z]+)(?: one)?"
)


def strip_courtesies(text: str) -> str:
    words = " ".join(_COURTESY.sub(" ", normalise(text)).split())
    return _POLITE_REQUEST.sub("", _LEAD_IN.sub("", words)).strip() or normalise(text)


def understand_intent(text: str) -> Intent:
    """The intent of a text. The caller checks first whether it answers an open quiz question."""
    said = strip_courtesies(text)
    if not said:
        return SayText("no_words")
    if len(said) > MAX_FIXED_CHARS:
        return AnswerQuestion(text)
    return _match_fixed_rule(said) or _match_lesson_request(said) or _question_intent(said, text)


def _match_fixed_rule(said: str) -> Intent | None:
    return next((intent for intent, pattern in _COMPILED_RULES if pattern.fullmatch(said)), None)


def _match_lesson_request(said: str) -> Intent | None:
    if match := _SUM_UP.fullmatch(said):
        return CallTool("summarise_lesson", {"target": _lesson_target(match[1]) or "this"})
    if said == "repeat the last lesson":
        return CallTool("summarise_lesson", {"target": "previous lesson"})
    if match := _WHICH_LESSON.fullmatch(said):
        return CallTool("describe_lesson", {"target": match[1]})
    if match := _NEXT_OR_PREVIOUS.fullmatch(said):
        return CallTool("change_lesson", {"target": match[1]})
    if match := _GO_TO.fullmatch(said) or _GO_TO_TITLE.fullmatch(said):
        return CallTool("change_lesson", {"target": _lesson_target(match[1]) or said})
    if re.fullmatch(r"lesson (?:number )?\w+", said) and find_number(said) is not None:
        return CallTool("change_lesson", {"target": said})
    return None


def _lesson_target(words: str) -> str:
    bare = re.sub(r"\b(?:number|about|on|called|named)\b|^\s*(?:(?:of|for|the|me) )+", "", words)
    return " ".join(bare.split())


def _question_intent(said: str, text: str) -> Intent:
    if match := _WITH_EXAMPLE.fullmatch(said):
        return AnswerQuestion(_first_match(match.groups()), example=True)
    if match := _NOT_UNDERSTOOD.fullmatch(said):
        return AnswerQuestion(match[1], example=True, again=True)
    if find_number(said) is not None and _BARE_CHOICE.fullmatch(said):
        return SayText("no_open_question")
    return AnswerQuestion(text)


def _first_match(groups: Iterable[str | None]) -> str:
    return next(group for group in groups if group)
