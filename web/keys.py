"""The identity provider's public keys, cached. A known key is used without waiting for a fetch.

Anybody can send a token with an unknown key id. So keys are fetched in a task of their own, seldom,
and only the sender of such a token waits for it, and not for long.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from web.errors import SignInUnavailable

MAX_AGE_S = 600.0  # after this, the next use starts a fetch
PAUSE_S = 10.0  # between two fetches
FETCH_S = 5.0
WAIT_S = 2.0  # how long a request waits for a fetch
UNKNOWN_S = 60.0  # how long a key id that the provider does not have is refused at once
MAX_UNKNOWN = 1000
MAX_KEYS = 50
MAX_KID = 256  # characters
MIN_RSA_BITS = 2048

# RSA keys fit all of these; the curve of any other key decides
RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVES = {
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
    ("OKP", "Ed448"): "EdDSA",
}
ASYMMETRIC = RSA | set(CURVES.values())

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublicKey:
    """`kid` is None for a key without id. The algorithms are those it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    jwk: tuple[tuple[str, str], ...]

    def fits(self, kid: str | None, algorithm: str) -> bool:
        """A token or a key without an id fits all."""
        return algorithm in self.algorithms and (kid is None or self.kid is None or kid == self.kid)


class ProviderKeys:
    """Needs a running event loop. `fetch` returns the provider's JWK set, or raises."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Mapping[str, Any]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: list[PublicKey] = []
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._unknown: dict[str, float] = {}  # key id -> when it was looked for

    async def aclose(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def list_matching_or_start_fetch(self, header: Mapping[str, Any]) -> list[jwt.PyJWK]:
        """The cached keys that may have signed a token. Starts a fetch if the cache is old."""
        if self._fetched_at is None or self._clock() - self._fetched_at > MAX_AGE_S:
            self.start_fetch()
        kid, algorithm = _kid_and_algorithm(header)
        fitting = [key for key in self._keys if key.fits(kid, algorithm)]
        return [_make_pyjwk(key.jwk, algorithm) for key in fitting]

    def start_fetch(self, *, pause_s: float = PAUSE_S) -> None:
        """Starts a fetch, unless one is running or the last one was less than a pause ago."""
        now = self._clock()
        if self._fetching is not None or (
            self._tried_at is not None and now - self._tried_at < pause_s
        ):
            return
        self._tried_at = now
        self._fetching = asyncio.create_task(self._fetch_keys())

    async def wait_for_key(self, header: Mapping[str, Any], *, pause_s: float = PAUSE_S) -> None:
        """Waits for a fetch that may bring the key of a token.

        Returns at once for a key id that was looked for recently, or if no fetch may start now.
        Raises SignInUnavailable if no fetch has ever succeeded.
        """
        kid, _ = _kid_and_algorithm(header)
        if pause_s and kid is not None and self._is_unknown(kid):
            return
        asked_at = self._clock()
        self.start_fetch(pause_s=pause_s)
        if self._fetching is not None:
            await asyncio.wait({self._fetching}, timeout=WAIT_S)
        if self._fetched_at is None:
            raise SignInUnavailable
        # a fetch that began earlier may have missed a key published since
        if kid is not None and self._fetched_at >= (self._tried_at or 0.0) >= asked_at:
            self._note_unknown(kid)

    def _is_unknown(self, kid: str) -> bool:
        return self._clock() - self._unknown.get(kid, -UNKNOWN_S) < UNKNOWN_S

    def _note_unknown(self, kid: str) -> None:
        self._unknown[kid] = self._clock()
        if len(self._unknown) > MAX_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]

    async def _fetch_keys(self) -> None:
        """Replaces the cached keys, or keeps them if the provider does not respond."""
        try:
            async with asyncio.timeout(FETCH_S):
                keys = list(parse_keys(await self._fetch()))
        except Exception as error:  # noqa: BLE001 whatever the provider does, its old keys stay
            logger.warning("keys not fetched", extra={"kind": type(error).__name__})
        else:
            self._keys, self._fetched_at = keys, self._clock()
        finally:
            self._fetching = None


def parse_keys(document: Mapping[str, Any]) -> Iterable[PublicKey]:
    """The keys of a JWK set that verify signatures. Leaves out those it cannot use."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("not a JWK set")
    for jwk in listed[:MAX_KEYS]:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        texts = tuple(sorted((k, v) for k, v in jwk.items() if isinstance(v, str)))
        algorithms = _usable_algorithms(dict(texts))
        try:
            for algorithm in algorithms:
                _make_pyjwk(texts, algorithm)
        except jwt.PyJWTError:
            continue
        if algorithms:
            yield PublicKey(dict(texts).get("kid"), algorithms, texts)


def _usable_algorithms(jwk: Mapping[str, str]) -> frozenset[str]:
    """Those that fit the type of the key; only the one it names, if it names one."""
    if jwk.get("kty") == "RSA":
        weak = 6 * len(jwk.get("n", "").rstrip("=")) < MIN_RSA_BITS
        possible = frozenset() if weak else RSA
    else:
        curve = CURVES.get((jwk.get("kty", ""), jwk.get("crv", "")))
        possible = frozenset({curve} if curve else ())
    named = jwk.get("alg")
    if named in ("Ed25519", "Ed448"):  # the newer names
        named = "EdDSA"
    return possible if named is None else possible & {named}


@lru_cache(maxsize=4 * MAX_KEYS)
def _make_pyjwk(jwk: tuple[tuple[str, str], ...], algorithm: str) -> jwt.PyJWK:
    """Raises PyJWTError for a key that is not valid."""
    return jwt.PyJWK(dict(jwk), algorithm)


def _kid_and_algorithm(header: Mapping[str, Any]) -> tuple[str | None, str]:
    """Key id and algorithm of a token. Raises PyJWTError for values that no provider sends."""
    kid, algorithm = header.get("kid"), header.get("alg")
    if kid is not None and len(kid) > MAX_KID:
        raise jwt.InvalidKeyError("kid")
    if algorithm not in ASYMMETRIC:
        raise jwt.InvalidAlgorithmError("alg")
    return kid, algorithm
