"""A participant who does everything a token allows, in a process of its own.

`python -m harness.attacker` reads a join ticket as JSON, then a word per line: `hostile`,
`harmless` or `quiet`. If harmless, it sends as much sound and data, but none that the tutor reads.
The process takes at most half of a core.
"""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, get_args
from uuid import UUID

import numpy as np
from livekit import rtc

from agent.models.espeak import RATE as VOICE_RATE
from harness.voices import resampled, synthesise_cached

Mode = Literal["hostile", "harmless", "quiet"]

CORE_SHARE = 0.5
RATE = 16_000
FRAME = RATE // 50
SPEECH = "i do not understand the learning rate and the loss, please tell me more about it again"
QUESTIONS = (
    "What is machine learning?",
    "Summarise this lesson",
    ")a" * 2000,
    "what did i just say",
)
EARLY_TOPIC = "lk.agent.pre-connect-audio-buffer"
KEPT_OPEN = 200  # unfinished streams; more would only slow down the attacker
CALL_S = 2.0


class Attacker:
    def __init__(self, ticket: dict[str, Any], speech: np.ndarray) -> None:
        self.mode: Mode = "quiet"
        self.room = rtc.Room()
        self._ticket = ticket
        self._lessons: list[str] = ticket["lessons"]
        self._speech = speech
        self._hum = _hum(len(speech))
        self._open: list[Any] = []
        self._count = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = (time.monotonic(), time.process_time())

    async def run(self) -> None:
        await self.room.connect(self._ticket["server_url"], self._ticket["participant_token"])
        attacks = [
            self._send_data,
            self._send_streams,
            self._send_calls,
            self._pose_as_tutor,
            self._send_typed_turns,
        ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_endless_speech())
            tasks.create_task(self._switch_tracks())
            for attack in attacks:
                tasks.create_task(self._repeat_attack(attack))

    def change_mode(self, mode: Mode) -> None:
        self.mode = mode
        self._began = (time.monotonic(), time.process_time())

    @property
    def _hostile(self) -> bool:
        return self.mode == "hostile"

    async def _repeat_attack(self, attack: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._wait_for_cpu_share()
            if self.mode != "quiet":
                # whatever the servers refuse, it goes on
                with contextlib.suppress(Exception):
                    await attack()
            await asyncio.sleep(0.005)

    async def _wait_for_cpu_share(self) -> None:
        """Waits until this process has used less than its share of a core."""
        began, used_before = self._began
        used = time.process_time() - used_before
        await asyncio.sleep(max(0.0, used / CORE_SHARE - (time.monotonic() - began)))

    async def _send_data(self) -> None:
        local, number = self.room.local_participant, next(self._count)
        lesson_id = self._lessons[number % len(self._lessons)]
        payloads = [
            ("lesson.change", json.dumps({"type": "lesson.change", "lessonId": lesson_id})),
            ("lesson.change", "{" * 1000),
            ("answer.planned", json.dumps({"segmentId": "1-1", "text": "x" * 1000})),
            ("unknown", "x" * 1000),
        ]
        for topic, payload in payloads:
            await local.publish_data(
                payload,
                topic=topic if self._hostile else "noise",
                destination_identities=self._list_agents(),
            )

    async def _send_streams(self) -> None:
        """Streams that never end, on every topic; and one that claims to be somebody's sound."""
        local, agents = self.room.local_participant, self._list_agents()
        for topic in ("lk.chat", "lk.transcription", "lk.agent.session", "unknown"):
            topic = topic if self._hostile else "noise"
            text = await local.stream_text(topic=topic, destination_identities=agents)
            await text.write("x" * 14_000)
            self._open.append(text)
        topic = EARLY_TOPIC if self._hostile else "noise"
        sound = await local.stream_bytes(
            name="sound",
            topic=topic,
            destination_identities=agents,
            attributes={"trackId": self._foreign_track(), "sampleRate": str(RATE), "channels": "1"},
            mime_type="audio/pcm",
        )
        await sound.write(self._speech.tobytes()[:60_000])
        await sound.aclose()
        while len(self._open) > KEPT_OPEN:
            await self._open.pop(0).aclose()
        await asyncio.sleep(0.05)

    async def _send_calls(self) -> None:
        number = next(self._count)
        lesson_id = self._lessons[number % len(self._lessons)]
        calls: list[tuple[str, dict[str, Any]]] = [
            ("lesson.change", {"type": "lesson.change", "lessonId": lesson_id}),
            ("speech.stop", {}),
            ("speech.set", {"rate": 0.5 if number % 2 else 2.0}),
            ("unknown", {}),
        ]
        for method, payload in calls:
            self._spawn(self._call_agent(method if self._hostile else "noise", payload))
        await asyncio.sleep(0.05)

    async def _call_agent(self, method: str, payload: dict[str, Any]) -> None:
        for agent in self._list_agents()[:1]:
            with contextlib.suppress(Exception):
                await self.room.local_participant.perform_rpc(
                    destination_identity=agent,
                    method=method,
                    payload=json.dumps(payload),
                    response_timeout=CALL_S,
                )

    async def _pose_as_tutor(self) -> None:
        """Claims to be the tutor, and not to be stored or to be another learner."""
        local = self.room.local_participant
        attributes = {"lk.agent.state": "speaking", "lk.publish_on_behalf": "a_1"}
        metadata = json.dumps({"agent_type": "bodh-agent", "userId": str(UUID(int=7))})
        self._spawn(_await_quietly(local.set_attributes(attributes if self._hostile else {})))
        self._spawn(_await_quietly(local.set_metadata(metadata if self._hostile else "noise")))
        await asyncio.sleep(0.5)

    async def _send_typed_turns(self) -> None:
        text = QUESTIONS[next(self._count) % len(QUESTIONS)]
        topic = "lk.chat" if self._hostile else "noise"
        await self.room.local_participant.send_text(text, topic=topic)
        await asyncio.sleep(0.1)

    async def _publish_endless_speech(self) -> None:
        """A microphone that talks without a pause, or hums."""
        source = rtc.AudioSource(RATE, 1, queue_size_ms=200)
        await self._publish_track(source, rtc.TrackSource.SOURCE_MICROPHONE)
        for at in itertools.count():
            if self.mode == "quiet":
                samples = np.zeros(FRAME, np.int16)
            else:
                sound = self._speech if self._hostile else self._hum
                start = at * FRAME % (len(sound) - FRAME)
                samples = sound[start : start + FRAME]
            await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME))

    async def _switch_tracks(self) -> None:
        """Publishes and removes other tracks, with the same sound."""
        while True:
            await asyncio.sleep(1.0)
            if self.mode == "quiet":
                continue
            with contextlib.suppress(Exception):
                kind = rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO
                publication = await self._publish_track(rtc.AudioSource(RATE, 1), kind)
                await asyncio.sleep(0.5)
                await self.room.local_participant.unpublish_track(publication.sid)

    async def _publish_track(self, source: rtc.AudioSource, kind: Any) -> rtc.LocalTrackPublication:
        track = rtc.LocalAudioTrack.create_audio_track("sound", source)
        options = rtc.TrackPublishOptions(source=kind)
        return await self.room.local_participant.publish_track(track, options)

    def _list_agents(self) -> list[str]:
        people = self.room.remote_participants.values()
        agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return [one.identity for one in people if one.kind == agent]

    def _foreign_track(self) -> str:
        people = self.room.remote_participants.values()
        tracks = (sid for one in people for sid in one.track_publications)
        return next(tracks, "TR_none")

    def _spawn(self, work: Any) -> None:
        if len(self._tasks) < 100:
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            work.close()


def _hum(length: int) -> np.ndarray:
    """As loud as speech, but none."""
    return (3000 * np.sin(2 * np.pi * 100 * np.arange(length) / RATE)).astype(np.int16)


async def _await_quietly(work: Awaitable[Any]) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(work, CALL_S)


async def _follow_commands(attacker: Attacker, lines: asyncio.StreamReader) -> None:
    """Until the end of the input."""
    while line := (await lines.readline()).decode().strip():
        for mode in get_args(Mode):
            if mode == line:
                attacker.change_mode(mode)


async def main() -> None:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    ticket = json.loads(await lines.readline())
    speech = resampled(await synthesise_cached(SPEECH), VOICE_RATE, RATE)
    attacker = Attacker(ticket, speech)
    attack = asyncio.create_task(attacker.run())
    commands = asyncio.create_task(_follow_commands(attacker, lines))
    await asyncio.wait({attack, commands}, return_when=asyncio.FIRST_COMPLETED)
    attack.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attack


if __name__ == "__main__":
    asyncio.run(main())
