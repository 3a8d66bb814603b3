/** Data messages and RPCs between the page and an agent. */
import { RoomEvent, type RemoteParticipant, type Room, type RpcError } from 'livekit-client';

const RPC_MS = 5_000;

/** Calls a handler per topic with what an agent sent; ignores everybody else's messages. */
export function followAgentData(
  room: Room,
  handlers: Readonly<Record<string, (payload: Uint8Array) => void>>,
): () => void {
  const received = (payload: Uint8Array, sender?: RemoteParticipant, _kind?: unknown, topic?: string) => {
    if (sender?.isAgent && topic !== undefined && Object.hasOwn(handlers, topic)) handlers[topic]?.(payload);
  };
  room.on(RoomEvent.DataReceived, received);
  return () => room.off(RoomEvent.DataReceived, received);
}

/** Calls an RPC method of a participant. False if the call failed or was refused. */
export async function callAgent(room: Room, identity: string, method: string, payload: object): Promise<boolean> {
  try {
    await room.localParticipant.performRpc({
      destinationIdentity: identity,
      method,
      payload: JSON.stringify(payload),
      responseTimeout: RPC_MS,
    });
    return true;
  } catch (error) {
    console.info('RPC failed', method, (error as RpcError).code);
    return false;
  }
}
