"""What must never be in a tracked file: credentials, addresses of real hosts."""

import ipaddress
import math
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEYS = {
    "a LiveKit API key": re.compile(r"\bAPI(?=[A-Za-z]*\d)[A-Za-z0-9]{10,}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a cloud key": re.compile(r"\b(AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9]{20,}|ghp_[A-Za-z0-9]{30,})\b"),
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
}
IPV4 = re.compile(r"(?<![\d.=])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
WORD = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
RANDOM_BITS = (
    4.3  # per character; English and identifiers are below 4, base64 of a secret above 4.5
)
HASHED = re.compile(r"(^|/)(requirements[\w-]*\.lock|package-lock\.json)$|^speech/whisper-lecture/")


def tracked_text() -> Iterator[tuple[str, str]]:
    """Path and text of each tracked text file that is still there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        try:
            yield name, (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def findings(text: str) -> list[str]:
    """What looks like a credential or like the address of a real host."""
    found = [label for label, pattern in KEYS.items() if pattern.search(text)]
    found += [f"address {word}" for word in IPV4.findall(text) if is_public(word)]
    return found + [f"random text {word[:8]}" for word in WORD.findall(text) if is_random(word)]


def is_public(address: str) -> bool:
    """False for private, documentation and other reserved addresses, and for other text."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def is_random(word: str) -> bool:
    """Whether a long word mixes cases and digits as evenly as a generated secret does."""
    kinds = (str.isdigit, str.isupper, str.islower)
    if not all(any(kind(letter) for letter in word) for kind in kinds):
        return False
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares) >= RANDOM_BITS


def test_no_tracked_file_contains_a_credential_or_a_public_address() -> None:
    wrong = [
        f"{name}: {finding}"
        for name, text in tracked_text()
        if not HASHED.search(name)
        for finding in findings(text)
    ]
    assert wrong == []


def test_no_lock_file_names_a_host() -> None:
    named = {name for name, text in tracked_text() if name.endswith(".lock") and "://" in text}
    npm = {name: text for name, text in tracked_text() if name.endswith("package-lock.json")}
    resolved = {name for name, text in npm.items() if '"resolved"' in text}
    assert named | resolved == set()


@pytest.mark.parametrize(
    "planted",
    [
        "key = 'API" + "x7Kq2mVb9ZtR'",
        "host = '8.8" + ".4.4'",
        "secret: Zk3vQ9xW" + "7mT2pL8dR4nB6yH1cJ5sF0gK",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
    ],
)
def test_scan_finds_planted_secrets(planted: str) -> None:
    assert len(findings(planted)) == 1
