"""The agent session of a room: its models, its start and its end."""

import asyncio
import contextlib
import logging

from livekit import rtc
from livekit.agents import Agent, AgentSession, TurnHandlingOptions, utils, vad
from livekit.agents.voice import SpeechHandle, room_io
from livekit.agents.voice.agent_session import SessionConnectOptions

import protocol
from agent.models.choice import Models, build_llm
from agent.room import publish
from agent.room.captions import TutorCaptions
from agent.room.latency import Latency
from agent.room.tasks import Tasks
from agent.room.timed_captions import TimedCaptions
from agent.room.tutor_track import QUEUE_MS, RATE, TutorTrack
from settings import Settings
from speech.client import SpeechClient, SpeechError
from tools.desk import Desk

MAX_BITRATE = 64_000  # halves the encoder's CPU without an audible difference
# LiveKit closes a session after a few provider errors, and the agent would stay in the room, silent
ERRORS_BEFORE_CLOSE = 1_000_000_000

NEVER_S = 1e9
TURN_HANDLING = TurnHandlingOptions(
    turn_detection="vad",
    # `agent/talk/open_turns.py` decides when a turn is over; it waits at least as long
    endpointing={"min_delay": 0.2},
    # agent/talk/interruptions.py pauses the tutor; the agent session interrupts it only for a turn
    interruption={"mode": "vad", "min_duration": NEVER_S, "resume_false_interruption": False},
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
        self._captions: TutorCaptions | None = None
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)
        self._track = TutorTrack(self._source)
        self._playing: list[asyncio.Task[None]] = []
        language_model, self._llm_name = build_llm(settings, desk)
        self._models = models
        self._tasks = Tasks("models")
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

    async def start(self, tutor: Agent, captions: TutorCaptions) -> None:
        """Starts the tutor. Returns when the room is connected, which may be later."""
        await self.inner.start(
            agent=tutor,
            room=self._room,
            room_options=room_io.RoomOptions(
                audio_input=False,
                text_input=False,
                text_output=False,
                audio_output=False,
                close_on_disconnect=False,
            ),
            session_host=False,  # else any participant could read instructions and history
            record=False,
        )
        await self._publish_track()
        self._sync_captions_to_voice(captions)

    async def _publish_track(self) -> None:
        """Publishes the tutor's track, which plays once somebody can hear it."""
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE,
            audio_encoding={"max_bitrate": MAX_BITRATE},  # type: ignore[arg-type]
        )
        track = rtc.LocalAudioTrack.create_audio_track("tutor", self._source)
        publication = await self._room.local_participant.publish_track(track, options)

        async def start_when_heard() -> None:
            await publication.wait_for_subscription()
            self._track.start()

        self._playing = [
            asyncio.create_task(start_when_heard(), name="track subscription"),
            asyncio.create_task(self._track.play_forever(), name="tutor track"),
        ]

    def _sync_captions_to_voice(self, captions: TutorCaptions) -> None:
        self._captions = captions
        self._in_time = TimedCaptions(self._track, captions)
        self.inner.output.audio = self._in_time.audio_output
        self.inner.output.transcription = self._in_time.text_output

    def current_speech(self) -> SpeechHandle | None:
        """What is being said or about to be said, if it may be interrupted."""
        speech = self.inner.current_speech
        if speech is None or speech.interrupted or not speech.allow_interruptions:
            return None
        return speech

    def has_just_asked(self) -> bool:
        return self._captions is not None and self._captions.has_just_asked()

    def hold(self) -> None:
        """Pauses the voice and its captions at once."""
        rewound_s = self._track.hold()
        if self._in_time is not None:
            self._in_time.audio_output.pause()
            self._in_time.rewind(rewound_s)

    def release(self) -> None:
        """Goes on at the same word."""
        self._track.release()
        if self._in_time is not None:
            self._in_time.audio_output.resume()

    def playing_time(self) -> float:
        """A clock in seconds that stands still while the voice is held."""
        return self._track.playing_time()

    async def wait_for_captions(self) -> None:
        """Returns when all words of the speeches before have reached the captions."""
        if self._in_time is not None:
            await self._in_time.wait_until_shown()

    async def keep_model_names_published(self, engine: SpeechClient) -> None:
        """Sets the attribute `bodh.models` now, and again when another voice takes over."""

        def publish_again() -> None:
            self._tasks.spawn(self._read_and_publish_model_names(engine))

        self._models.on_voice_change(publish_again)
        await self._read_and_publish_model_names(engine)

    async def _read_and_publish_model_names(self, engine: SpeechClient) -> None:
        """The test model is shown as `test`."""
        names = {**self._models.names, "llm": self._llm_name}
        try:
            if not self._settings.stt_base_url:
                health = await engine.health()
                names["stt"] = "test" if health.test_model else health.model
        except SpeechError as error:
            logger.warning("the speech engine does not answer: %s", error)
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
            at_end.push_async_callback(self._source.aclose)
            at_end.push_async_callback(utils.aio.cancel_and_wait, *self._playing)
            at_end.push_async_callback(self._tasks.close)
            at_end.push_async_callback(self.inner.aclose)
