import type { RemoteParticipant, Room } from 'livekit-client';
import { lazy, Suspense, useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import { RoomDebugLog } from './RoomDebugLog';

const DebugDrawer = lazy(() => import('./DebugDrawer'));

/** The debug drawer (null while closed) and a toggle. Events are recorded from the start. */
export function useDebugDrawer(room: Room, agent: RemoteParticipant | null, sessionId: string): [ReactNode, () => void] {
  const [recorder] = useState(() => new RoomDebugLog());
  const [open, setOpen] = useState(false);
  const opener = useRef<Element | null>(null);
  useEffect(() => recorder.attach(room), [recorder, room]);
  const toggle = useCallback(() => {
    setOpen((now) => !now);
    const before = opener.current;
    opener.current = before === null ? document.activeElement : null;
    if (before instanceof HTMLElement) before.focus();
  }, []);
  const drawer = open ? (
    <Suspense>
      <DebugDrawer room={room} agent={agent} sessionId={sessionId} recorder={recorder} onClose={toggle} />
    </Suspense>
  ) : null;
  return [drawer, toggle];
}
