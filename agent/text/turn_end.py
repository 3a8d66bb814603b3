"""How long the tutor waits before it takes a silence for the end of a turn. Pure rules."""

import re
from dataclasses import dataclass
from typing import Literal, assert_never

# What the tutor asked last, by the time that an answer takes to think.
Asked = Literal["nothing", "fact", "calculation", "reasoning"]
# Whether the words sound complete. Without punctuation one can't tell: they are open.
Ending = Literal["whole", "open", "unfinished"]

# Seconds from the true end of speech.
WAITS_S: dict[Ending, dict[Asked, float]] = {
    "whole": {"nothing": 0.35, "fact": 0.45, "calculation": 0.8, "reasoning": 1.4},
    "open": {"nothing": 0.6, "fact": 0.9, "calculation": 1.5, "reasoning": 2.8},
    "unfinished": {"nothing": 4.1, "fact": 4.1, "calculation": 4.1, "reasoning": 4.2},
}
NO_REASON_YET_S = 4.1  # after a reasoning question, for an answer that states no reason
QUESTION_WAIT_S = 0.25  # after a complete question, the plainest end of a turn
MAX_ADDED_S = 0.6  # to a complete sentence, for a learner who pauses after sentences
MAX_WAIT_S = 4.5
PAUSES_S = (0.3, 5.0)  # shorter ones are part of speech, longer ones mean that somebody was away
JUDGED_CHARS = 2000  # of the end of a long turn

# a sentence does not end with these, unless it is a question
_UNFINISHED_WORD = re.compile(
    r"a|an|the|my|your|his|her|its|our|their|and|or|but|because|since|if|when|while|although"
    r"|though|unless|until|than|whereas|whose|whether|why|how|of|from|into|with|between|by|per"
    r"|on|to|in|at|for|about|plus|minus|times|equals|is|are|was|were|be|am|has|have|had|can|could"
    r"|would|will|should|must|might|may|does|i'm|it's|that's|there's|he's|she's|we're|they're"
    r"|you're|um|uh|er|erm|hmm|mm|maybe|perhaps|probably|like|very|more|every|each"
)
_UNFINISHED_PHRASES = re.compile(
    r"(?:divided by|equal to|equals to|going to|want to|have to|need to|leads? to|due to|so that"
    r"|such as|as well as|let me (?:think|see)|hold on|wait|one (?:moment|second)|you know|i mean"
    r"|(?:i|we|you) (?:think|guess|believe|suppose|know) that"
    r"|(?:means|says|say|call|calls|is|be|was) that"
    r"|^(?:well|so|okay|i think|i guess|i believe|i would say|the answer|my answer))$"
)
_WHOLE_PHRASES = re.compile(
    r"^(?:yes|yeah|yep|no|nope|okay|ok|sure|right|correct|true|false|hello|hi|thanks|thank you"
    r"|i do not know|i don't know|no idea|not sure|i am not sure|i'm not sure|skip(?: it)?|pass"
    r"|(?:yes|no|yeah) (?:it|that|they|he|she|there|we|you|i) (?:is|are|was|were|am|do|does|did|can"
    r"|could|will|would|should|have|has))$"
)
_QUESTION = re.compile(
    r"^(?:(?:and|but|so|okay|ok|well|um|uh|bodh|hello|hi) )*"
    r"(?:what|what's|who|who's|why|how|how's|can|could|would|will|do|does|did|is|are|was|were"
    r"|should|shall)\b"
)
_UNFINISHED_QUESTION_WORD = re.compile(
    r"a|an|the|my|your|their|and|or|because|of|between|than|whether|if|um|uh|er|erm|hmm"
)
_BEGUN_QUESTION = re.compile(r"^(?:what|who|why|how|where) (?:is|are|was|were|do|does)$")
_COMMAND = re.compile(
    r"^(?:(?:please|okay|ok|bodh) )*(?:stop|wait|no|sorry|quiet|hold on|never mind|thanks?|bodh"
    r"|repeat|say|slow|speak|next|previous|go|skip|quiz|give me|tell me|explain|summari[sz]e)\b"
)
_REASON = re.compile(r"\b(?:because|since|so that|so|therefore|thus|due to|as a result|why|if)\b")
_REASONING_ASKED = re.compile(
    r"\b(?:why|how come|explain|what makes|what would happen|what happens|how do you know"
    r"|how does|how do|how would|how could|reason|in your own words|compare|difference)\b"
)
_CALCULATION_ASKED = re.compile(
    r"\b(?:calculate|compute|work out|how many|how much|solve|add up|sum of|result of|equal to"
    r"|plus|minus|times|divided|multiplied|squared|derivative|\d+ [-+*/x] \d+)\b"
)
_WORDS = re.compile(r"[\w']+")


@dataclass
class Pauses:
    """Running estimates of a learner's pauses inside turns, as TCP estimates round trips."""

    mean_s: float = 0.0  # after words that do not end a sentence
    spread_s: float = 0.0
    after_sentence_s: float = 0.0  # after whole sentences, less with each turn that ends there

    def note_pause(self, seconds: float, after: Ending) -> None:
        shortest, longest = PAUSES_S
        if not shortest <= seconds <= longest:
            return
        if after == "whole":
            self.after_sentence_s += (seconds - self.after_sentence_s) / 4
        elif not self.mean_s:
            self.mean_s, self.spread_s = seconds, seconds / 2
        else:
            self.spread_s += (abs(seconds - self.mean_s) - self.spread_s) / 4
            self.mean_s += (seconds - self.mean_s) / 4

    def note_turn_end(self, after: Ending) -> None:
        """The learner had said all when the turn ended."""
        if after == "whole":
            self.after_sentence_s *= 0.75

    @property
    def usual_s(self) -> float:
        """Most pauses after an unfinished sentence are shorter; 0 while there were none."""
        return min(self.mean_s + 2 * self.spread_s, MAX_WAIT_S) if self.mean_s else 0.0


def turn_wait_s(text: str, asked: Asked, pauses: Pauses) -> float:
    """Seconds from the end of speech to the end of the turn.

    `text` is what the learner has said in this turn.
    """
    ending, words = ending_of(text), _plain_words(text)
    if _QUESTION.match(words):
        asked = "nothing"  # they ask instead of answering
    elif asked != "nothing" and _WHOLE_PHRASES.match(words):
        asked = "fact"
    wait_s = WAITS_S[ending][asked]
    match ending:
        case "whole":
            if asked == "reasoning" and not _REASON.search(words):
                wait_s = NO_REASON_YET_S
            elif asked == "nothing" and text.rstrip().endswith("?"):
                wait_s = QUESTION_WAIT_S
            wait_s += min(MAX_ADDED_S, pauses.after_sentence_s)
        case "open":
            wait_s = max(wait_s, 1.2 * pauses.usual_s)
        case "unfinished":
            wait_s = max(wait_s, 1.5 * pauses.usual_s)
        case _:
            assert_never(ending)
    return min(wait_s, MAX_WAIT_S)


def continues_turn(before: str, text: str, pause_s: float) -> bool:
    """Whether a learner went on with what they had said `before`, and was answered too early."""
    words = _plain_words(text)
    if pause_s > PAUSES_S[1] or _COMMAND.match(words):
        return False
    return ending_of(before) == "unfinished" or not _QUESTION.match(words)


def ending_of(text: str) -> Ending:
    words = _plain_words(text)
    end = text[-JUDGED_CHARS:].rstrip().rstrip("\"')")
    if not words or end.endswith(("...", "…", ",", "-", "–", "—", ":", ";")):  # noqa: RUF001
        return "unfinished"
    if _WHOLE_PHRASES.match(words):
        return "whole"
    last = words.rpartition(" ")[2]
    if end.endswith("?") or _QUESTION.match(words):
        unfinished = _UNFINISHED_QUESTION_WORD.fullmatch(last) or _BEGUN_QUESTION.match(words)
    else:
        unfinished = _UNFINISHED_WORD.fullmatch(last) or _UNFINISHED_PHRASES.search(words)
    if unfinished:
        return "unfinished"
    return "whole" if end.endswith((".", "?", "!")) else "open"


def asked_kind(tutor_text: str) -> Asked:
    """What the tutor asked last, from what it said last."""
    asked, mark, _ = tutor_text.rpartition("?")
    if not mark:
        return "nothing"
    question = re.split(r"[.!?]", asked.lower())[-1]
    if _REASONING_ASKED.search(question):
        return "reasoning"
    return "calculation" if _CALCULATION_ASKED.search(question) else "fact"


def _plain_words(text: str) -> str:
    """The last words in lower case, with one space between them."""
    return " ".join(_WORDS.findall(text[-JUDGED_CHARS:].lower()))
