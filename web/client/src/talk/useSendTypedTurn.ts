import { ConnectionState, type Room } from 'livekit-client';
import { useCallback, useRef, type Dispatch } from 'react';
import { TOPIC_TYPED } from '../protocol';
import type { Connection } from '../rtc/Connection';
import { waitForTutor } from './tutor';
import type { TalkEvent } from './turns';

/** Shows a typed turn at once and sends it in order; takes it back if it can't be sent. */
export function useSendTypedTurn(connection: Connection, dispatch: Dispatch<TalkEvent>): (text: string) => Promise<boolean> {
  const count = useRef(0);
  const queue = useRef(Promise.resolve(''));
  return useCallback(
    async (text: string) => {
      const key = `typed ${(count.current += 1)}`;
      const turn = { key, segmentId: key, who: 'me', name: '', text, final: true, at: new Date() } as const;
      dispatch({ type: 'said', turn });
      const { room, ended } = connection;
      const sent = queue.current.then(() => sendTypedTurn(room, text, ended));
      queue.current = sent.catch(() => '');
      try {
        dispatch({ type: 'sent', key, streamId: await sent });
        return true;
      } catch {
        dispatch({ type: 'unsaid', key });
        return false;
      }
    },
    [connection, dispatch],
  );
}

/** Sends once the tutor is ready. Returns the id of the stream. Throws if the conversation ends first. */
async function sendTypedTurn(room: Room, text: string, ended: AbortSignal): Promise<string> {
  for (;;) {
    await waitForTutor(room, ended);
    try {
      return (await room.localParticipant.sendText(text, { topic: TOPIC_TYPED })).id;
    } catch (error) {
      if (room.state === ConnectionState.Connected) throw error;
      // lost while sending: send again once the connection is back
    }
  }
}
