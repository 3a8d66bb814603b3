"""Hotwords: how many of a lesson's terms are heard with and without them, and how many invented."""

import argparse
import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.models import whisper_folder
from bench.result import Measured, summarise
from bench.spoken import (
    LessonSentence,
    Pcm,
    list_lesson_sentences,
    list_near_misses,
    list_sentences,
    pick_evenly,
    put_in_room,
    speak_with_espeak,
    speak_with_piper,
)
from courses.folder import read_course
from courses.lexemes import normalise
from courses.terms import pick_lesson_terms, pick_names
from harness.stack import ROOT
from speech.engine import DecodeOptions, Engine

COURSE = ROOT / "db" / "sample"
PEOPLE = ("Amina Haddad", "Oluwaseun Adeyemi", "Siobhan Nolan", "Priya Raman")
NOISES_DB = (None, 10.0, 5.0)
WITHOUT = "without"


@dataclass(frozen=True)
class Spoken:
    sentence: LessonSentence
    pcm: Pcm


@dataclass
class Count:
    """Counts of lesson terms, over everything that was spoken."""

    said: int = 0
    heard: int = 0
    wrong: int = 0  # in the text, but not said
    shares: list[float] = field(default_factory=list)  # heard, of each sentence with terms

    def add(self, said: set[str], heard: set[str]) -> None:
        self.said += len(said)
        self.heard += len(said & heard)
        self.wrong += len(heard - said)
        if said:
            self.shares.append(len(said & heard) / len(said))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="base", help="base, tiny.en or a folder")
    parser.add_argument(
        "--sentences", type=int, default=6, help="with terms, with words like them, without"
    )


async def run(arguments: argparse.Namespace) -> Measured:
    terms = read_lesson_terms()
    lessons, count = sorted(terms), arguments.sentences
    about = [sentence for sentence in list_lesson_sentences() if sentence.lesson in terms]
    # sentences with words like terms, or none: here hotwords can only do harm
    others = [
        LessonSentence(lessons[number % len(lessons)], text)
        for number, text in enumerate(pick_evenly(list_sentences(), count))
    ]
    near = pick_evenly(list_near_misses(), count)
    spoken = await speak_all([*pick_evenly(about, count), *near, *others])
    return await asyncio.to_thread(measure, spoken, terms, whisper_folder(arguments.model))


def read_lesson_terms() -> dict[str, tuple[str, ...]]:
    """The hotwords in each lesson of the sample course, by the last part of its key."""
    course = read_course(COURSE)
    return {
        lesson.key.rpartition("/")[2]: pick_names(PEOPLE)
        + pick_lesson_terms(
            [lesson.title, module.title, course.title, *lesson.objectives],
            [lesson.captions_vtt or "", *(passage.body for passage in lesson.passages)],
        )
        for module in course.modules
        for lesson in module.lessons
    }


async def speak_all(sentences: list[LessonSentence]) -> list[Spoken]:
    """Each sentence in two voices, with every level of noise."""
    texts = [sentence.text for sentence in sentences]
    voices = [
        await asyncio.to_thread(speak_with_piper, texts),
        await speak_with_espeak(texts, voice="en-us"),
    ]
    return [
        Spoken(sentence, put_in_room(pcm, snr_db=snr_db, seed=seed))
        for voice in voices
        for seed, (sentence, pcm) in enumerate(zip(sentences, voice, strict=True))
        for snr_db in NOISES_DB
    ]


def measure(spoken: list[Spoken], terms: dict[str, tuple[str, ...]], model: Path) -> Measured:
    engine = Engine(model)
    ours, plain = Count(), Count()
    invented = 0
    began = time.process_time()
    for one in spoken:
        expected = terms[one.sentence.lesson]
        said = find_terms(one.sentence.text, expected)
        text, text_without = (
            engine.recognise(one.pcm.tobytes(), DecodeOptions(hotwords=hotwords)).text
            for hotwords in (expected, ())
        )
        heard, heard_without = find_terms(text, expected), find_terms(text_without, expected)
        ours.add(said, heard)
        plain.add(said, heard_without)
        joined = normalise(text_without).replace(" ", "")  # "back propagation" has the term
        invented += sum(term not in joined for term in heard - heard_without - said)
    return Measured(
        unit="share",
        ours=summarise(ours.shares),
        baselines={WITHOUT: summarise(plain.shares)},
        quality={
            "recall": ours.heard / ours.said,
            "recall_without": plain.heard / plain.said,
            "terms_said": ours.said,
            "invented_terms": invented,
            "wrong_terms": ours.wrong,
            "wrong_terms_without": plain.wrong,
        },
        cpu_s={"ours": time.process_time() - began},
    )


def find_terms(text: str, terms: Iterable[str]) -> set[str]:
    words = set(normalise(text).split())
    return {term.lower() for term in terms} & words
