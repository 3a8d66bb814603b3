/** One learner's talk in a room: joining, losing, coming back, and what is said. */
import {
  ConnectionError,
  ConnectionState,
  DisconnectReason,
  MediaDeviceFailure,
  Room,
  RoomEvent,
  type RpcError,
} from 'livekit-client';
import { useCallback, useEffect, useReducer, useRef, useState } from 'react';
import { api, ApiError, type ModulePage } from '../api';
import { storingSettled } from '../choices';
import { explain } from '../failures';
import { TOPIC_TYPED } from '../protocol';
import { texts } from '../texts';
import { emptyTalk, talkReducer, type Talk } from './captions';
import { listen } from './listen';
import { newestTutor, tutorReady } from './tutor';

export type Phase = 'before' | 'refused' | 'elsewhere' | 'connecting' | 'live' | 'lost';

const BACK_MS = 5_000;
const BLIP_MS = 1_000; // a resumed connection within it is not worth a banner
const REJOIN_FIRST_MS = 1_000;
const REJOIN_MOST_MS = 15_000;
const RPC_MS = 5_000;

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
  /** Waits for the tutor, over a lost connection too. False: the talk ended before it got the
   * words, and the transcript does not show them. */
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
  const sending = useRef(Promise.resolve());
  const over = useRef(new AbortController());
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
    over.current.abort();
    window.clearTimeout(rejoin.current.timer);
    setPhase('before');
    setBack(false);
    setTrouble('');
    await room.disconnect();
  }, [room]);

  const start: TalkControls['start'] = useCallback(
    async ({ microphone, deviceId }) => {
      wanted.current = { joined: true, microphone, deviceId };
      over.current = new AbortController();
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
        over.current.abort();
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
      over.current.abort();
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
      const { signal } = over.current;
      const sent = sending.current.then(() => send(room, text, signal)); // one after the other
      sending.current = sent.catch(() => undefined);
      try {
        await sent;
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

/** Typed words, once a tutor takes them. Raises when the talk is over before. */
async function send(room: Room, text: string, over: AbortSignal): Promise<void> {
  for (;;) {
    await tutorReady(room, over);
    try {
      await room.localParticipant.sendText(text, { topic: TOPIC_TYPED });
      return;
    } catch (error) {
      // the connection went away under them: they go again when it is back
      if (room.state === ConnectionState.Connected) throw error;
    }
  }
}

function sentence(error: unknown): string {
  return error instanceof ConnectionError ? texts.failures.media : explain(error);
}
