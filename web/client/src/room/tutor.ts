/** Which participant is the tutor, and what it does. */
import { useRemoteParticipants } from '@livekit/components-react';
import { ConnectionState, RoomEvent, type RemoteParticipant, type Room } from 'livekit-client';
import { ATTRIBUTE_AGENT_STATE, ATTRIBUTE_MODELS, ATTRIBUTE_NOTES, type ModelNames, type NotesState } from '../protocol';
import { parseModels } from './captions';

export type AgentState = 'coming' | 'listening' | 'thinking' | 'speaking';

const FAILING: NotesState = 'failing';

/** The agent of the newest dispatch: an older one may be listed for a while after its death. */
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
  /** false while nothing that is said can be written down */
  keepsNotes: boolean;
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
    state: participant ? toState(attributes?.[ATTRIBUTE_AGENT_STATE]) : 'coming',
    models: participant ? parseModels(attributes?.[ATTRIBUTE_MODELS]) : null,
    keepsNotes: attributes?.[ATTRIBUTE_NOTES] !== FAILING,
  };
}

function toState(state: string | undefined): AgentState {
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

/** Returns when a tutor is connected and takes words, however late. Raises when `over` comes first. */
export function tutorReady(room: Room, over: AbortSignal): Promise<void> {
  const ready = () => {
    const tutor = newestTutor(room.remoteParticipants.values());
    const connected = room.state === ConnectionState.Connected;
    return connected && tutor !== null && toState(tutor.attributes[ATTRIBUTE_AGENT_STATE]) !== 'coming';
  };
  return new Promise((resolve, reject) => {
    const stop = () => {
      for (const event of NEWS) room.off(event, look);
      over.removeEventListener('abort', look);
    };
    const look = () => {
      if (!over.aborted && !ready()) return;
      stop();
      if (over.aborted) reject(new Error('the talk is over'));
      else resolve();
    };
    for (const event of NEWS) room.on(event, look);
    over.addEventListener('abort', look);
    look();
  });
}

/** after which a tutor may be there that was not before */
const NEWS = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantAttributesChanged,
] as const;
