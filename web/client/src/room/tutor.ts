/** Which participant is the tutor, and what it does. */
import { useRemoteParticipants } from '@livekit/components-react';
import { RoomEvent, type RemoteParticipant, type Room } from 'livekit-client';
import { parseModels, type ModelNames } from './captions';

export type AgentState = 'coming' | 'listening' | 'thinking' | 'speaking';

const ATTRIBUTE_STATE = 'lk.agent.state';
const ATTRIBUTE_MODELS = 'bodh.models';
const ATTRIBUTE_NOTES = 'bodh.notes';

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
    state: participant ? toState(attributes?.[ATTRIBUTE_STATE]) : 'coming',
    models: participant ? parseModels(attributes?.[ATTRIBUTE_MODELS]) : null,
    keepsNotes: attributes?.[ATTRIBUTE_NOTES] !== 'failing',
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

/** Returns when a tutor is there and takes words. Raises when none is within `timeout` ms. */
export function tutorReady(room: Room, timeout: number): Promise<void> {
  const ready = () => {
    const tutor = newestTutor(room.remoteParticipants.values());
    return tutor !== null && toState(tutor.attributes[ATTRIBUTE_STATE]) !== 'coming';
  };
  if (ready()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const stop = () => {
      window.clearTimeout(timer);
      room.off(RoomEvent.ParticipantAttributesChanged, look).off(RoomEvent.ParticipantConnected, look);
      room.off(RoomEvent.Disconnected, lost);
    };
    const look = () => {
      if (!ready()) return;
      stop();
      resolve();
    };
    const lost = () => {
      stop();
      reject(new Error('no tutor came'));
    };
    const timer = window.setTimeout(lost, timeout);
    room.on(RoomEvent.ParticipantAttributesChanged, look).on(RoomEvent.ParticipantConnected, look);
    room.on(RoomEvent.Disconnected, lost);
  });
}
