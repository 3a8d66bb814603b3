"""What a bench ran on: the machine, and the versions of what was measured."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.result import Line
from harness.stack import ROOT

PACKAGES = (
    "livekit-agents", "livekit", "faster-whisper", "ctranslate2", "piper-tts", "onnxruntime",
    "numpy",
)  # fmt: skip


def describe_machine() -> Line:
    """`load` is the load average before the bench began."""
    return {
        "cores": os.cpu_count(),
        "cpu": read_cpu_model(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
    }


def read_cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def list_versions() -> Line:
    """Versions of Bodh (the commit, with `+` if files have changed), Python and the packages."""
    found = {"bodh": read_commit(), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_commit() -> str:
    commit = _run_git("rev-parse", "--short", "HEAD")
    # `bench all` rewrites its page as it goes, which does not change what is measured
    changes = _run_git("status", "--porcelain", "--", ".", ":!docs/benchmarks*")
    return f"{commit}+" if changes else commit


def _run_git(*arguments: str) -> str:
    """Empty if the folder is not a checkout or git is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
