"""Word error rates, with bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from bench.result import percentile
from courses.lexemes import normalise

RESAMPLES = 2_000


@dataclass(frozen=True)
class Counted:
    """Errors (words wrong, missing or too many) and words said, of one sentence."""

    errors: int
    words: int


@dataclass(frozen=True)
class Compared:
    """Error rates in percent, and ours minus theirs in points with its 95 % interval."""

    ours: float
    theirs: float
    more: float
    more_low: float
    more_high: float
    sentences: int


def count_errors(said: str, heard: str) -> Counted:
    """Case, punctuation and contractions do not count."""
    words = normalise(said).split()
    return Counted(Levenshtein.distance(words, normalise(heard).split()), len(words))


def resample_rates(counted: Sequence[Counted]) -> npt.NDArray[np.float64]:
    """Error rates in percent of bootstrap samples; the same sentences in the same order.

    So the difference of two of them, element by element, is that of paired samples.
    """
    errors = np.array([one.errors for one in counted])
    words = np.array([one.words for one in counted])
    picked = np.random.default_rng(1).integers(0, len(counted), (RESAMPLES, len(counted)))
    rates: npt.NDArray[np.float64] = 100 * errors[picked].sum(axis=1) / words[picked].sum(axis=1)
    return rates


def error_rate(counted: Sequence[Counted]) -> float:
    """In percent of all words said."""
    return 100 * sum(one.errors for one in counted) / sum(one.words for one in counted)


def compare(ours: Sequence[Counted], theirs: Sequence[Counted]) -> Compared:
    more = resample_rates(ours) - resample_rates(theirs)
    return Compared(
        ours=error_rate(ours),
        theirs=error_rate(theirs),
        more=error_rate(ours) - error_rate(theirs),
        more_low=float(percentile(more, 0.025)),
        more_high=float(percentile(more, 0.975)),
        sentences=len(ours),
    )
