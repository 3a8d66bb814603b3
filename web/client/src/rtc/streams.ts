/** Text streams of a room: captions and typed turns, with their sender. */
import { RoomEvent, type Participant, type Room } from 'livekit-client';
import { ATTRIBUTE_FINAL, ATTRIBUTE_SEGMENT_ID, TOPIC_CAPTIONS, TOPIC_TYPED } from '../protocol';

const ARRIVAL_MS = 5_000; // words may arrive before their sender has joined, by less than this

export interface Caption {
  sender: Participant;
  segmentId: string;
  /** all of the segment so far */
  text: string;
  final: boolean;
}

interface CaptionHandlers {
  onText: (caption: Caption) => void;
  /** once per stream, even if its sender left in the middle */
  onEnd: (caption: Caption) => void;
}

/** Not components-react's useTranscriptions, which merges streams of different senders. */
export function followCaptions(room: Room, { onText, onEnd }: CaptionHandlers): () => void {
  room.registerTextStreamHandler(TOPIC_CAPTIONS, async (reader, { identity }) => {
    const sender = await findSender(room, identity);
    if (sender === null) return;
    const segmentId = reader.info.attributes?.[ATTRIBUTE_SEGMENT_ID] ?? reader.info.id;
    const final = reader.info.attributes?.[ATTRIBUTE_FINAL] === 'true';
    let text = '';
    try {
      for await (const chunk of reader) {
        text += chunk;
        onText({ sender, segmentId, text, final });
      }
    } catch {
      // the sender left: keep what arrived so far
    }
    onEnd({ sender, segmentId, text, final });
  });
  return () => room.unregisterTextStreamHandler(TOPIC_CAPTIONS);
}

/** Complete typed turns of other participants. */
export function followTyped(room: Room, onTyped: (typed: Omit<Caption, 'final'>) => void): () => void {
  room.registerTextStreamHandler(TOPIC_TYPED, async (reader, { identity }) => {
    const sender = await findSender(room, identity);
    const text = await reader.readAll().catch(() => '');
    if (sender !== null && text) onTyped({ sender, segmentId: reader.info.id, text });
  });
  return () => room.unregisterTextStreamHandler(TOPIC_TYPED);
}

/** Null if nobody with this identity joins within ARRIVAL_MS. */
async function findSender(room: Room, identity: string): Promise<Participant | null> {
  if (identity === room.localParticipant.identity) return room.localParticipant;
  const find = () => room.remoteParticipants.get(identity) ?? null;
  if (find() !== null) return find();
  await new Promise<void>((resolve) => {
    const stop = () => {
      window.clearTimeout(timer);
      room.off(RoomEvent.ParticipantConnected, look);
      resolve();
    };
    const look = () => find() !== null && stop();
    const timer = window.setTimeout(stop, ARRIVAL_MS);
    room.on(RoomEvent.ParticipantConnected, look);
  });
  return find();
}
