/** Who else is in the room while the learner is there. */
import { useRemoteParticipants } from '@livekit/components-react';
import { RoomEvent, type Room } from 'livekit-client';
import { texts } from '../texts';

/** The names of the people in the room, without the learner and the tutor. */
export function useCompany(room: Room): string[] {
  const participants = useRemoteParticipants({
    room,
    updateOnlyOn: [RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantNameChanged],
  });
  return participants.filter((one) => !one.isAgent).map((one) => one.name || texts.talk.someone);
}
