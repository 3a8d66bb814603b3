/** A learner's conversation with the tutor: the connection, and what is said over it. */
import type { Room } from 'livekit-client';
import { useCallback, useEffect, useReducer } from 'react';
import { api, type ModulePage } from '../api';
import { storeWordsSettled } from '../account/accountSettings';
import type { StartOptions, ConnectionStatus } from '../rtc/Connection';
import { useConnection } from '../rtc/useConnection';
import { followConversation } from './followConversation';
import { callTutor } from './tutor';
import { emptyTalk, talkReducer, type Talk } from './turns';
import { useSay } from './useSay';

export interface TalkControls extends ConnectionStatus {
  room: Room;
  talk: Talk;
  start: (options: StartOptions) => Promise<void>;
  leave: () => Promise<void>;
  retry: () => void;
  setMicrophone: (on: boolean) => Promise<void>;
  /**
   * Sends a typed turn as soon as the tutor is there, even after a lost connection.
   * False if the conversation ended first; the turn then leaves the transcript.
   */
  say: (text: string) => Promise<boolean>;
  /** Calls an RPC method of the tutor. False if there is no tutor or the call failed. */
  callTutor: (method: string, payload: object) => Promise<boolean>;
}

/** `lessonId` is the lesson to open at the next start or rejoin. */
export function useTalk(page: ModulePage, lessonId: string | null): TalkControls {
  const [connection, visit] = useConnection(async () => {
    await storeWordsSettled();
    return api.joinTicket(page.course.id, page.module.id, lessonId);
  });
  const { room, start, leave, retry, setMicrophone } = connection;
  const [talk, dispatch] = useReducer(talkReducer, emptyTalk);
  useEffect(() => followConversation(room, page, dispatch), [room, page]);
  const say = useSay(connection, dispatch);
  const call = useCallback((method: string, payload: object) => callTutor(room, method, payload), [room]);
  return { ...visit, room, talk, start, leave, retry, setMicrophone, say, callTutor: call };
}
