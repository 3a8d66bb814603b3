"""Measures the event loop inside each agent job, the same way for Bodh and for its baselines.

Python imports this file when it starts, if its folder is on PYTHONPATH. Jobs are forked from a
process that has imported it.
"""

import array
import os
import sys

FOLDER = "BODH_BENCH_LOOP_LAG"  # environment variable: where each job writes its samples
EVERY_S = 0.02
SAMPLES_AT_ONCE = 50


def measure_loops_of_this_job() -> None:
    import asyncio

    make_loop = asyncio.new_event_loop

    def make_measured_loop() -> "asyncio.AbstractEventLoop":
        loop = make_loop()
        loop.call_soon(_measure_lag, loop, array.array("d"), loop.time())
        return loop

    asyncio.new_event_loop = make_measured_loop


def _measure_lag(loop, samples, due):  # type: ignore[no-untyped-def]
    """Writes pairs: when the loop was due to run (monotonic time), and how late it ran."""
    now = loop.time()
    if _has_room():
        samples.extend((due, now - due))
    if len(samples) >= 2 * SAMPLES_AT_ONCE:
        with open(os.path.join(os.environ[FOLDER], str(os.getpid())), "ab") as file:
            samples.tofile(file)
        del samples[:]
    loop.call_at(now + EVERY_S, _measure_lag, loop, samples, now + EVERY_S)


def _has_room() -> bool:
    """A job that waits for a room has not started LiveKit's native layer."""
    native = sys.modules.get("livekit.rtc._ffi_client")
    return native is not None and native.FfiClient._instance is not None


if FOLDER in os.environ:
    os.register_at_fork(after_in_child=measure_loops_of_this_job)
