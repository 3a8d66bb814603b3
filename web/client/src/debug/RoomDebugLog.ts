/** What happens in a room, for the debug drawer: event names, ids and numbers, never speech. */
import { RoomEvent, type Participant, type Room, type TrackPublication } from 'livekit-client';
import { TOPIC_TURN_LATENCY, type TurnLatency } from '../protocol';
import { followAgentData } from '../rtc/data';
import { readLatency } from '../rtc/payloads';

export interface LoggedEvent {
  at: Date;
  text: string;
}

const MOST_EVENTS = 200; // events, and as many turns

export interface DebugLog {
  events: readonly LoggedEvent[];
  turns: readonly TurnLatency[];
}

/** `subscribe` and `current` are made for useSyncExternalStore. */
export class RoomDebugLog {
  private held: DebugLog = { events: [], turns: [] };
  private readonly listeners = new Set<() => void>();

  readonly current = () => this.held;

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Records the room's events. Call the result to stop. */
  attach(room: Room): () => void {
    const handlers: [RoomEvent, (...args: never[]) => void][] = [
      [RoomEvent.ConnectionStateChanged, (state: string) => this.addEvents(`connection ${state}`)],
      [RoomEvent.Disconnected, (reason?: number) => this.addEvents(`disconnected ${reason ?? ''}`)],
      [RoomEvent.ParticipantConnected, (one: Participant) => this.addEvents(`participant.joined ${one.identity}`)],
      [RoomEvent.ParticipantDisconnected, (one: Participant) => this.addEvents(`participant.left ${one.identity}`)],
      [
        RoomEvent.ConnectionQualityChanged,
        (quality: string, one: Participant) => this.addEvents(`quality ${quality} ${one.identity}`),
      ],
      [
        RoomEvent.ParticipantAttributesChanged,
        (changed: Record<string, string>, one: Participant) =>
          this.addEvents(...Object.entries(changed).map(([name, value]) => `${name} ${value} ${one.identity}`)),
      ],
      [RoomEvent.RoomMetadataChanged, () => this.addEvents('room.metadata')],
      [RoomEvent.LocalTrackPublished, (track: TrackPublication) => this.addEvents(`track.published ${track.trackSid}`)],
      [RoomEvent.TrackSubscribed, (_: unknown, track: TrackPublication) => this.addEvents(`track.heard ${track.trackSid}`)],
      [RoomEvent.TrackMuted, (track: TrackPublication) => this.addEvents(`track.muted ${track.trackSid}`)],
      [RoomEvent.TrackUnmuted, (track: TrackPublication) => this.addEvents(`track.unmuted ${track.trackSid}`)],
      [
        RoomEvent.DataReceived,
        (payload: Uint8Array, _sender?: Participant, _kind?: unknown, topic?: string) =>
          this.addEvents(`data ${topic ?? ''} ${payload.byteLength} bytes`),
      ],
    ];
    for (const [event, handler] of handlers) room.on(event, handler as () => void);
    const unfollow = followAgentData(room, { [TOPIC_TURN_LATENCY]: (payload) => this.addLatency(payload) });
    return () => {
      unfollow();
      for (const [event, handler] of handlers) room.off(event, handler as () => void);
    };
  }

  private addLatency(payload: Uint8Array): void {
    const latency = readLatency(payload);
    if (latency) this.showLog({ ...this.held, turns: [...this.held.turns, latency].slice(-MOST_EVENTS) });
  }

  private addEvents(...texts: string[]): void {
    const fresh = texts.map((text) => ({ at: new Date(), text: text.trim() }));
    this.showLog({ ...this.held, events: [...this.held.events, ...fresh].slice(-MOST_EVENTS) });
  }

  private showLog(log: DebugLog): void {
    this.held = log;
    for (const listener of this.listeners) listener();
  }
}
