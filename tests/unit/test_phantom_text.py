"""What a recognised text is worth. The numbers are those that base gave to real sounds."""

import pytest

from speech.sound_or_noise import Evidence, Verdict, judge_text


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        # speech
        (Evidence("Can we talk about something else?", 0.02, -0.04, 0.85, 2.24, 0.96), "words"),
        (Evidence("The second.", 0.22, -0.42, 0.58, 1.42, 0.89), "words"),
        (Evidence("Yes.", 0.17, -0.48, 0.33, 0.34, 0.87), "words"),
        (Evidence("5", 0.23, -1.01, 0.11, 0.26, 0.62), "words"),
        (Evidence("Option B.", 0.23, -0.37, 0.53, 0.52, 0.2), "words"),
        (Evidence("Sign", 0.02, -0.56, 0.33, 1.2, 0.03), "words"),  # "sine", which sounds German
        # keys, knocks and a room full of people who talk
        (Evidence("I'm sorry.", 0.68, -1.69, 0.56, 0.16, 0.16), "noise"),
        (Evidence("I'm not sure if I can do it", 0.55, -1.7, 0.77, 0.4, 0.14), "noise"),
        (Evidence("I", 0.54, -2.25, 0.11, 0.46, 0.24), "noise"),
        (Evidence("I don't think you want to see that.", 0.69, -1.54, 0.88, 26.7, 0.69), "noise"),
        (Evidence("What is going on at the back?", 0.72, -1.44, 0.91, 23.1, 0.87), "noise"),
        # loops, and more words than anybody can say
        (Evidence("V V V V V V V", 0.35, -0.24, 1.08, 0.2, 0.44), "noise"),
        (Evidence("My name is Yohan. " * 4, 0.39, -0.3, 1.8, 3.8, 0.58), "noise"),
        (Evidence("thank you for watching this video", 0.01, -0.1, 0.9, 0.4, 0.9), "noise"),
        (Evidence("", 0.01, -0.1, 0.0, 1.0, 0.9), "noise"),
        (Evidence("...", 0.01, -0.1, 0.3, 1.0, 0.9), "noise"),
        # other languages
        (Evidence("I don't understand the question.", 0.01, -0.23, 0.8, 1.5, 0.0), "foreign"),
        (Evidence("The end what is to die?", 0.02, -0.86, 0.74, 1.08, 0.32), "foreign"),
        (Evidence("Putwa for Tila Rezodo Home", 0.13, -1.38, 0.76, 1.66, 0.07), "foreign"),
        (Evidence("Non-Tien-Dora Pregunta", 0.1, -1.13, 0.73, 1.26, 0.01), "foreign"),
        # speech that cannot be made out
        (Evidence("Onus to Halleburg Radio", 0.24, -1.11, 0.93, 1.58, 0.89), "unclear"),
        (Evidence("Puffo", 0.04, -1.35, 0.38, 0.46, 0.03), "noise"),
    ],
)
def test_text_is_believed_by_what_the_model_says_about_it(
    found: Evidence, verdict: Verdict
) -> None:
    assert judge_text(found) == verdict


def test_model_that_knows_one_language_only_never_calls_speech_foreign() -> None:
    assert judge_text(Evidence("Asmet is the highter nation", 0.01, -1.09, 0.89, 2.8)) == "unclear"
