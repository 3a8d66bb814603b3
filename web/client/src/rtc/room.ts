import { Room, RoomEvent } from 'livekit-client';

/** A room whose microphone buffers what is said while it connects. */
export function makeRoom(): Room {
  // livekit-client ignores this option among the microphone's own publish options
  const room = new Room({ publishDefaults: { preConnectBuffer: true } });
  room.on(RoomEvent.LocalTrackSubscribed, ({ track }) => {
    // If the tutor is already in the room, it subscribes before livekit-client 2.23.0 listens for
    // that, and the buffer would be sent 10 s late. After one tick it has its reader.
    window.setTimeout(() => (track as Buffering | undefined)?.stopPreConnectBuffer?.());
  });
  return room;
}

/** Internal to livekit-client, so missing from its types. */
interface Buffering {
  stopPreConnectBuffer?: () => void;
}
