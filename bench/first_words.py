"""First words: time to the greeting and to an answer, and what they cost in CPU."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from livekit import api

from bench.figures import cpu_between, cpu_s, format_row
from harness.learner import Account, Learner
from harness.stack import ROOT, Stack, running_stack
from settings import Settings

PHRASE = "what is machine learning"


@dataclass
class Measured:
    """Seconds of every run, and CPU seconds over the room-seconds measured."""

    greeting: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    room_s: float = 0.0


async def run_benchmark(runs: int) -> None:
    """Measures our worker and the plain one in the same run, alternately."""
    with running_stack() as stack, running_plain_worker(stack) as plain:
        settings = stack.settings
        account = await Account(stack.url, "Bench").sign_in()
        course = await account.get_course()
        ours, theirs = Measured(), Measured()
        lab = _Measurement(stack, settings, account, course["modules"][0]["id"], course["id"])
        await asyncio.sleep(3)
        for number in range(1, runs + 1):
            await lab.measure_ours(ours)
            await lab.measure_plain(theirs, plain.pid)
            print(
                f"run {number} of {runs}: greeting {ours.greeting[-1]:.2f} s, plain"
                f" {theirs.greeting[-1]:.2f} s; answer {ours.answer[-1]:.2f} s, plain"
                f" {theirs.answer[-1]:.2f} s",
                flush=True,
            )
        await account.close()
        log = stack.home / "log" / "agent.log"
        for name, figures, lines in (
            ("bodh", ours, log.read_text().splitlines()),
            ("plain livekit-agents worker", theirs, plain_log_path(stack).read_text().splitlines()),
        ):
            print_report(name, figures, lines)


def print_report(name: str, figures: Measured, log: list[str]) -> None:
    print(f"\n{name}")
    print(format_row("room asked for -> first sound of the greeting", figures.greeting))
    print(format_row("end of speech -> first sound of the answer", figures.answer))
    print(format_row("  end of speech -> final caption at the learner", figures.final))
    parts = {
        "  end of turn (end_of_turn_delay)": "end_of_turn_delay",
        "  text (llm_node_ttft)": "llm_node_ttft",
        "  first audio (tts_node_ttfb)": "tts_node_ttfb",
    }
    turns = [json.loads(line) for line in log if '"message": "turn"' in line]
    for label, key in parts.items():
        print(format_row(label, [turn[key] for turn in turns if key in turn]))
    for part, seconds in figures.cpu.items():
        print(f"CPU of {part:<37} {1000 * seconds / max(figures.room_s, 1e-9):7.0f} ms/room-s")


class _Measurement:
    def __init__(
        self, stack: Stack, settings: Settings, account: Account, module: str, course: str
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._account = account
        self._module = module
        self._room = f"{course}-{module}"

    async def measure_ours(self, figures: Measured) -> None:
        await self._delete_room(self._room)
        learner = Learner(self._account)
        asked = time.monotonic()
        ticket = await self._account.request_join_ticket(self._module)
        pids = {
            "server": self._stack.pids("livekit-server"),
            "worker": self._stack.pids("agent start"),
            "speech engine": self._stack.pids("-m speech"),
        }
        await self._measure_conversation(learner, ticket, asked, figures, pids)

    async def measure_plain(self, figures: Measured, worker: int) -> None:
        name = f"plain-{uuid.uuid4()}"
        asked = time.monotonic()
        async with self._open_livekit_api() as livekit:
            await livekit.room.create_room(
                api.CreateRoomRequest(
                    name=name, agents=[api.RoomAgentDispatch(agent_name="plain-agent")]
                )
            )
        token = (
            api.AccessToken(
                self._settings.livekit_api_key,
                self._settings.livekit_api_secret.get_secret_value(),
            )
            .with_identity("l_bench")
            .with_grants(api.VideoGrants(room_join=True, room=name))
        )
        ticket = {
            "server_url": self._settings.livekit_client_url,
            "participant_token": token.to_jwt(),
            "room_name": name,
            "session_id": "",
        }
        pids = {"server": self._stack.pids("livekit-server"), "worker": [worker]}
        await self._measure_conversation(Learner(self._account), ticket, asked, figures, pids)
        await self._delete_room(name)

    async def _measure_conversation(
        self,
        learner: Learner,
        ticket: dict[str, str],
        asked: float,
        figures: Measured,
        pids: dict[str, list[int]],
    ) -> None:
        before = {part: cpu_s(found) for part, found in pids.items()}
        began = time.monotonic()
        await learner.join_with_ticket(ticket)
        heard = await learner.until(lambda: learner.first_sound(asked), 30, "a greeting")
        figures.greeting.append(heard - asked)
        await self._wait_for_silence(learner)
        _, ended = await learner.say(PHRASE)
        caption = await learner.until(
            lambda: next((c for c in learner.own_captions(asked) if c.final), None),
            15,
            "a caption",
        )
        figures.final.append(caption.at - ended)
        answered = await learner.until(lambda: learner.first_sound(ended), 15, "an answer")
        figures.answer.append(answered - ended)
        await self._wait_for_silence(learner)
        figures.room_s += time.monotonic() - began
        for part, found in pids.items():
            spent = cpu_between(before[part], cpu_s(found))
            figures.cpu[part] = figures.cpu.get(part, 0.0) + spent
        await learner.leave()

    async def _wait_for_silence(self, learner: Learner) -> None:
        await learner.until(lambda: time.monotonic() - learner.last_sound() > 1.0, 40, "silence")

    def _open_livekit_api(self) -> api.LiveKitAPI:
        return api.LiveKitAPI(
            self._settings.livekit_internal_url,
            self._settings.livekit_api_key,
            self._settings.livekit_api_secret.get_secret_value(),
        )

    async def _delete_room(self, room: str) -> None:
        async with self._open_livekit_api() as livekit:
            with contextlib.suppress(api.ServerError):
                await livekit.room.delete_room(api.DeleteRoomRequest(room=room))


def plain_log_path(stack: Stack) -> Path:
    return stack.home / "log" / "plain.log"


@contextlib.contextmanager
def running_plain_worker(stack: Stack) -> Iterator["subprocess.Popen[bytes]"]:
    settings = stack.settings
    environment = {
        **os.environ,
        "BODH_HOME": str(stack.home),
        "LIVEKIT_URL": f"ws://127.0.0.1:{stack.environment['LIVEKIT_PORT']}",
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
        "LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE": "0",
        "PYTHONPATH": str(ROOT),
    }
    with plain_log_path(stack).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.plain_worker", "start"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while b"registered worker" not in plain_log_path(stack).read_bytes():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("the plain worker did not register")
                time.sleep(0.2)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
