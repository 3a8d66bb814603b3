"""The console output of `make up`: all logs, each line with its process's name."""

import contextlib
import json
import sys
import threading
from pathlib import Path

from telemetry.log_lines import readable_line

PERIOD_S = 0.2
COLOURS = (36, 32, 33, 35, 34, 31)


def print_to_console(text: str) -> None:
    """Prints, and ignores a closed console."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()


class LogPrinter:
    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._logs = [
            _LogFile(folder / f"{name}.log", _coloured_prefix(name, names)) for name in names
        ]
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow_logs, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _follow_logs(self) -> None:
        while not self._closed.wait(PERIOD_S):
            self._print_new_lines()
        self._print_new_lines()

    def _print_new_lines(self) -> None:
        lines = [line for log in self._logs for line in log.read_new_lines()]
        if lines:
            print_to_console("".join(lines))


class _LogFile:
    def __init__(self, path: Path, prefix: str) -> None:
        self._path = path
        self._prefix = prefix
        self._offset = path.stat().st_size if path.exists() else 0
        self._half = b""

    def read_new_lines(self) -> list[str]:
        """Complete lines since the last call."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # rotated
                    self._offset = 0
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *whole, self._half = (self._half + data).split(b"\n")
        return [
            f"{self._prefix}{readable_log_line(line.decode(errors='replace'))}\n" for line in whole
        ]


def readable_log_line(line: str) -> str:
    try:
        return readable_line(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return line


def _coloured_prefix(name: str, names: tuple[str, ...]) -> str:
    text = f"{name:<{max(map(len, names))}} | "
    if not sys.stdout.isatty():
        return text
    return f"\033[{COLOURS[names.index(name) % len(COLOURS)]}m{text}\033[0m"
