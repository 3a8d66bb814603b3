/** A learner's conversation with the tutor: the connection, and what is said over it. */
import type { Room } from 'livekit-client';
import { useCallback, useEffect, useReducer, useState } from 'react';
import { api, ApiError, type JoinToken, type ModulePage } from '../api';
import { waitForStoreWordsSave } from '../account/accountSettings';
import { reloadConsents } from '../account/consents';
import type { StartOptions, ConnectionStatus } from '../rtc/Connection';
import { explainFailure, explainRefusal } from '../failures';
import { useConnection } from '../rtc/useConnection';
import { followConversation } from './followConversation';
import { callTutor } from './tutor';
import { emptyTalk, talkReducer, type Talk } from './turns';
import { useSendTypedTurn } from './useSendTypedTurn';

export interface TalkControls extends ConnectionStatus {
  room: Room;
  talk: Talk;
  /** of the room that was joined, or else of the one that can be joined */
  roomName: string;
  /** empty before the first conversation */
  sessionId: string;
  /** the learner's own room instead of the module's */
  isPrivate: boolean;
  setPrivate: (isPrivate: boolean) => void;
  /** the user may remove and mute the others in the room */
  mayRestrict: boolean;
  start: (options: StartOptions) => Promise<void>;
  leave: () => Promise<void>;
  retry: () => void;
  setMicrophone: (on: boolean) => Promise<void>;
  /**
   * Sends a typed turn as soon as the tutor is there, even after a lost connection.
   * False if the conversation ended first; the turn then goes back into the box.
   */
  say: (text: string) => Promise<boolean>;
  /** Calls an RPC method of the tutor. False if there is no tutor or the call failed. */
  callTutor: (method: string, payload: object) => Promise<boolean>;
}

/** `lessonId` is the lesson to open at the next start or rejoin. */
export function useTalk(page: ModulePage, lessonId: string | null): TalkControls {
  const [isPrivate, setPrivate] = useState(page.roomScope === 'learner');
  const [joined, setJoined] = useState<JoinToken | null>(null);
  const sessionId = joined?.session_id ?? page.sessionId ?? '';
  const [connection, visit] = useConnection({
    getToken: async () => {
      await waitForStoreWordsSave();
      const ticket = await askForTicket(page, lessonId, isPrivate && page.roomScope === 'choice');
      setJoined(ticket);
      return ticket;
    },
    explainRemoval: () => explainRemoval(sessionId),
  });
  const { room, start, leave, retry, setMicrophone } = connection;
  const [talk, dispatch] = useReducer(talkReducer, emptyTalk);
  useEffect(() => followConversation(room, page, dispatch), [room, page]);
  const say = useSendTypedTurn(connection, dispatch);
  const call = useCallback((method: string, payload: object) => callTutor(room, method, payload), [room]);
  return {
    ...visit,
    room,
    talk,
    roomName: joined?.room_name ?? page.roomName,
    sessionId,
    isPrivate,
    setPrivate,
    mayRestrict: joined?.may_restrict ?? false,
    start,
    leave,
    retry,
    setMicrophone,
    say,
    callTutor: call,
  };
}

async function askForTicket(page: ModulePage, lessonId: string | null, isPrivate: boolean): Promise<JoinToken> {
  try {
    return await api.joinTicket(page.course.id, page.module.id, lessonId, isPrivate);
  } catch (error) {
    // what has to be agreed to changed since the page was loaded
    if (error instanceof ApiError && isAboutConsent(error.code)) reloadConsents();
    throw error;
  }
}

async function explainRemoval(sessionId: string): Promise<string> {
  try {
    const { refusal } = await api.entry(sessionId);
    if (refusal !== null && isAboutConsent(refusal)) reloadConsents();
    return explainRefusal(refusal);
  } catch (error) {
    return explainFailure(error);
  }
}

const isAboutConsent = (code: string) => code.endsWith('consent_required');
