/** The room and its attributes, for the debug drawer. No tokens and no names of people. */
import type { RemoteParticipant, Room } from 'livekit-client';
import type { PublicMetadata } from '../protocol';
import { readObject } from '../rtc/payloads';

const OWN: readonly (keyof PublicMetadata)[] = ['lessonNumber', 'lessonId', 'revision'];

export function listRoomAttributes(
  room: Room,
  agent: RemoteParticipant | null,
  more: Record<string, string>,
): [string, string][] {
  const own = readObject(room.localParticipant.metadata) ?? {};
  return [
    ['room', room.name],
    ...Object.entries(more),
    ['connection', room.state],
    ['identity', room.localParticipant.identity],
    ['participants', String(room.numParticipants)],
    ...(agent ? [['agent', agent.identity] as [string, string], ...Object.entries(agent.attributes)] : []),
    ...OWN.filter((name) => own[name] !== undefined).map((name): [string, string] => [name, String(own[name])]),
  ];
}
