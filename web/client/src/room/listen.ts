/** What comes out of a room: captions, typed words, citations and plans. */
import { RoomEvent, type RemoteParticipant, type Room } from 'livekit-client';
import type { ModulePage } from '../api';
import {
  ATTRIBUTE_FINAL,
  ATTRIBUTE_SEGMENT_ID,
  TOPIC_ANSWER_CITED,
  TOPIC_ANSWER_PLANNED,
  TOPIC_CAPTIONS,
  TOPIC_TYPED,
} from '../protocol';
import { parseCitation, parsePlan, type TalkEvent, type Turn } from './captions';

const UNKNOWN_MS = 5_000; // words may overtake the news of who joined, by less than this

type Speaker = Pick<Turn, 'who' | 'name'>;

/** Takes captions, typed words and citations out of the room. Returns the way to stop. */
export function listen(room: Room, page: ModulePage, dispatch: (event: TalkEvent) => void): () => void {
  const describe = async (identity: string): Promise<Speaker | null> => {
    if (identity === room.localParticipant.identity) return { who: 'me', name: page.userName };
    const participant = await arrived(room, identity);
    if (!participant) return null;
    return { who: participant.isAgent ? 'bodh' : 'other', name: participant.name ?? '' };
  };
  // not useTranscriptions: it joins streams by segment id alone, and any participant may send one
  room.registerTextStreamHandler(TOPIC_CAPTIONS, async (reader, { identity }) => {
    const speaker = await describe(identity);
    const segmentId = reader.info.attributes?.[ATTRIBUTE_SEGMENT_ID] ?? reader.info.id;
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
    const speaker = await describe(identity);
    const text = await reader.readAll().catch(() => '');
    if (speaker?.who !== 'other' || !text) return;
    const segmentId = reader.info.id;
    const key = `${identity} ${segmentId}`;
    dispatch({ type: 'said', turn: { key, segmentId, ...speaker, text, final: true, at: new Date() } });
  });
  const data = (payload: Uint8Array, sender?: RemoteParticipant, _kind?: unknown, topic?: string) => {
    if (!sender?.isAgent) return;
    const citation = topic === TOPIC_ANSWER_CITED ? parseCitation(payload) : null;
    if (citation) dispatch({ type: 'cited', citation });
    const plan = topic === TOPIC_ANSWER_PLANNED ? parsePlan(payload) : null;
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

/** The sender of a stream, known within UNKNOWN_MS; null for one who is not. */
async function arrived(room: Room, identity: string): Promise<RemoteParticipant | null> {
  const find = () => room.remoteParticipants.get(identity) ?? null;
  if (find() !== null) return find();
  await new Promise<void>((resolve) => {
    const stop = () => {
      window.clearTimeout(timer);
      room.off(RoomEvent.ParticipantConnected, look);
      resolve();
    };
    const look = () => find() !== null && stop();
    const timer = window.setTimeout(stop, UNKNOWN_MS);
    room.on(RoomEvent.ParticipantConnected, look);
  });
  return find();
}
