/** One learner's talk in a room: joining, losing, coming back, and what is said. */
import {
  ConnectionError,
  ConnectionState,
  DisconnectReason,
  MediaDeviceFailure,
  Room,
  RoomEvent,
  type RemoteParticipant,
  type RpcError,
} from 'livekit-client';
import { useCallback, useEffect, useReducer, useRef, useState } from 'react';
import { api, ApiError, type ModulePage } from '../api';
import { storingSettled } from '../choices';
import { explain } from '../failures';
import { texts } from '../texts';
import { emptyTalk, parseCitation, parsePlan, talkReducer, type Talk, type TalkEvent } from './captions';
import { newestTutor, tutorReady } from './tutor';

export type Phase = 'before' | 'refused' | 'elsewhere' | 'connecting' | 'live' | 'lost';

const TOPIC_CAPTIONS = 'lk.transcription';
const TOPIC_TYPED = 'lk.chat';
const TOPIC_CITED = 'answer.cited';
const TOPIC_PLANNED = 'answer.planned';
const ATTRIBUTE_SEGMENT = 'lk.segment_id';
const ATTRIBUTE_FINAL = 'lk.transcription_final';
const BACK_MS = 5_000;
const BLIP_MS = 1_000; // a resumed connection within it is not worth a banner
const REJOIN_FIRST_MS = 1_000;
const REJOIN_MOST_MS = 15_000;
const RPC_MS = 5_000;
const TYPED_WAIT_MS = 30_000; // typed words wait so long for a tutor that is still coming

export interface TalkControls {
  room: Room;
  phase: Phase;
  /** the connection came back less than 5 s ago */
  back: boolean;
  /** one sentence for the learner, or empty */
  trouble: string;
  /** why there is no microphone, in the phase `refused` */
  failure: MediaDeviceFailure | null;
  talk: Talk;
  start: (options: { microphone: boolean; deviceId?: string }) => Promise<void>;
  leave: () => Promise<void>;
  retry: () => void;
  setMicrophone: (on: boolean) => Promise<void>;
  /** false: the tutor did not get it, and the transcript does not show it */
  say: (text: string) => Promise<boolean>;
  /** a call to the tutor; false where none is there, or it did not take it */
  tell: (method: string, payload: object) => Promise<boolean>;
}

/** Talks about the module of `page`; `lessonId` is asked again at every start and rejoin. */
export function useTalk(page: ModulePage, lessonId: string | null): TalkControls {
  const [room] = useState(makeRoom);
  const [phase, setPhase] = useState<Phase>('before');
  const [back, setBack] = useState(false);
  const [trouble, setTrouble] = useState('');
  const [failure, setFailure] = useState<MediaDeviceFailure | null>(null);
  const [talk, dispatch] = useReducer(talkReducer, emptyTalk);
  const wanted = useRef({ joined: false, microphone: false, deviceId: undefined as string | undefined });
  const lesson = useRef(lessonId);
  const rejoin = useRef({ timer: 0, wait: REJOIN_FIRST_MS, running: false });
  const typed = useRef(0);
  const shown = useRef(phase);
  useEffect(() => {
    lesson.current = lessonId;
    shown.current = phase;
  }, [lessonId, phase]);

  useEffect(() => listen(room, page, dispatch), [room, page]);

  /** Connects with a token of this moment: the room may have been closed since the last one. */
  const join = useCallback(async () => {
    await storingSettled();
    const ticket = await api.joinTicket(page.course.id, page.module.id, lesson.current);
    if (!wanted.current.joined) throw new Error('left before the ticket came');
    await room.connect(ticket.server_url, ticket.participant_token);
  }, [room, page]);

  const publish = useCallback(async () => {
    const { microphone, deviceId } = wanted.current;
    if (!microphone) return;
    try {
      await room.localParticipant.setMicrophoneEnabled(true, deviceId ? { deviceId } : {});
    } catch (error) {
      throw new MicrophoneFailed(error);
    }
  }, [room]);

  const leave = useCallback(async () => {
    wanted.current.joined = false;
    window.clearTimeout(rejoin.current.timer);
    setPhase('before');
    setBack(false);
    setTrouble('');
    await room.disconnect();
  }, [room]);

  const start: TalkControls['start'] = useCallback(
    async ({ microphone, deviceId }) => {
      wanted.current = { joined: true, microphone, deviceId };
      setTrouble('');
      setPhase('connecting');
      void room.startAudio().catch(() => undefined);
      // both at once: the microphone is buffered from now on and heard from its first word
      const joining = join();
      const speaking = publish();
      try {
        await Promise.race([joining, speaking.then(() => joining)]);
        setPhase('live');
        await speaking;
      } catch (error) {
        joining.catch(() => undefined);
        speaking.catch(() => undefined);
        if (!wanted.current.joined) return;
        await leave();
        if (!(error instanceof MicrophoneFailed)) return setTrouble(sentence(error));
        setFailure(error.failure);
        setPhase('refused');
      }
    },
    [room, join, publish, leave],
  );

  const comeBack = useCallback(async () => {
    const state = rejoin.current;
    window.clearTimeout(state.timer);
    if (state.running || !wanted.current.joined) return;
    state.running = true;
    try {
      await room.disconnect();
      await join();
      state.wait = REJOIN_FIRST_MS;
      setPhase('live');
      setBack(true);
      await publish().catch(() => undefined); // a lost microphone can be taken again by hand
    } catch (error) {
      const refused = error instanceof ApiError && [401, 403, 404].includes(error.status);
      if (refused) {
        await leave();
        setTrouble(sentence(error));
      } else if (wanted.current.joined) {
        state.timer = window.setTimeout(() => void comeBack(), state.wait);
        state.wait = Math.min(2 * state.wait, REJOIN_MOST_MS);
      }
    } finally {
      state.running = false;
      if (!wanted.current.joined) void room.disconnect();
    }
  }, [room, join, publish, leave]);

  useEffect(() => {
    let blip = 0;
    const lose = () => setPhase((now) => (now === 'live' ? 'lost' : now));
    const changed = (state: ConnectionState) => {
      window.clearTimeout(blip);
      if (!wanted.current.joined || rejoin.current.running) return;
      if (state === ConnectionState.SignalReconnecting) blip = window.setTimeout(lose, BLIP_MS);
      if (state === ConnectionState.Reconnecting) lose();
      if (state === ConnectionState.Connected) {
        if (shown.current === 'lost') setBack(true);
        setPhase((now) => (now === 'lost' ? 'live' : now));
      }
    };
    const ended = (reason?: DisconnectReason) => {
      if (!wanted.current.joined || rejoin.current.running) return;
      if (reason === DisconnectReason.DUPLICATE_IDENTITY) {
        wanted.current.joined = false;
        setPhase('elsewhere');
      } else if (reason === DisconnectReason.ROOM_DELETED || reason === DisconnectReason.PARTICIPANT_REMOVED) {
        void leave().then(() => setTrouble(texts.ended));
      } else if (reason !== DisconnectReason.CLIENT_INITIATED) {
        lose();
        void comeBack();
      }
    };
    room.on(RoomEvent.ConnectionStateChanged, changed).on(RoomEvent.Disconnected, ended);
    return () => {
      window.clearTimeout(blip);
      room.off(RoomEvent.ConnectionStateChanged, changed).off(RoomEvent.Disconnected, ended);
    };
  }, [room, comeBack, leave]);

  useEffect(() => {
    if (!back) return;
    const timer = window.setTimeout(() => setBack(false), BACK_MS);
    return () => window.clearTimeout(timer);
  }, [back]);

  useEffect(() => {
    const goodbye = () => {
      wanted.current.joined = false;
      window.clearTimeout(rejoin.current.timer);
      void room.disconnect();
    };
    return goodbye;
  }, [room]);

  const say = useCallback(
    async (text: string) => {
      const key = `typed ${(typed.current += 1)}`;
      const turn = { key, segmentId: key, who: 'me', name: '', text, final: true, at: new Date() } as const;
      dispatch({ type: 'said', turn });
      try {
        await tutorReady(room, TYPED_WAIT_MS);
        await room.localParticipant.sendText(text, { topic: TOPIC_TYPED });
        return true;
      } catch {
        dispatch({ type: 'unsaid', key });
        return false;
      }
    },
    [room],
  );

  const tell = useCallback(
    async (method: string, payload: object) => {
      const tutor = newestTutor(room.remoteParticipants.values());
      if (tutor === null) return false;
      try {
        const destinationIdentity = tutor.identity;
        await room.localParticipant.performRpc({
          destinationIdentity,
          method,
          payload: JSON.stringify(payload),
          responseTimeout: RPC_MS,
        });
        return true;
      } catch (error) {
        console.info('the tutor did not take a call', method, (error as RpcError).code);
        return false;
      }
    },
    [room],
  );

  const setMicrophone = useCallback(
    async (on: boolean) => {
      wanted.current.microphone = on;
      setTrouble('');
      try {
        const { deviceId } = wanted.current;
        await room.localParticipant.setMicrophoneEnabled(on, deviceId ? { deviceId } : {});
      } catch {
        wanted.current.microphone = false;
        setTrouble(texts.refused.lead);
      }
    },
    [room],
  );

  const retry = useCallback(() => {
    rejoin.current.wait = REJOIN_FIRST_MS;
    void comeBack();
  }, [comeBack]);

  return {
    room, phase, back, trouble, failure, talk, start, leave, retry, say, tell, setMicrophone,
  };
}

function makeRoom(): Room {
  // not among the publish options of the microphone: there the library does not look
  const room = new Room({ publishDefaults: { preConnectBuffer: true } });
  room.on(RoomEvent.LocalTrackSubscribed, ({ track }) => {
    // A tutor that waits in the room subscribes before the library listens for it (2.23.0): the
    // buffer then would go on for 10 s and come too late. One tick later it has its reader.
    window.setTimeout(() => (track as Buffering | undefined)?.stopPreConnectBuffer?.());
  });
  return room;
}

/** Internal to the library, so not in its types. */
interface Buffering {
  stopPreConnectBuffer?: () => void;
}

/** The browser gave no microphone. */
class MicrophoneFailed extends Error {
  readonly failure: MediaDeviceFailure;

  constructor(cause: unknown) {
    super('no microphone', { cause });
    this.failure = MediaDeviceFailure.getFailure(cause) ?? MediaDeviceFailure.Other;
  }
}

function sentence(error: unknown): string {
  return error instanceof ConnectionError ? texts.failures.media : explain(error);
}

/** Takes captions, typed words and citations out of the room. Returns the way to stop. */
function listen(room: Room, page: ModulePage, dispatch: (event: TalkEvent) => void): () => void {
  const describe = (identity: string): Pick<Speaker, 'who' | 'name'> | null => {
    if (identity === room.localParticipant.identity) return { who: 'me', name: page.userName };
    const participant = room.getParticipantByIdentity(identity) as RemoteParticipant | undefined;
    if (!participant) return null;
    return { who: participant.isAgent ? 'bodh' : 'other', name: participant.name ?? '' };
  };
  // not useTranscriptions: it joins streams by segment id alone, and any participant may send one
  room.registerTextStreamHandler(TOPIC_CAPTIONS, async (reader, { identity }) => {
    const speaker = describe(identity);
    const segmentId = reader.info.attributes?.[ATTRIBUTE_SEGMENT] ?? reader.info.id;
    if (speaker === null) return;
    const key = `${identity} ${segmentId}`;
    const final = reader.info.attributes?.[ATTRIBUTE_FINAL] === 'true';
    let text = '';
    try {
      for await (const chunk of reader) {
        text += chunk;
        dispatch({ type: 'said', turn: { key, segmentId, ...speaker, text, final, at: new Date() } });
      }
    } catch {
      // the sender left in the middle: what was said until then stands
    }
    if (speaker.who === 'bodh' || final) dispatch({ type: 'ended', key });
  });
  room.registerTextStreamHandler(TOPIC_TYPED, async (reader, { identity }) => {
    const speaker = describe(identity);
    const text = await reader.readAll().catch(() => '');
    if (speaker?.who !== 'other' || !text) return;
    const segmentId = reader.info.id;
    const key = `${identity} ${segmentId}`;
    dispatch({ type: 'said', turn: { key, segmentId, ...speaker, text, final: true, at: new Date() } });
  });
  const data = (payload: Uint8Array, sender?: RemoteParticipant, _kind?: unknown, topic?: string) => {
    if (!sender?.isAgent) return;
    const citation = topic === TOPIC_CITED ? parseCitation(payload) : null;
    if (citation) dispatch({ type: 'cited', citation });
    const plan = topic === TOPIC_PLANNED ? parsePlan(payload) : null;
    if (plan) dispatch({ type: 'planned', plan });
  };
  const left = ({ isAgent }: RemoteParticipant) => isAgent && dispatch({ type: 'tutorLeft' });
  room.on(RoomEvent.DataReceived, data).on(RoomEvent.ParticipantDisconnected, left);
  return () => {
    room.unregisterTextStreamHandler(TOPIC_CAPTIONS);
    room.unregisterTextStreamHandler(TOPIC_TYPED);
    room.off(RoomEvent.DataReceived, data).off(RoomEvent.ParticipantDisconnected, left);
  };
}

interface Speaker {
  who: 'me' | 'bodh' | 'other';
  name: string;
}
