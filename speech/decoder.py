"""One window of sound to text, on a window as short as the sound allows.

Whisper was trained on windows of 30 s, and its encoder costs most of a decode. A third of the
window costs a sixth, and recognises clear speech as well. Two things make it work: a bound on the
length of the text, without which a short window repeats its sentence, and a longer window for
what was not clear.
"""

from collections.abc import Iterable
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
from speech.sound_or_noise import MAX_COMPRESSION, MAX_NO_SPEECH, Samples, has_repeating_words
from speech.wire import Span

FRAMES_PER_S = 100
WHOLE_FRAMES = 3000
SHORT_FRAMES = 1000
LONG_FRAMES = 1504  # a multiple of eight
TOKENS_PER_S = 7  # fast speech has five
SPARE_TOKENS = 6
CLEAR_LOGPROB = -0.5
CERTAIN_LOGPROB = -0.1  # then no word of the text is worth a second look
PREPENDED, APPENDED = "\"'([{-", "\"'.,!?:)]}"  # marks that belong to the next or the last word


@dataclass(frozen=True)
class Decoded:
    """`logprob` is the mean per token, `no_speech` a probability, `cut` whether text is missing.

    `language_share` is the probability of `language`, and `likeliest_language` has the highest one.
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
    def is_clear(self) -> bool:
        return (
            self.logprob >= CLEAR_LOGPROB
            and self.compression <= MAX_COMPRESSION
            and not self.cut
            and not has_repeating_words(self.text)
        )


class Decoder:
    """`whole_windows` is for a model that knows nothing else, such as the test model."""

    def __init__(self, model: WhisperModel, *, whole_windows: bool) -> None:
        self._model = model
        self._windows = (WHOLE_FRAMES,) if whole_windows else (SHORT_FRAMES, LONG_FRAMES)
        self._tokenizer_of = lru_cache(self._make_tokenizer)
        # the test model knows 140 words, and languages that it has never heard
        self._is_test_model = whole_windows

    def decode(self, samples: Samples, language: str | None) -> Decoded:
        """Decodes again, with a longer window, what was not clear; the likelier text counts."""
        features = self._model.feature_extractor(samples)
        first, *longer = self._window_sizes(features.shape[1])
        best = self._decode_window(features, first, language)
        for frames in longer:
            if best.is_clear or best.is_no_speech:
                break
            found = self._decode_window(features, frames, language)
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
        sizes = {min(WHOLE_FRAMES, (max(one, needed) + 7) // 8 * 8) for one in self._windows}
        return sorted(sizes)

    def _decode_window(self, features: Samples, frames: int, language: str | None) -> Decoded:
        sound = features[:, :frames]
        window = np.pad(sound, ((0, 0), (0, frames - sound.shape[1])))
        encoded = self._model.encode(window.astype(np.float32))
        shares = self._rank_languages(encoded)
        language = language or next(iter(shares))
        tokenizer = self._tokenizer_of(language)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        most = SPARE_TOKENS + TOKENS_PER_S * sound.shape[1] // FRAMES_PER_S
        found = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=min(len(prompt) + most, self._model.max_length),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=list(get_suppressed_tokens(tokenizer, [-1]) or ()),
        )[0]
        tokens = found.sequences_ids[0]
        text = tokenizer.decode(tokens).strip()
        return Decoded(
            text=text,
            language=language,
            language_share=shares.get(language, 0.0),
            likeliest_language=next(iter(shares)),
            tokens=tokens,
            # the score is a mean over the tokens; the end of the text counts as one
            logprob=found.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech=found.no_speech_prob,
            compression=get_compression_ratio(text) if text else 0.0,
            cut=len(tokens) >= most,
            encoded=encoded,
            frames=frames,
        )

    def _rank_languages(self, encoded: ctranslate2.StorageView) -> dict[str, float]:
        """The probability of each language, the likeliest first."""
        if self._is_test_model or not self._model.model.is_multilingual:
            return {"en": 1.0}
        ranked = self._model.model.detect_language(encoded)[0]
        return {str(token).strip("<|>"): share for token, share in ranked}

    def _make_tokenizer(self, language: str) -> Tokenizer:
        return Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=language,
        )


def is_better(found: Decoded, before: Decoded) -> bool:
    """Whether the text of a longer window is better. A loop is likely, and worth nothing."""
    if has_repeating_words(found.text) != has_repeating_words(before.text):
        return has_repeating_words(before.text)
    return before.cut or found.logprob > before.logprob


def is_rare(word: str, tokenizer: Tokenizer) -> bool:
    """Whether the model may not know a word. It has the common ones whole.

    But it has " t" as a token of its own, with which common words begin, too.
    """
    known = 2 if word[:1] in "tT" else 1
    return len(tokenizer.encode(f" {word}")) > known
