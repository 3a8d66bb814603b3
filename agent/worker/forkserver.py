"""The process that job processes are forked from.

It starts before the worker imports anything heavy, so that both import at the same time: a
restarted worker is ready two seconds sooner.
"""

import multiprocessing.forkserver
import os
import sys

from agent.livekit_private import (
    PRELOADED_MODULES,
    skip_end_of_turn_model,
    skip_search_for_blocking_code,
)
from agent.worker.deadline import prepare_deadline_file
from settings import Settings


def set_job_environment(settings: Settings) -> None:
    """Sets what job processes inherit; LiveKit's API client in a job reads it from there."""
    os.environ["LIVEKIT_URL"] = settings.livekit_internal_url
    os.environ["LIVEKIT_API_KEY"] = settings.livekit_api_key
    os.environ["LIVEKIT_API_SECRET"] = settings.livekit_api_secret.get_secret_value()
    skip_end_of_turn_model()
    skip_search_for_blocking_code()
    prepare_deadline_file(settings)


def start_forkserver() -> None:
    """Returns at once. Outside Linux, LiveKit spawns its job processes."""
    if sys.platform == "linux":
        multiprocessing.forkserver.set_forkserver_preload(
            ["agent.worker.server", "agent.worker.warm_start", *PRELOADED_MODULES]
        )
        multiprocessing.forkserver.ensure_running()
