"""One window of sound to text, on a window as short as the sound allows.

Whisper was trained on windows of 30 s, and its encoder costs most of a decode. A third of the
window costs a sixth, and recognises clear speech as well; two seconds more than the sound do too,
but the text often starts again after its end. Two things make it work: a bound on the length of
the text, and a longer window for what starts again, repeats itself or was not clear.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import (
    get_compression_ratio,
    get_suppressed_tokens,
    merge_punctuations,
)

from speech.hotwords import ScoredWord, put_in_hotwords
from speech.levels import Samples
from speech.sound_or_noise import (
    MAX_COMPRESSION,
    MAX_NO_SPEECH,
    has_repeating_words,
    name_language,
    says_again,
)
from speech.wire import RATE, Span

FRAMES_PER_S = 100
WHOLE_FRAMES = 3000
SPARE_FRAMES = 200  # of silence after the sound, at least
STEP_FRAMES = 200  # in steps, so that sounds of about the same length can be decoded together
SHORT_FRAMES = 1000
LONG_FRAMES = 1504  # a multiple of eight
TOKENS_PER_S = 7  # fast speech has five
SPARE_TOKENS = 6
CLEAR_LOGPROB = -0.25
POOR_LOGPROB = -0.5
CERTAIN_LOGPROB = -0.1  # then no word of the text is worth a second look
PREPENDED, APPENDED = "\"'([{-", "\"'.,!?:)]}"  # marks that belong to the next or the last word


class Unwanted(Exception):
    """Nobody waits for the text any more."""


@dataclass(frozen=True)
class Sound:
    """A `language` of None lets a multilingual model detect it."""

    samples: Samples
    language: str | None


@dataclass(frozen=True)
class Decoded:
    """`logprob` is the mean per token, `no_speech` a probability, `cut` whether text is missing.

    `language_share` is the probability of `language`, and `likeliest_language` has the highest one,
    and is empty if no language is likely.
    Both are taken as given if the text is certain: a text in another language never is.
    """

    text: str
    language: str
    language_share: float
    likeliest_language: str
    tokens: list[int]
    logprob: float
    no_speech: float
    compression: float
    cut: bool
    encoded: ctranslate2.StorageView
    frames: int

    @property
    def is_no_speech(self) -> bool:
        return self.no_speech > MAX_NO_SPEECH

    @property
    def is_broken(self) -> bool:
        """Whether words are missing, or there are more than were said."""
        return (
            self.cut
            or self.compression > MAX_COMPRESSION
            or has_repeating_words(self.text)
            or says_again(self.text)
        )

    def deserves_window(self, frames: int) -> bool:
        """Whether a decode with a longer window may give a better text.

        What is rather clear is tried in the short one only, and what is poor in the long one.
        """
        if self.is_broken:
            return True
        if frames < LONG_FRAMES:
            return POOR_LOGPROB <= self.logprob < CLEAR_LOGPROB
        return self.logprob < POOR_LOGPROB


class Decoder:
    """`whole_windows` is for a model that knows nothing else, such as the test model."""

    def __init__(self, model: WhisperModel, *, whole_windows: bool) -> None:
        self._model = model
        # the test model knows 140 words, and languages that it has never heard
        self._is_test_model = whole_windows
        self._tokenizer_of = lru_cache(self._make_tokenizer)

    def first_window(self, samples: Samples) -> int:
        """The frames of the window that is tried first."""
        return self._window_sizes(count_frames(samples))[0]

    def decode(
        self, sounds: Sequence[Sound], is_unwanted: Callable[[], bool] = lambda: False
    ) -> list[Decoded]:
        """Decodes sounds together, in the longest of their first windows.

        Decodes again, alone and with a longer window, what was not clear; the likelier text
        counts. Raises Unwanted between two steps once `is_unwanted` says so.
        """
        features = [self._model.feature_extractor(sound.samples) for sound in sounds]
        window = max(self.first_window(sound.samples) for sound in sounds)
        found = self._decode_window(sounds, features, window, is_unwanted)
        return [
            self._decode_longer(sound, mel, one, is_unwanted)
            for sound, mel, one in zip(sounds, features, found, strict=True)
        ]

    def _decode_longer(
        self, sound: Sound, mel: Samples, best: Decoded, is_unwanted: Callable[[], bool]
    ) -> Decoded:
        for frames in self._window_sizes(count_frames(sound.samples))[1:]:
            if best.is_no_speech or not best.deserves_window(frames):
                continue
            (found,) = self._decode_window([sound], [mel], frames, is_unwanted)
            if found.is_broken and found.text == best.text:  # so it was said like that
                break
            if is_better(found, best):
                best = found
        return best

    def time_words(self, decoded: Decoded) -> list[Span]:
        """The words, with times from the start of the decoded samples."""
        tokenizer = self._tokenizer_of(decoded.language)
        text_tokens = [token for token in decoded.tokens if token < tokenizer.eot]
        (words,) = self._model.find_alignment(
            tokenizer, [text_tokens], decoded.encoded, decoded.frames
        )
        merge_punctuations(words, PREPENDED, APPENDED)
        return [
            Span(word["word"].strip(), float(word["start"]), float(word["end"]))
            for word in words
            if word["word"].strip()
        ]

    def put_in_hotwords(self, decoded: Decoded, hotwords: Iterable[str]) -> Decoded:
        """The text with the hotwords that were probably said instead of words like them."""
        if self._is_test_model or decoded.logprob >= CERTAIN_LOGPROB:
            return decoded
        tokenizer = self._tokenizer_of(decoded.language)

        def score_words(text: str) -> list[ScoredWord]:
            return self._score_words(decoded, tokenizer, text)

        rare = [word for word in hotwords if is_rare(word, tokenizer)]
        text = put_in_hotwords(decoded.text, rare, score_words)
        return replace(decoded, text=text, tokens=tokenizer.encode(f" {text}"))

    def _score_words(self, decoded: Decoded, tokenizer: Tokenizer, text: str) -> list[ScoredWord]:
        """The probabilities that the model gives to a text for the sound that was decoded."""
        tokens = tokenizer.encode(f" {text}")
        (aligned,) = self._model.model.align(
            decoded.encoded, tokenizer.sot_sequence, [tokens], decoded.frames // 2
        )
        probabilities = iter(aligned.text_token_probs)
        words, word_tokens = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
        return [
            ScoredWord(word, tuple(islice(probabilities, len(of_word))))
            for word, of_word in zip(words[:-1], word_tokens[:-1], strict=True)
        ]

    def _window_sizes(self, needed: int) -> list[int]:
        """Multiples of eight frames in growing order, each long enough for `needed` frames."""
        if self._is_test_model:
            return [WHOLE_FRAMES]
        first = -(-(needed + SPARE_FRAMES) // STEP_FRAMES) * STEP_FRAMES
        windows = (first, max(SHORT_FRAMES, needed), max(LONG_FRAMES, needed))
        return sorted({min(WHOLE_FRAMES, (one + 7) // 8 * 8) for one in windows if one >= first})

    def _decode_window(
        self,
        sounds: Sequence[Sound],
        features: Sequence[Samples],
        frames: int,
        is_unwanted: Callable[[], bool],
    ) -> list[Decoded]:
        if is_unwanted():
            raise Unwanted
        encoded = self._model.encode(np.stack([fit_window(mel, frames) for mel in features]))
        languages = [sound.language for sound in sounds if sound.language]
        shares = None
        if len(languages) < len(sounds):
            shares = self._rank_languages(encoded)
            languages = [
                sound.language or next(iter(ranked))
                for sound, ranked in zip(sounds, shares, strict=True)
            ]
        if is_unwanted():
            raise Unwanted
        tokenizers = [self._tokenizer_of(language) for language in languages]
        prompts = [make_prompt(tokenizer) for tokenizer in tokenizers]
        most = [max_tokens(min(frames, mel.shape[1])) for mel in features]
        results = self._model.model.generate(
            encoded,
            prompts,
            beam_size=1,
            max_length=min(len(prompts[0]) + max(most), self._model.max_length),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=list(get_suppressed_tokens(tokenizers[0], [-1]) or ()),
        )
        if shares is None and all(result.scores[0] >= CERTAIN_LOGPROB for result in results):
            shares = [{language: 1.0} for language in languages]
        shares = shares or self._rank_languages(encoded)
        return [
            read_result(
                result,
                tokenizers[row],
                shares[row],
                most=most[row],
                encoded=take_row(encoded, row),
                frames=frames,
            )
            for row, result in enumerate(results)
        ]

    def _rank_languages(self, encoded: ctranslate2.StorageView) -> list[dict[str, float]]:
        """The probability of each language, the likeliest first, of each sound."""
        if self._is_test_model or not self._model.model.is_multilingual:
            return [{"en": 1.0}] * encoded.shape[0]
        return [
            {str(token).strip("<|>"): share for token, share in ranked}
            for ranked in self._model.model.detect_language(encoded)
        ]

    def _make_tokenizer(self, language: str) -> Tokenizer:
        return Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=language,
        )


def is_better(found: Decoded, before: Decoded) -> bool:
    """Whether the text of a longer window is better. A loop is likely, and worth nothing."""
    if found.is_broken != before.is_broken:
        return before.is_broken
    return before.cut or found.logprob > before.logprob


def is_rare(word: str, tokenizer: Tokenizer) -> bool:
    """Whether the model may not know a word. It has the common ones whole.

    But it has " t" as a token of its own, with which common words begin, too.
    """
    known = 2 if word[:1] in "tT" else 1
    return len(tokenizer.encode(f" {word}")) > known


def take_row(encoded: ctranslate2.StorageView, row: int) -> ctranslate2.StorageView:
    """One sound of a batch."""
    if encoded.shape[0] == 1:
        return encoded
    rows = np.asarray(encoded.to_device(ctranslate2.Device.cpu))
    return ctranslate2.StorageView.from_array(rows[row : row + 1])


def make_prompt(tokenizer: Tokenizer) -> list[int]:
    return [*tokenizer.sot_sequence, tokenizer.no_timestamps]


def max_tokens(frames: int) -> int:
    return SPARE_TOKENS + TOKENS_PER_S * frames // FRAMES_PER_S


def count_frames(samples: Samples) -> int:
    """The frames of the features, which end with 10 ms of silence."""
    return len(samples) * FRAMES_PER_S // RATE + 1


def fit_window(mel: Samples, frames: int) -> Samples:
    sound = mel[:, :frames]
    return np.pad(sound, ((0, 0), (0, frames - sound.shape[1]))).astype(np.float32)


def read_result(
    result: ctranslate2.models.WhisperGenerationResult,
    tokenizer: Tokenizer,
    shares: dict[str, float],
    *,
    most: int,
    encoded: ctranslate2.StorageView,
    frames: int,
) -> Decoded:
    """In a batch a sound may get more than the `most` tokens that its length allows."""
    tokens = result.sequences_ids[0]
    cut = len(tokens) >= most
    text = tokenizer.decode(tokens[:most]).strip()
    return Decoded(
        text=text,
        language=tokenizer.language_code,
        language_share=shares.get(tokenizer.language_code, 0.0),
        likeliest_language=name_language(shares),
        tokens=tokens[:most],
        # the score is a mean over the tokens; the end of the text counts as one
        logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
        no_speech=result.no_speech_prob,
        compression=get_compression_ratio(text) if text else 0.0,
        cut=cut,
        encoded=encoded,
        frames=frames,
    )
