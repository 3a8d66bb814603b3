import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { JoinToken } from '../api';
import { Connection, type ConnectionStatus } from './Connection';

/** A connection for as long as the component is mounted; `getToken` may change with each render. */
export function useConnection(getToken: () => Promise<JoinToken>): [Connection, ConnectionStatus] {
  const latest = useRef(getToken);
  useEffect(() => {
    latest.current = getToken;
  });
  const [connection] = useState(() => new Connection(() => latest.current()));
  useEffect(connection.attach, [connection]);
  return [connection, useSyncExternalStore(connection.subscribe, connection.current)];
}
