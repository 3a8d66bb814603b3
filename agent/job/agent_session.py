"""The agent session of a room: its models, its start and its end."""

import contextlib
import logging

from livekit import rtc
from livekit.agents import Agent, AgentSession, TurnHandlingOptions, vad
from livekit.agents.voice import io, room_io
from livekit.agents.voice.agent_session import SessionConnectOptions

import protocol
from agent.models.choice import Models, build_llm
from agent.room import publish
from agent.room.latency import Latency
from agent.room.timed_captions import TimedCaptions
from settings import Settings
from speech.client import SpeechClient, SpeechError
from telemetry import metrics
from tools.desk import Desk

MAX_BITRATE = 64_000  # halves the encoder's CPU without an audible difference
# LiveKit closes a session after a few provider errors, and the agent would stay in the room, silent
ERRORS_BEFORE_CLOSE = 1_000_000_000

TURN_HANDLING = TurnHandlingOptions(
    turn_detection="vad",
    # an interruption without words is false; recognition may take some seconds
    interruption={"mode": "vad", "false_interruption_timeout": 5.0},
    preemptive_generation={"enabled": False},
)

logger = logging.getLogger("bodh.agent")


class RoomAgentSession:
    def __init__(
        self, settings: Settings, room: rtc.Room, models: Models, floor: vad.VAD, desk: Desk
    ) -> None:
        self._settings = settings
        self._room = room
        self._in_time: TimedCaptions | None = None
        language_model, name = build_llm(settings, desk)
        self._names = {**models.names, "llm": name}
        self._closes = [*models.closes, language_model.aclose]
        self.inner: AgentSession[None] = AgentSession(
            stt=models.stt,
            vad=floor,
            llm=language_model,
            tts=models.tts,
            turn_handling=TURN_HANDLING,
            aec_warmup_duration=None,
            session_close_transcript_timeout=0.0,  # the job waits for the last words itself
            user_away_timeout=None,
            tts_text_transforms=None,  # `speakable` does this; LiveKit's delay full stops
            conn_options=SessionConnectOptions(max_unrecoverable_errors=ERRORS_BEFORE_CLOSE),
        )
        self._latency = Latency(room)
        self.inner.on("conversation_item_added", self._latency.on_conversation_item)
        self.inner.on("agent_false_interruption", lambda _event: count_false_interruption())

    async def start(self, tutor: Agent, captions: io.TextOutput) -> None:
        """Starts the tutor. The room must be connected."""
        publish = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            audio_encoding={"max_bitrate": MAX_BITRATE},  # type: ignore[arg-type]
        )
        await self.inner.start(
            agent=tutor,
            room=self._room,
            room_options=room_io.RoomOptions(
                audio_input=False,
                text_input=False,
                text_output=False,
                audio_output=room_io.AudioOutputOptions(track_publish_options=publish),
                close_on_disconnect=False,
            ),
            session_host=False,  # else any participant could read instructions and history
            record=False,
        )
        self._sync_captions_to_voice(captions)

    def _sync_captions_to_voice(self, captions: io.TextOutput) -> None:
        sound = self.inner.output.audio
        if sound is None:
            raise RuntimeError("the agent session has no audio output")
        self._in_time = TimedCaptions(sound, captions)
        self.inner.output.audio = self._in_time.audio_output
        self.inner.output.transcription = self._in_time.text_output

    async def wait_for_captions(self) -> None:
        """Returns when all words of the speeches before have reached the captions."""
        if self._in_time is not None:
            await self._in_time.wait_until_shown()

    async def read_and_publish_model_names(self, engine: SpeechClient) -> None:
        """Sets the attribute `bodh.models`. The test model is shown as `test`."""
        names = dict(self._names)
        try:
            if not self._settings.stt_base_url:
                health = await engine.health()
                names["stt"] = "test" if health.test_model else health.model
        except SpeechError:
            logger.warning("the speech engine does not answer")
        text = protocol.dump(protocol.ModelNames(**names))
        await publish.set_attribute(self._room, protocol.ATTRIBUTE_MODELS, text)

    def silence_output(self) -> None:
        self.inner.output.set_transcription_enabled(False)
        self.inner.output.set_audio_enabled(False)

    async def aclose(self) -> None:
        async with contextlib.AsyncExitStack() as at_end:
            for close in self._closes:
                at_end.push_async_callback(close)
            if self._in_time is not None:
                at_end.push_async_callback(self._in_time.aclose)
            at_end.push_async_callback(self._latency.close)
            at_end.push_async_callback(self.inner.aclose)


def count_false_interruption() -> None:
    metrics.FALSE_INTERRUPTIONS.inc()
