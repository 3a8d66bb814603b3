"""A learner built on the LiveKit SDK: signs in, joins through the token endpoint, talks."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import numpy as np
from livekit import rtc

import prompts
from agent.models.espeak import RATE as VOICE_RATE
from harness.voices import resampled, synthesise_cached

RATE = 48_000
HEARD_RATE = 16_000
FRAME_SAMPLES = RATE // 50  # 20 ms
FILLER = prompts.render("one_moment").strip()
LOUD_LEVEL = 200.0  # root mean square above which the tutor counts as speaking


@dataclass
class Caption:
    """The latest text of a caption stream; `at` is the monotonic time it arrived."""

    segment_id: str
    identity: str
    text: str
    final: bool
    at: float
    first_at: float


class Account:
    def __init__(self, url: str, name: str, *, role: str = "learner", tenant: str = "") -> None:
        # shorter than the 5 s after which the server closes idle connections
        limits = httpx.Limits(keepalive_expiry=2)
        self.http = httpx.AsyncClient(base_url=url, timeout=30, limits=limits)
        self.name = name
        self._sign_in = {"name": name, "role": role} | ({"tenant": tenant} if tenant else {})

    async def sign_in(self) -> "Account":
        answer = await self.http.post("/auth/dev-login", json=self._sign_in)
        answer.raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        self.http.cookies.clear()
        await self._agree_to_everything()
        return self

    async def _agree_to_everything(self) -> None:
        """Agrees to everything the page asks for, if it asks."""
        asked = (await self.get("/api/me/consents"))["consents"]
        if any(one["isNeeded"] and one["givenAt"] is None for one in asked):
            await self.set_consents(*(one["kind"] for one in asked))

    async def set_consents(self, *kinds: str) -> None:
        asked = (await self.get("/api/me/consents"))["consents"]
        agreed = [
            {"kind": one["kind"], "textHash": one["textHash"]}
            for one in asked
            if one["kind"] in kinds
        ]
        answer = await self.http.put("/api/me/consents", json={"agreed": agreed})
        answer.raise_for_status()

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        answer.raise_for_status()
        return answer.json()

    async def get_course(self) -> dict[str, Any]:
        course: dict[str, Any] = await self.get("/api/courses/ml-intro")
        return course

    async def request_join_ticket(self, module_id: str, lesson_id: str = "") -> dict[str, Any]:
        query = {"courseId": "ml-intro", "moduleId": module_id}
        if lesson_id:
            query["lesson"] = lesson_id
        answer = await self.http.post("/api/livekit/token", params=query, json={})
        assert answer.status_code == 201, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket

    async def transcript(self, session_id: str) -> list[dict[str, Any]]:
        answer = await self.get(f"/api/sessions/{session_id}/transcript?format=json")
        segments: list[dict[str, Any]] = answer["segments"]
        return segments

    async def wait_for_kept_segments(self, session_id: str, count: int) -> list[dict[str, Any]]:
        """The learners' segments, once `count` are stored or 10 s have passed."""
        deadline = time.monotonic() + 10
        while True:
            segments = await self.transcript(session_id)
            said = [one for one in segments if one["role"] == "learner"]
            if len(said) >= count or time.monotonic() > deadline:
                return said
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        await self.http.aclose()


def agents_of(room: rtc.Room) -> list[str]:
    """Identities of the agents in a room, the newest last."""
    agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    return [one.identity for one in room.remote_participants.values() if one.kind == agent]


class Learner:
    """One connection to a room; its microphone always sends speech or silence."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.room = rtc.Room()
        self.captions: dict[str, Caption] = {}
        self.cited: list[dict[str, Any]] = []
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.metadata: list[str] = []
        self.levels: list[tuple[float, float]] = []  # monotonic time, root mean square
        self.sound: list[np.ndarray] = []  # of the tutor, 16 kHz, while `recording`
        self.recording = False
        self.session_id = ""
        self.room_name = ""
        self.changed = asyncio.Event()
        self._speech_queue: asyncio.Queue[
            tuple[np.ndarray, asyncio.Future[tuple[float, float]]]
        ] = asyncio.Queue()
        self._tasks: set[asyncio.Future[None]] = set()
        self._listening: dict[str, asyncio.Future[None]] = {}  # by sid of the track
        self._microphone: tuple[str, asyncio.Future[None]]  # sid, the task that sends its sound

    @property
    def identity(self) -> str:
        return self.room.local_participant.identity

    async def join(
        self, module_id: str, lesson_id: str = "", *, microphone: bool = True
    ) -> "Learner":
        ticket = await self.account.request_join_ticket(module_id, lesson_id)
        return await self.join_with_ticket(ticket, microphone=microphone)

    async def join_with_ticket(
        self, ticket: dict[str, Any], *, microphone: bool = True
    ) -> "Learner":
        self.session_id, self.room_name = ticket["session_id"], ticket["room_name"]
        room = self.room
        room.register_text_stream_handler("lk.transcription", self._on_caption)
        room.on("track_subscribed", self._on_track_subscribed)
        room.on("track_unsubscribed", self._on_track_unsubscribed)
        room.on("data_received", self._on_data)
        room.on(
            "room_metadata_changed",
            lambda _old, new: self._update_and_wake(self.metadata.append, new),
        )
        for event in ("participant_connected", "participant_disconnected", "disconnected"):
            room.on(event, lambda *_: self.changed.set())
        await room.connect(ticket["server_url"], ticket["participant_token"])
        if microphone:
            await self._publish_microphone()
        return self

    async def join_past_greeting(
        self, module_id: str, lesson_id: str = "", *, microphone: bool = True
    ) -> "Learner":
        ticket = await self.account.request_join_ticket(module_id, lesson_id)
        return await self.join_past_greeting_with_ticket(ticket, microphone=microphone)

    async def join_past_greeting_with_ticket(
        self, ticket: dict[str, Any], *, microphone: bool = True
    ) -> "Learner":
        joined = time.monotonic()
        await self.join_with_ticket(ticket, microphone=microphone)
        await self.stop_greeting(joined)
        return self

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.room.disconnect()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def say(self, text: str, **voice: Any) -> tuple[float, float]:
        """Speaks in real time. Returns the monotonic times of the first and last sample."""
        samples = resampled(await synthesise_cached(text, **voice), VOICE_RATE, RATE)
        return await self.play(samples)

    async def play(self, samples: np.ndarray) -> tuple[float, float]:
        said: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
        self._speech_queue.put_nowait((samples, said))
        return await said

    async def replace_microphone(self) -> None:
        """Publishes a second microphone, then unpublishes the first. Nothing may be playing."""
        sid, sending = self._microphone
        sending.cancel()
        await self._publish_microphone()
        await self.room.local_participant.unpublish_track(sid)

    async def type(self, text: str) -> str:
        info = await self.room.local_participant.send_text(text, topic="lk.chat")
        return info.stream_id

    async def rpc(self, method: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Calls the newest agent: one of the room's last session may still be leaving."""
        answer = await self.room.local_participant.perform_rpc(
            destination_identity=self.agents()[-1], method=method, payload=json.dumps(payload)
        )
        result: dict[str, Any] = json.loads(answer)
        return result

    async def data(self, topic: str, payload: dict[str, Any]) -> None:
        await self.room.local_participant.publish_data(json.dumps(payload), topic=topic)

    async def change_lesson(self, lesson_id: str) -> dict[str, Any]:
        answer = await self.account.http.post(
            f"/api/rooms/{self.room_name}/lesson", json={"lessonId": lesson_id}
        )
        answer.raise_for_status()
        lesson: dict[str, Any] = answer.json()
        return lesson

    def agents(self) -> list[str]:
        return agents_of(self.room)

    def tutor_captions(self, after: float = 0.0) -> list[Caption]:
        own = [c for c in self.captions.values() if c.identity.startswith("a_")]
        return sorted((c for c in own if c.first_at > after), key=lambda c: c.first_at)

    def own_captions(self, after: float = 0.0) -> list[Caption]:
        mine = [c for c in self.captions.values() if c.identity == self.identity]
        return sorted((c for c in mine if c.first_at > after), key=lambda c: c.first_at)

    def tutor_speaks(self) -> bool:
        people = self.room.remote_participants
        states = [people[agent].attributes.get("lk.agent.state") for agent in self.agents()]
        return "speaking" in states

    def tutor_text(self, after: float = 0.0) -> str:
        return " ".join(c.text.strip() for c in self.tutor_captions(after))

    async def until(
        self, condition: Callable[[], Any], timeout_s: float = 15.0, what: str = ""
    ) -> Any:
        """Waits for a true value and returns it. Raises AssertionError with what was heard."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            left = deadline - time.monotonic()
            if left <= 0:
                heard = [(c.identity[:12], c.final, c.text) for c in self.captions.values()]
                raise AssertionError(f"{what or 'it'} did not happen in {timeout_s} s: {heard}")
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), min(left, 0.25))
        return value

    async def tutor_done(self, after: float, timeout_s: float = 40.0, quiet_s: float = 0.8) -> str:
        """What the tutor said after a moment, once it has spoken and is silent again."""

        def tutor_is_done() -> str:
            captions = self.tutor_captions(after)
            now = time.monotonic()
            if not captions or not all(c.final for c in captions) or self.tutor_speaks():
                return ""
            silent = now - max(max(c.at for c in captions), self.last_sound()) > quiet_s
            return self.tutor_text(after) if silent else ""

        text: str = await self.until(tutor_is_done, timeout_s, "an end of the tutor's speech")
        return text

    async def wait_for_answer(self, after: float) -> str:
        """Waits for an answer that begins after a moment, stops it and returns its start.

        The "one moment" filler of a busy machine is not an answer.
        """

        def answer_captions() -> list[Caption]:
            said = self.tutor_captions(after)
            return [one for one in said if not FILLER.startswith(one.text.strip())]

        await self.until(answer_captions, 20, "an answer")
        await self.until(
            lambda: answer_captions()[0].final or len(self.tutor_text(after)) > 60,
            15,
            "words of an answer",
        )
        await self.rpc("speech.stop", {})
        return await self.tutor_done(after, quiet_s=0.6)

    async def stop_greeting(self, after: float) -> None:
        """Waits for the greeting, stops it, and returns once the room is quiet."""
        await self.until(lambda: self.tutor_captions(after), 25, "a greeting")
        await self.rpc("speech.stop", {})
        await self.tutor_done(after, quiet_s=0.8)

    def last_sound(self) -> float:
        return next((at for at, level in reversed(self.levels) if level > LOUD_LEVEL), 0.0)

    def first_sound(self, after: float) -> float | None:
        return next((at for at, level in self.levels if at > after and level > LOUD_LEVEL), None)

    def take_sound(self) -> np.ndarray:
        sound, self.sound = self.sound, []
        return np.concatenate(sound) if sound else np.zeros(0, np.int16)

    def _update_and_wake(self, keep: Callable[[Any], None], value: Any) -> None:
        keep(value)
        self.changed.set()

    def _spawn(self, work: Awaitable[None]) -> asyncio.Future[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _on_caption(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._spawn(self._read_caption(reader, identity))

    async def _read_caption(self, reader: rtc.TextStreamReader, identity: str) -> None:
        attributes = reader.info.attributes or {}
        segment_id = attributes.get("lk.segment_id", reader.info.stream_id)
        final = attributes.get("lk.transcription_final") == "true"
        text, now = "", time.monotonic()
        known = self.captions.get(segment_id)
        first_at = known.first_at if known else now
        # the stream ends mid-sentence if its agent is killed
        with contextlib.suppress(rtc.StreamError):
            async for chunk in reader:
                text += chunk
                now = time.monotonic()
                caption = Caption(segment_id, identity, text, final, now, first_at)
                self._update_and_wake(lambda c: self.captions.__setitem__(c.segment_id, c), caption)
        # the tutor closes a stream only after a whole sentence
        ended = Caption(
            segment_id, identity, text, final or identity.startswith("a_"), now, first_at
        )
        self._update_and_wake(lambda c: self.captions.__setitem__(c.segment_id, c), ended)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        try:
            message = json.loads(packet.data)
        except ValueError:  # anybody may send anything
            return
        if packet.topic == "answer.cited":
            self.cited.append(message)
        self._update_and_wake(self.messages.append, (packet.topic or "", message))

    def _on_track_subscribed(self, track: rtc.Track, _publication: Any, participant: Any) -> None:
        if (
            track.kind == rtc.TrackKind.KIND_AUDIO
            and participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        ):
            self._listening[track.sid] = self._spawn(self._listen_to_tutor(track))

    def _on_track_unsubscribed(self, track: rtc.Track, *_: Any) -> None:
        """Stops listening: the track of a killed agent would continue with silence."""
        if hearing := self._listening.pop(track.sid, None):
            hearing.cancel()

    async def _listen_to_tutor(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream.from_track(track=track, sample_rate=HEARD_RATE, num_channels=1)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16)
                level = float(np.sqrt(np.mean(samples.astype(np.float32) ** 2)))
                self.levels.append((time.monotonic(), level))
                if self.recording:
                    self.sound.append(samples.copy())
        finally:
            await stream.aclose()

    async def _publish_microphone(self) -> None:
        source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        publication = await self.room.local_participant.publish_track(track, options)
        self._microphone = publication.sid, self._spawn(self._send_microphone_sound(source))

    async def _send_microphone_sound(self, source: rtc.AudioSource) -> None:
        silence = np.zeros(FRAME_SAMPLES, np.int16)
        due = time.monotonic()
        speech: np.ndarray = silence[:0]
        said: asyncio.Future[tuple[float, float]] | None = None
        began = 0.0
        while True:
            if said is None and not self._speech_queue.empty():
                speech, said = self._speech_queue.get_nowait()
                began = time.monotonic()
            part, speech = speech[:FRAME_SAMPLES], speech[FRAME_SAMPLES:]
            frame = np.concatenate([part, silence[len(part) :]]) if said is not None else silence
            await source.capture_frame(rtc.AudioFrame(frame.tobytes(), RATE, 1, FRAME_SAMPLES))
            if said is not None and not len(speech):
                said.set_result((began, time.monotonic()))
                said = None
            due += 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))
