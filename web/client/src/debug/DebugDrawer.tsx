import { useConnectionQualityIndicator } from '@livekit/components-react';
import { ConnectionState, type RemoteParticipant, type Room } from 'livekit-client';
import { useEffect, useRef, useSyncExternalStore, type ReactNode } from 'react';
import { Icon } from '../parts/Icon';
import type { TurnLatency } from '../protocol';
import { texts } from '../texts';
import { listRoomAttributes } from './attributes';
import type { DebugLog, RoomDebugLog, LoggedEvent } from './RoomDebugLog';
import { percentile, stageNames, stagesOf, totalOf } from './stages';
import '../styles/debug.css';

interface DebugDrawerProps {
  room: Room;
  agent: RemoteParticipant | null;
  sessionId: string;
  recorder: RoomDebugLog;
  onClose: () => void;
}

/** For developers: latency, events and attributes of the room. Esc closes it. */
export default function DebugDrawer({ room, agent, sessionId, recorder, onClose }: DebugDrawerProps) {
  const log = useSyncExternalStore(recorder.subscribe, recorder.current);
  const { quality } = useConnectionQualityIndicator({ participant: room.localParticipant });
  const connected = room.state === ConnectionState.Connected;
  const attributes = listRoomAttributes(room, agent, { session: sessionId, quality: connected ? quality : '' });
  const drawer = useRef<HTMLElement>(null);
  useEffect(() => drawer.current?.focus(), []);
  return (
    <aside
      className="drawer"
      aria-label={texts.debug.title}
      tabIndex={-1}
      ref={drawer}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onClose();
      }}
    >
      <header>
        <h2>{texts.debug.title}</h2>
        <span className="meta num">{texts.debug.facts(sessionId, log.turns.length)}</span>
        <span className="push row">
          <CopyLogButton log={log} attributes={attributes} />
          <button type="button" className="btn bare square" aria-label={texts.debug.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        </span>
      </header>
      <div className="cols">
        <DrawerSection id="debug-latency" title={texts.debug.latency} aside={<LatencyPercentiles turns={log.turns} />}>
          <LatencyBars turns={log.turns} />
        </DrawerSection>
        <DrawerSection id="debug-events" title={texts.debug.events}>
          <EventList events={log.events} />
        </DrawerSection>
        <DrawerSection id="debug-attributes" title={texts.debug.attributes}>
          <dl className="attr num">
            {attributes.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </DrawerSection>
      </div>
    </aside>
  );
}

function CopyLogButton({ log, attributes }: { log: DebugLog; attributes: [string, string][] }) {
  const copy = () => {
    const all = { attributes: Object.fromEntries(attributes), ...log };
    void navigator.clipboard.writeText(JSON.stringify(all, null, 2));
  };
  return (
    <button type="button" className="btn bare" onClick={copy}>
      {texts.debug.copy}
    </button>
  );
}

interface DrawerSectionProps {
  id: string;
  title: string;
  aside?: ReactNode;
  children: ReactNode;
}

function DrawerSection({ id, title, aside, children }: DrawerSectionProps) {
  return (
    <section tabIndex={0} aria-labelledby={id}>
      <div className="row apart">
        <h3 id={id}>{title}</h3>
        {aside}
      </div>
      {children}
    </section>
  );
}

function LatencyPercentiles({ turns }: { turns: readonly TurnLatency[] }) {
  const totals = turns.map(totalOf);
  const [half, most] = [percentile(totals, 0.5), percentile(totals, 0.95)];
  return half === null || most === null ? null : (
    <span className="meta num">{texts.debug.percentiles(half, most)}</span>
  );
}

/** Newest first, all bars on one scale. */
function LatencyBars({ turns }: { turns: readonly TurnLatency[] }) {
  if (turns.length === 0) return <p className="quiet">{texts.debug.noTurns}</p>;
  const longest = Math.max(1, ...turns.map((turn) => stagesOf(turn).reduce((sum, part) => sum + part, 0)));
  return (
    <>
      <table className="lat num">
        <thead className="vh">
          <tr>
            {texts.debug.columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[...turns].reverse().map((turn) => (
            <tr key={turn.turn}>
              <th scope="row">{turn.turn}</th>
              <td className="bars">
                <span className="stk" role="img" aria-label={stagesOf(turn).join(', ')}>
                  {stagesOf(turn).map((part, index) => (
                    <i
                      key={stageNames[index]}
                      className={`c${index + 1}`}
                      style={{ inlineSize: `${(100 * part) / longest}%` }}
                    />
                  ))}
                </span>
              </td>
              <td className="r">{totalOf(turn)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="key num">
        {stageNames.map((name, index) => (
          <span key={name}>
            <i className={`c${index + 1}`} />
            {texts.debug.stages[name]}
          </span>
        ))}
      </p>
    </>
  );
}

function EventList({ events }: { events: readonly LoggedEvent[] }) {
  return (
    <ol className="ev-l num">
      {events.toReversed().map((event, index) => (
        <li key={events.length - index}>
          <time dateTime={event.at.toISOString()}>{event.at.toISOString().slice(11, 21)}</time>
          <span>{event.text}</span>
        </li>
      ))}
    </ol>
  );
}
