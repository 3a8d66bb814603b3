import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { Connection, type ConnectionServer, type ConnectionStatus } from './Connection';

/** A connection for as long as the component is mounted; `server` may change with each render. */
export function useConnection(server: ConnectionServer): [Connection, ConnectionStatus] {
  const latest = useRef(server);
  useEffect(() => {
    latest.current = server;
  });
  const [connection] = useState(
    () =>
      new Connection({
        getToken: () => latest.current.getToken(),
        explainRemoval: () => latest.current.explainRemoval(),
      }),
  );
  useEffect(connection.attach, [connection]);
  return [connection, useSyncExternalStore(connection.subscribe, connection.current)];
}
