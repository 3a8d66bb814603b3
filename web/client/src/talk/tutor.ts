/** The tutor: which participant it is, what it is doing, calls to it. */
import { useRemoteParticipants } from '@livekit/components-react';
import { ConnectionState, RoomEvent, type RemoteParticipant, type Room } from 'livekit-client';
import {
  ATTRIBUTE_AGENT_STATE,
  ATTRIBUTE_MODELS,
  ATTRIBUTE_NOTES,
  type ModelNames,
  type NotesState,
} from '../protocol';
import { callAgent } from '../rtc/data';
import { readModels } from '../rtc/payloads';

export type AgentState = 'coming' | 'listening' | 'thinking' | 'speaking';

/** The agent of the newest dispatch: a dead one may stay listed for a while. */
export function newestTutor(participants: Iterable<RemoteParticipant>): RemoteParticipant | null {
  let newest: RemoteParticipant | null = null;
  for (const participant of participants) {
    if (!participant.isAgent) continue;
    if (newest === null || epochOf(participant.identity) > epochOf(newest.identity)) newest = participant;
  }
  return newest;
}

/** Agent identities end in `_<epoch>`. */
function epochOf(identity: string): number {
  const epoch = Number(identity.slice(identity.lastIndexOf('_') + 1));
  return Number.isFinite(epoch) ? epoch : -1;
}

export interface Tutor {
  participant: RemoteParticipant | null;
  state: AgentState;
  models: ModelNames | null;
  /** whether what is said can be stored */
  notes: NotesState;
}

export function useTutor(room: Room): Tutor {
  const participants = useRemoteParticipants({
    room,
    updateOnlyOn: [RoomEvent.ParticipantActive, RoomEvent.ParticipantAttributesChanged],
  });
  const participant = newestTutor(participants);
  const attributes = participant?.attributes;
  return {
    participant,
    state: participant ? toAgentState(attributes?.[ATTRIBUTE_AGENT_STATE]) : 'coming',
    models: participant ? readModels(attributes?.[ATTRIBUTE_MODELS]) : null,
    notes: toNotes(attributes?.[ATTRIBUTE_NOTES]),
  };
}

function toNotes(notes: string | undefined): NotesState {
  return notes === 'failing' || notes === 'held' ? notes : 'ok';
}

function toAgentState(state: string | undefined): AgentState {
  switch (state) {
    case 'listening':
    case 'thinking':
    case 'speaking':
      return state;
    case 'idle':
      return 'listening';
    default:
      return 'coming';
  }
}

/** Resolves once a tutor is connected and listens. Rejects if `ended` is aborted first. */
export function waitForTutor(room: Room, ended: AbortSignal): Promise<void> {
  const ready = () => {
    const tutor = newestTutor(room.remoteParticipants.values());
    const connected = room.state === ConnectionState.Connected;
    return connected && tutor !== null && toAgentState(tutor.attributes[ATTRIBUTE_AGENT_STATE]) !== 'coming';
  };
  return new Promise((resolve, reject) => {
    const stop = () => {
      for (const event of TUTOR_EVENTS) room.off(event, look);
      ended.removeEventListener('abort', look);
    };
    const look = () => {
      if (!ended.aborted && !ready()) return;
      stop();
      if (ended.aborted) reject(new Error('the talk has ended'));
      else resolve();
    };
    for (const event of TUTOR_EVENTS) room.on(event, look);
    ended.addEventListener('abort', look);
    look();
  });
}

/** events after which a tutor may be ready */
const TUTOR_EVENTS = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantAttributesChanged,
] as const;

/** Calls an RPC method of the tutor. False if there is no tutor or the call failed. */
export async function callTutor(room: Room, method: string, payload: object): Promise<boolean> {
  const tutor = newestTutor(room.remoteParticipants.values());
  return tutor !== null && (await callAgent(room, tutor.identity, method, payload));
}
