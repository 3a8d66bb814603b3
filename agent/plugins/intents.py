"""What a learner wants, by rules over normal text: an action, a few fixed words, or a question. Pure.

Speech arrives in lower case without punctuation, typing as typed; both are brought to one form.
"""

import re
from dataclasses import dataclass, field

from tools.words import normal, number_in


@dataclass(frozen=True)
class Call:
    """A tool to call; its output is the answer."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Say:
    """Words that need no lesson."""

    text: str


@dataclass(frozen=True)
class Repeat:
    """Say the last answer again."""


@dataclass(frozen=True)
class Recall:
    """Say what the learner asked last."""


@dataclass(frozen=True)
class CourseAbout:
    """Say what the course is about."""


@dataclass(frozen=True)
class Duration:
    """Say how long the lesson is."""


@dataclass(frozen=True)
class Ask:
    """A question to look up in the course."""

    text: str
    example: bool = False
    opening: str = ""


Intent = Call | Say | Repeat | Recall | CourseAbout | Duration | Ask

ASK_ME = "Ask me about the lesson, or say continue, quiz me, or summarise this lesson."
HELP = (
    "You can ask me about anything in the course. You can also say continue, repeat that, slow "
    "down, give me an example, summarise this lesson, objectives, next lesson, quiz me, hint, or "
    "where was I."
)

_COURTESY = re.compile(
    r"\b(?:please|bodh|um|uh|erm|hmm|hey|thank you very much|right now|for me)\b"
    r"|^(?:so|well|okay so|ok so|okay|ok|and|but|now)\b(?=.* )"
)
_REQUEST = re.compile(
    r"^(?:(?:can|could|would|will) you (?:also )?|(?:can|could|may) (?:we|i) |i (?:want|would like) "
    r"(?:you )?to |i would like |let us |you should )"
)
_LESSON = r"(?:lesson|video|chapter|module|unit)"
_GO = (
    r"(?:go|move|jump|skip|switch|change|take me|bring me|open|start|continue|return|repeat|i want)"
    r"(?: (?:on|back|over|ahead|forward|up))?(?: (?:to|with|at))?"
)
_THIS = (
    r"(?:that|this|it|the last (?:part|answer|sentence|thing)|what you(?: just)? said|last part)"
)

# in order; the first whole match decides
_CALLS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (r"(?:speak|talk|go|say (?:it|that)|read)?(?: a (?:bit|little))?(?: more)? ?(?:slower|slowly)"
     r"(?: down)?|slow(?: it)? down(?: a (?:bit|little))?|(?:you are |that is |this is )?too fast",
     "speak_slower", {}),
    (r"(?:speak|talk|go|read)?(?: a (?:bit|little))?(?: more)? ?(?:faster|quicker|quickly)"
     r"|speed(?: it)? up(?: a (?:bit|little))?|(?:you are |that is |this is )?too slow",
     "speak_faster", {}),
    (r"(?:give me |i need |take |get |i want |tell me )?(?:a |another |the |one more )?(?:hint|clue)",
     "take_hint", {}),
    (r"where (?:was|am|were) (?:i|we)(?: now)?|where did (?:i|we) (?:stop|leave off)"
     r"|(?:what is )?my progress|how far (?:am|have) i(?: come| got| gotten)?",
     "where_was_i", {}),
    (r"(?:what are |tell me |list |say |read )?(?:me )?(?:the |this |my |our )?(?:lesson )?"
     r"(?:learning )?(?:objectives?|goals?)(?: (?:of|for) (?:this|the) lesson)?"
     r"|what (?:will|can|do|should) (?:i|we) learn(?: (?:here|in|from) ?(?:this|the)?(?: lesson)?)?",
     "lesson_objectives", {}),
    (rf"(?:what is )?(?:this|the|the current) {_LESSON} about"
     rf"|what is (?:this|the|the current) {_LESSON}(?: about)?"
     r"|what (?:are we|am i) (?:doing|learning)",
     "describe_lesson", {"target": "this"}),
    (r"(?:quiz|test|examine) me(?: again| on this(?: lesson)?| now)?|(?:ask me )?a (?:quiz )?question"
     r"|ask me (?:something|questions|another question|again)"
     r"|(?:start|begin|do|take|repeat|have|open)?(?: the| a| this| my| last| the last| the next)? ?quiz"
     r"|(?:repeat|say|read)(?: me)?(?: the)?(?: last| quiz)? question(?: again)?"
     r"|(?:the )?next (?:question|quiz)|another question|what (?:is|was) the question",
     "start_quiz", {}),
    (r"(?:give me |i need |show me |tell me |i want |what is )?(?:another|one more|a second|more) examples?"
     r"|(?:give me )?a different example",
     "read_lesson", {"part": "another example"}),
    (r"(?:give me |i need |show me |tell me |i want |what is )?(?:an |the )?examples?|for example"
     r"|explain (?:it|this|that) with an example",
     "read_lesson", {"part": "example"}),
    (r"(?:what is |explain |i do not understand |what does )(?:this|the) (?:code|program)(?: do| mean)?",
     "read_lesson", {"part": "code"}),
    (r"start again|start over|(?:start|begin|read)(?: again)? (?:from|at) the (?:beginning|start)"
     r"|from the (?:beginning|start)|repeat (?:this|the|the whole) lesson",
     "read_lesson", {"part": "first"}),
    (r"(?:go )?back|(?:the )?previous (?:part|passage|section)|go back (?:one|a) (?:part|step)",
     "read_lesson", {"part": "previous"}),
    (r"yes|yes please|yeah|yep|yup|sure|of course|gladly|continue|go on|go ahead|carry on|keep going"
     r"|proceed|resume|start|begin|next|next part|(?:the )?next (?:passage|section)|what is next"
     r"|i am ready|ready|start the lesson|read(?: on)?|read (?:me )?(?:the|this) lesson|tell me more"
     r"|more|more please|(?:i want to |to )(?:continue|go on|start)|what comes next|teach me"
     r"|continue (?:the|with the|this) lesson",
     "read_lesson", {"part": "next"}),
    (r"why|how|how so|why is that|what is (?:this|that|it)|what does (?:this|that|it) mean"
     r"|i (?:do|did) not (?:understand|get)(?: (?:this|that|it|you|anything))?(?: part| lesson)?(?: yet)?"
     r"|(?:i am )?(?:lost|confused|stuck)|explain(?: (?:this|that|it|more))?(?: part)?(?: again| more)?"
     r"|i (?:still )?do not understand|repeat (?:this|the) (?:part|passage)",
     "read_lesson", {"part": "this"}),
)  # fmt: skip

_SAYINGS: tuple[tuple[str, str], ...] = (
    (r"help(?: me)?|i need help|what can (?:you do|i (?:say|ask))|what do you do|commands?"
     r"|how does this work|what should i (?:say|do|ask)",
     HELP),
    (r"(?:hello|hi|hey|good (?:morning|afternoon|evening|day))(?: there)?(?: again)?|greetings",
     f"Hello, it is good to hear you. {ASK_ME}"),
    (r"how are you(?: doing| today)?", f"I am well, thank you, and ready to teach. {ASK_ME}"),
    (r"who are you|what are you|what is your name|are you (?:a )?(?:human|person|robot|real|ai|bot)",
     "I am Bodh, a computer tutor for this course. I answer from its lessons."),
    (r"good ?bye|bye(?: bye)?|see you(?: later| soon)?|good night",
     "Goodbye, and well done today. We can go on whenever you come back."),
    (r"(?:that is all )?(?:thank you|thanks)(?: a lot| so much)?(?: for .{1,40})?|that is all",
     "You are welcome. Say continue when you want to go on, or goodbye to stop for today."),
    (r"no|nope|no thank you|no thanks|not (?:now|yet)|i am not ready|i need (?:more|some) time"
     r"|(?:just )?(?:wait|hold on|pause|stop|be quiet|silence)(?: now| a (?:moment|minute|second))?",
     "Okay, take your time. Say continue when you are ready."),
    (r"okay|ok|alright|all right|got it|fine|good|great|cool|i see|(?:now )?i understand(?: (?:this|it|that))?"
     r"(?: now)?|now i understand(?: (?:this|it|that))?",
     "Good. Say continue to go on, or quiz me to check what you know."),
    (r"are you ready", "Yes, I am ready. Say continue, or ask me a question."),
    (r"(?:i am )?sorry|excuse me|oops", "No problem at all. Please go on."),
    (r"(?:can|do) you hear me|hear me|are you (?:there|listening)", "Yes, I can hear you well."),
    (r"(?:yes )?i can hear you", "Good, then let us go on. Say continue, or ask me a question."),
    (r"(?:no )?i (?:can|do) not hear you",
     "I am sorry. Please check the volume of your device; all I say is also shown as captions."),
    (r"i have (?:a|another|one more) question", "Please ask it, I am listening."),
    (r"i (?:really )?(?:like|love|enjoy) .{1,40}", "I am glad to hear that. Shall we go on?"),
    (r"i do not know|no idea|i am not sure",
     "That is fine, nobody knows everything at first. Say continue, or ask me about one word."),
    (r"what is the (?:right |correct )?answer|tell me the (?:right |correct )?answer",
     "No question is open now. Say quiz me, and I will ask you one."),
    (r"(?:is )?(?:that|this|it)(?: is)? (?:right|correct|wrong|true|false|not right|not true)"
     r"|(?:i think )?(?:it|that) is (?:true|false|right|wrong)|i think (?:it|that) is (?:true|false)"
     r"|true|false",
     "No question is open now, so I have nothing to check. Say quiz me, and I will ask you one."),
    (r"repeat the last (?:module|video)",
     "I can not play a video. Say previous lesson to go back, or summarise this lesson."),
)  # fmt: skip

_REPEAT = re.compile(
    rf"(?:repeat|say)(?: {_THIS})?(?: again)?|repeat|again|once more|one more time|come again|pardon"
    rf"|what did you say|what was that|say {_THIS}(?: one more time| once more)?|what|sorry what"
)
_NO_QUIZ_ANSWER = re.compile(
    r"(?:(?:what|which)(?: one| option)? is (?:the )?|tell me (?:the )?|give me (?:the )?|say (?:the )?|show me (?:the )?"
    r"|just tell me (?:the )?)?(?:right |correct |quiz )?(?:answer|solution|option|one)(?: key)?(?: is)?"
    r"|(?:is )?(?:that|this|it)(?: is)? (?:right|correct|wrong|not right)|i do not know|no idea"
    r"|i am not sure|help(?: me)?|i need help"
)


def clean(text: str) -> str:
    """Normal text without courtesy and request words around it."""
    words = " ".join(_COURTESY.sub(" ", normal(text)).split())
    return _REQUEST.sub("", words).strip() or normal(text)


def understand(text: str) -> Intent:
    """The intent of what was said while no quiz question is open. Never raises."""
    said = clean(text)
    if not said:
        return Say(f"I did not get any words. {ASK_ME}")
    return _fixed(said) or _about_lesson(said) or _topic(said, text)


def wants_quiz_answer(text: str) -> bool:
    """True where a learner with an open quiz question asks for its answer or is stuck."""
    return bool(_NO_QUIZ_ANSWER.fullmatch(clean(text)))


def _fixed(said: str) -> Intent | None:
    if len(said) > 80:
        return None
    if _REPEAT.fullmatch(said):
        return Repeat()
    if re.fullmatch(r"what (?:is|was) my (?:last )?question|what did i (?:say|ask)", said):
        return Recall()
    if re.fullmatch(r"(?:what is )?(?:this|the) course(?: about)?", said):
        return CourseAbout()
    if re.fullmatch(rf"how long (?:is|does) (?:this|the) (?:{_LESSON}|course).*", said):
        return Duration()
    for pattern, name, arguments in _CALLS:
        if re.fullmatch(pattern, said):
            return Call(name, arguments)
    for pattern, words in _SAYINGS:
        if re.fullmatch(pattern, said):
            return Say(words)
    return None


def _about_lesson(said: str) -> Intent | None:
    """Sums up, describes or changes a lesson that is named in some way."""
    if match := re.fullmatch(
        r"(?:summari[sz]e|sum up|recap|(?:give me )?a? ?summary(?: of)?)\b(.*)", said
    ):
        return Call("summarise_lesson", {"target": _target(match[1]) or "this"})
    if re.fullmatch(r"repeat the last lesson", said):
        return Call("summarise_lesson", {"target": "previous lesson"})
    which = r"((?:next|previous|first|last|second|third|fourth|fifth|sixth) lesson|lesson \w+)"
    if match := re.fullmatch(rf"what is (?:the )?{which}(?: about| called)?", said):
        return Call("describe_lesson", {"target": match[1]})
    if match := re.fullmatch(r"(?:start |take |do )?quiz (?:number )?(\w+)", said):
        number = number_in(match[1])
        if number is not None:
            return Call("start_quiz")
    if match := re.fullmatch(rf"(?:{_GO} )?(?:the )?((?:next|previous) {_LESSON})", said):
        return Call("change_lesson", {"target": f"{match[1].split()[0]} lesson"})
    if match := re.fullmatch(rf"{_GO} (?:the )?(.*\b{_LESSON}\b.*)", said):
        return Call("change_lesson", {"target": _target(match[1]) or said})
    if re.fullmatch(r"lesson (?:number )?\w+", said) and number_in(said) is not None:
        return Call("change_lesson", {"target": said})
    return None


def _target(words: str) -> str:
    return re.sub(
        r"^\s*(?:of |for |the |me )+|\bnumber\b|\b(?:about|on|called|named)\b", "", words
    ).strip()


def _topic(said: str, text: str) -> Intent:
    """A question about the course, with the words around its topic taken off."""
    if match := re.fullmatch(
        r"(?:explain|show|describe|illustrate) (.+) (?:with|by|using) (?:an? )?examples?", said
    ):
        return Ask(match[1], example=True)
    if match := re.fullmatch(r"(?:give me |show me )?(?:an? )?example (?:of|for) (.+)", said):
        return Ask(match[1], example=True)
    if match := re.fullmatch(r"i (?:still )?(?:do|did) not (?:understand|get) (.+)", said):
        return Ask(match[1], example=True, opening="Let us look at it again. ")
    if number_in(said) is not None and len(said.split()) <= 5 and _is_bare_choice(said):
        return Say("No question is open now. Say quiz me, and I will ask you one.")
    return Ask(text)


def _is_bare_choice(said: str) -> bool:
    lead = (
        r"(?:(?:my|the) answer is |i think (?:it|that) is |it is |that is |option |number |the )?"
    )
    return bool(re.fullmatch(rf"{lead}\w+(?: one)?", said))
