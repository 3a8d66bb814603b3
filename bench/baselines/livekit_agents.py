"""A worker of plain livekit-agents beside a running Bodh, on the same livekit-server."""

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from livekit import api

from bench.baselines.plain_options import AGENT_NAME, PlainOptions
from harness.stack import ROOT, Stack, stop_process
from settings import Settings

IDENTITY = "l_bench"
START_S = 90.0
STOP_S = 30.0


@dataclass(frozen=True)
class PlainWorker:
    pid: int
    log: Path
    settings: Settings

    @contextlib.asynccontextmanager
    async def room(self, identity: str = IDENTITY) -> AsyncIterator[dict[str, str]]:
        """Creates a room with an agent. Yields a ticket for `Learner.join_with_ticket`."""
        name = f"plain-{uuid.uuid4()}"
        async with open_livekit_api(self.settings) as livekit:
            agents = [api.RoomAgentDispatch(agent_name=AGENT_NAME)]
            await livekit.room.create_room(api.CreateRoomRequest(name=name, agents=agents))
            try:
                yield self._make_ticket(name, identity)
            finally:
                await delete_room(self.settings, name)

    def _make_ticket(self, room: str, identity: str) -> dict[str, str]:
        secret = self.settings.livekit_api_secret.get_secret_value()
        token = (
            api.AccessToken(self.settings.livekit_api_key, secret)
            .with_identity(identity)
            .with_grants(api.VideoGrants(room_join=True, room=room))
        )
        return {
            "server_url": self.settings.livekit_client_url,
            "participant_token": token.to_jwt(),
            "room_name": room,
            "session_id": "",
        }


@contextlib.contextmanager
def running_plain_worker(stack: Stack, options: PlainOptions) -> Iterator[PlainWorker]:
    """Starts it, and yields once it is registered. Raises RuntimeError if that fails."""
    settings = stack.settings
    environment = {
        **os.environ,
        **options.to_environment(),
        "LIVEKIT_URL": f"ws://127.0.0.1:{stack.environment['LIVEKIT_PORT']}",
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
        "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    path = stack.home / "log" / "plain.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.baselines.livekit_agents_worker", "start"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_registered(process, path)
            yield PlainWorker(process.pid, path, settings)
        finally:
            stop_process(process, STOP_S)


def _wait_until_registered(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while b"registered worker" not in log.read_bytes():
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"the plain worker did not register:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


async def delete_room(settings: Settings, room: str) -> None:
    """Does nothing if the room does not exist."""
    async with open_livekit_api(settings) as livekit:
        with contextlib.suppress(api.ServerError):
            await livekit.room.delete_room(api.DeleteRoomRequest(room=room))


def open_livekit_api(settings: Settings) -> api.LiveKitAPI:
    return api.LiveKitAPI(
        settings.livekit_internal_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
    )
