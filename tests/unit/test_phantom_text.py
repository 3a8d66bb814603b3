"""What a recognised text is worth. The numbers are those that base gave to real sounds."""

import pytest

from speech.sound_or_noise import Evidence, Verdict, judge_text, name_language, says_again


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


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Evidence("Sorry, I was muted.", 0.16, -0.29, 0.7, 1.2), "words"),
        (Evidence("Tell me more about spectrum", 0.08, -0.37, 0.9, 2.0), "words"),
        (Evidence("I would say about that as 5%.", 0.2, -0.59, 0.9, 2.0), "words"),
        (Evidence("No, no, no", 0.33, -0.89, 0.6, 1.0), "words"),
        # German and Spanish
        (Evidence("If I'm in my house, I'll go", 0.35, -0.57, 0.9, 2.0), "unclear"),
        (Evidence("It's the only fire against it.", 0.26, -1.24, 0.9, 1.5), "unclear"),
        (Evidence("Not in the end of the Bhunka.", 0.46, -0.89, 0.9, 1.3), "noise"),
    ],
)
def test_model_that_knows_english_only_must_be_surer_of_a_phrase(
    found: Evidence, verdict: Verdict
) -> None:
    assert judge_text(found) == verdict  # the numbers are those of tiny.en


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Can you say that again? Can you say that", True),
        ("Yes. Yes.", True),
        ("Wait wait", True),
        ("It learns, step by step.", False),
        ("Is it the first one, for each step, for each step.", True),
        ("What is it?", False),
        ("Yes", False),
        ("", False),
    ],
)
def test_text_that_starts_again_or_repeats_its_end_is_noticed(text: str, expected: bool) -> None:
    assert says_again(text) is expected


@pytest.mark.parametrize(
    ("shares", "language"),
    [
        ({"de": 0.98, "en": 0.01}, "de"),
        ({"en": 0.06, "vi": 0.3, "th": 0.2}, ""),  # English with noise
        ({"en": 0.39, "nl": 0.2}, ""),
    ],
)
def test_language_is_named_only_if_it_is_likely(shares: dict[str, float], language: str) -> None:
    assert name_language(shares) == language
