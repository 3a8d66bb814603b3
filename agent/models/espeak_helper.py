"""eSpeak NG behind two pipes. Runs as a script in a process of its own: the library is GPL-3.0.

Each frame on stdin is 4 bytes of length (big endian) and JSON: `{"id", "text", "voice",
"rate_wpm"}` or `{"cancel": id}`. Each frame on stdout is a kind (1 byte), an id (4 bytes), a
length (4 bytes) and a body:

R  the library is ready; id 0, the body is its sample rate as text
A  audio of a request, int16 mono
E  the end of a request
X  a failed request, or no library (id 0); the body is a message

The process ends when its stdin does.
"""

import ctypes
import json
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

Request = dict[str, Any]

READY, AUDIO, END, FAILED = b"R", b"A", b"E", b"X"  # kinds of frames on stdout
FRAME_HEAD = struct.Struct("!cII")  # of a frame on stdout: kind, id, length

SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback
DONT_EXIT = 0x8000  # else the library ends the process if its data is missing
RATE_PARAMETER = 1
UTF8_WITH_END_PAUSE = 1 | 0x1000
SYSTEM_LIBRARIES = ("libespeak-ng.so.1", "libespeak-ng.so", "libespeak-ng.1.dylib", "espeak-ng.dll")

Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class VoiceRecord(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class FrameWriter:
    """Writes frames to the parent. Not safe for several threads at once."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def send_frame(self, kind: bytes, number: int, body: bytes = b"") -> None:
        self._pipe.write(FRAME_HEAD.pack(kind, number, len(body)) + body)
        self._pipe.flush()


class Voice:
    def __init__(self, library: ctypes.CDLL, answers: FrameWriter) -> None:
        self._library = library
        self._answers = answers
        self._number = 0
        self._cancelled: set[int] = set()
        # kept in a field, because the library has only its address
        self._callback = Callback(self._on_samples)
        library.espeak_SetSynthCallback(self._callback)
        library.espeak_GetCurrentVoice.restype = ctypes.POINTER(VoiceRecord)

    def cancel_request(self, number: int) -> None:
        """Stops a request, or skips it if it has not started. Safe from any thread."""
        self._cancelled.add(number)

    def synthesise_request(self, request: Request) -> None:
        self._number = number = request["id"]
        if not self._select_voice(request["voice"].encode()):
            self._answers.send_frame(FAILED, number, f"no voice {request['voice']!r}".encode())
            return
        self._library.espeak_SetParameter(RATE_PARAMETER, request["rate_wpm"], 0)
        text = request["text"].replace("\0", " ").encode()
        size = ctypes.c_size_t(len(text) + 1)
        flags = UTF8_WITH_END_PAUSE
        if number not in self._cancelled:
            self._library.espeak_Synth(text, size, 0, 1, 0, flags, None, None)
            self._library.espeak_Synchronize()
        self._cancelled.discard(number)
        self._answers.send_frame(END, number)

    def _select_voice(self, voice: bytes) -> bool:
        """Selects a voice by name (`en-us`) or by language (`en-gb`)."""
        if self._library.espeak_SetVoiceByName(voice) == 0:
            return True
        self._library.espeak_SetVoiceByProperties(ctypes.byref(VoiceRecord(languages=voice)))
        found: bytes = self._library.espeak_GetCurrentVoice().contents.languages or b""
        # a byte of priority comes first; any other language is only the nearest match
        return found[1:] == voice

    def _on_samples(self, samples: Any, count: int, _events: Any) -> int:
        if self._number in self._cancelled:
            return 1
        if samples and count > 0:
            self._answers.send_frame(AUDIO, self._number, ctypes.string_at(samples, count * 2))
        return 0


def library_paths() -> Iterator[tuple[str, bytes | None]]:
    for name in SYSTEM_LIBRARIES:
        yield name, None
    try:
        import espeakng_loader
    except ImportError:
        return
    yield espeakng_loader.get_library_path(), espeakng_loader.get_data_path().encode()


def load_library() -> tuple[ctypes.CDLL, int] | None:
    for path, data in library_paths():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        rate = library.espeak_Initialize(SYNCHRONOUS, 0, data, DONT_EXIT)
        if rate > 0:
            return library, rate
    return None


def read_requests(pipe: BinaryIO) -> Iterator[Request]:
    while len(head := pipe.read(4)) == 4:
        (length,) = struct.unpack("!I", head)
        yield json.loads(pipe.read(length))


def queue_requests_or_exit(
    pipe: BinaryIO, voice: Voice, todo: "queue.SimpleQueue[Request]"
) -> None:
    """Queues texts and cancels requests; ends the process when the parent is gone."""
    try:
        for request in read_requests(pipe):
            if "cancel" in request:
                voice.cancel_request(request["cancel"])
            else:
                todo.put(request)
    finally:
        os._exit(0)


def main() -> int:
    """Serves until stdin ends. Returns 1 if there is no library."""
    # Ctrl-C reaches the whole process group, but the tutor still has to say goodbye
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers = FrameWriter(sys.stdout.buffer)
    loaded = load_library()
    if loaded is None:
        message = "no eSpeak NG: install the system package espeak-ng or the wheel espeakng-loader"
        answers.send_frame(FAILED, 0, message.encode())
        return 1
    library, rate = loaded
    voice = Voice(library, answers)
    answers.send_frame(READY, 0, str(rate).encode())
    todo: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(
        target=queue_requests_or_exit, args=(sys.stdin.buffer, voice, todo), daemon=True
    ).start()
    while True:
        voice.synthesise_request(todo.get())


if __name__ == "__main__":
    sys.exit(main())
