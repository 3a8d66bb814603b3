/** Who else is in the room while the learner is there. */
import { useRemoteParticipants } from '@livekit/components-react';
import { RoomEvent, type Room } from 'livekit-client';
import { texts } from '../texts';

export interface Person {
  identity: string;
  name: string;
}

/** The people in the room, without the learner and the tutor. */
export function useCompany(room: Room): Person[] {
  const participants = useRemoteParticipants({
    room,
    updateOnlyOn: [RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantNameChanged],
  });
  return participants.filter((one) => !one.isAgent).map(({ identity, name }) => ({ identity, name: name || texts.talk.someone }));
}
