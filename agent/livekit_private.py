"""Every use of undocumented LiveKit APIs. Check this file when LiveKit's version changes.

Three more places depend on LiveKit's internals through inheritance: the stream of
`agent/talk/floor.py` skips the constructor of VADStream, `Worker` in `agent/worker/server.py`
overrides `drain` and `run`, and the outputs of `agent/room/timed_captions.py` replace LiveKit's
TranscriptSynchronizer.

Imports are inside functions, because the forkserver reads PRELOADED_MODULES before anything heavy
loads.
"""

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livekit import rtc

# what LiveKit's worker preloads in its forkserver; keep the last one last
PRELOADED_MODULES = ["livekit.agents.ipc._preload", "livekit.agents.ipc._preload_freeze"]


def skip_end_of_turn_model() -> None:
    """Saves 110 MB: the forkserver would preload a model that we do not use."""
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")


def skip_search_for_blocking_code() -> None:
    """Saves 100 wake-ups a second in each process: LiveKit would watch the loop by a thread.

    Our metric `bodh_loop_lag_seconds` shows that a loop is late. To see in the log which code
    blocks it, set the variable to 100.
    """
    os.environ.setdefault("LIVEKIT_AGENTS_LOOP_BLOCK_WARN_MS", "0")


def trust_bundled_certificates() -> None:
    """Makes a job trust certifi's authorities if the system has none.

    LiveKit's worker does it for its jobs, but after our forkserver has started.
    """
    from livekit.agents.utils import http_context

    http_context._set_default_cert_env()


def load_certificates() -> None:
    """Reads the authorities once, for all jobs that are forked from here: it takes 80 ms of CPU."""
    from livekit.agents.utils import http_context

    trust_bundled_certificates()
    http_context._create_ssl_context()


def has_early_audio(publication: Any) -> bool:
    from livekit.rtc._proto.track_pb2 import AudioTrackFeature

    return AudioTrackFeature.TF_PRECONNECT_BUFFER in publication.audio_features


def ignore_unknown_streams_quietly() -> None:
    """Drops the log line that the SDK writes for every stream on a topic that nobody reads."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("ignoring text stream", "ignoring byte stream"))

    logging.getLogger().addFilter(is_wanted)  # the SDK logs to the root logger


def limit_stream_size(room: "rtc.Room", max_bytes: int) -> None:
    """Refuses data streams that inflate beyond `max_bytes`; `JobContext.connect` has no option."""
    from livekit import rtc

    connect = room.connect

    async def connect_with_limit(url: str, token: str, options: rtc.RoomOptions) -> None:
        limits = rtc.DataStreamOptions(max_payload_byte_length=max_bytes)
        await connect(url, token, replace(options, data_stream=limits))

    room.connect = connect_with_limit  # type: ignore[method-assign,assignment]
