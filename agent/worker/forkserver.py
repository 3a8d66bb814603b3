"""The process that a worker's job processes are forked from.

It is started before the worker has imported anything of weight, so that both do it at the same
time: a worker that died is back two seconds sooner.
"""

import multiprocessing.forkserver
import os
import sys

from agent.worker.deadline import name_file
from settings import Settings

# what LiveKit's worker would have it import, of which the last must remain the last
PRELOAD = [
    "agent.worker.server",
    "livekit.agents.ipc._preload",
    "livekit.agents.ipc._preload_freeze",
]


def set_environment(settings: Settings) -> None:
    """What job processes inherit: the SDK's own API client in a job reads it."""
    os.environ["LIVEKIT_URL"] = settings.livekit_internal_url
    os.environ["LIVEKIT_API_KEY"] = settings.livekit_api_key
    os.environ["LIVEKIT_API_SECRET"] = settings.livekit_api_secret.get_secret_value()
    # the shared end-of-turn model is not used: 110 MB less
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
    name_file(settings)


def start_forkserver() -> None:
    """Returns at once; elsewhere than on Linux LiveKit spawns its job processes."""
    if sys.platform == "linux":
        multiprocessing.forkserver.set_forkserver_preload(PRELOAD)
        multiprocessing.forkserver.ensure_running()
