/** One user's connection to a room: joining, reconnecting and leaving. */
import { ConnectionError, ConnectionState, DisconnectReason, RoomEvent, type MediaDeviceFailure } from 'livekit-client';
import { ApiError, type JoinToken } from '../api';
import { explainFailure } from '../failures';
import { texts } from '../texts';
import { Backoff } from './Backoff';
import { Microphone, MicrophoneFailed, MicrophoneForbidden } from './Microphone';
import { makeRoom } from './room';

export type Phase = 'before' | 'refused' | 'elsewhere' | 'connecting' | 'live' | 'lost';

export interface ConnectionStatus {
  phase: Phase;
  /** the connection came back less than 5 s ago */
  back: boolean;
  /** one sentence for the user, or empty */
  trouble: string;
  /** why there is no microphone, in the phase `refused` */
  failure: MediaDeviceFailure | null;
}

export interface StartOptions {
  microphone: boolean;
  deviceId?: string;
}

const BACK_MS = 5_000;
const BLIP_MS = 1_000; // a connection that resumes sooner needs no banner
const FINAL = [401, 403, 404, 409]; // after one of these, asking for a token again won't help

/** What a connection asks the token server. */
export interface ConnectionServer {
  /** Called for every join: the room may have been closed since the last one. */
  getToken: () => Promise<JoinToken>;
  /** Says in one sentence why the user was removed. Never throws. */
  explainRemoval: () => Promise<string>;
}

/** `subscribe` and `current` are made for useSyncExternalStore. */
export class Connection {
  readonly room = makeRoom();
  private readonly microphone = new Microphone(this.room);
  private readonly backoff = new Backoff();
  private readonly listeners = new Set<() => void>();
  private status: ConnectionStatus = { phase: 'before', back: false, trouble: '', failure: null };
  private wanted = false; // by the user, whether connected or not
  private rejoining = false;
  private over = new AbortController();
  private backTimer = 0;
  private blipTimer = 0;

  constructor(private readonly server: ConnectionServer) {}

  readonly current = () => this.status;

  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Aborted when the visit ends. A lost connection doesn't end it. */
  get ended(): AbortSignal {
    return this.over.signal;
  }

  /** Follows the room's events. Call the result to stop; it leaves the room too. */
  readonly attach = () => {
    const { room } = this;
    room.on(RoomEvent.ConnectionStateChanged, this.changed).on(RoomEvent.Disconnected, this.disconnected);
    room.on(RoomEvent.ParticipantPermissionsChanged, this.permissionsChanged);
    return () => {
      room.off(RoomEvent.ConnectionStateChanged, this.changed).off(RoomEvent.Disconnected, this.disconnected);
      room.off(RoomEvent.ParticipantPermissionsChanged, this.permissionsChanged);
      this.endVisit();
      void room.disconnect();
    };
  };

  readonly start = async ({ microphone, deviceId }: StartOptions) => {
    this.wanted = true;
    this.over = new AbortController();
    this.microphone.choose(microphone, deviceId);
    this.changeStatus({ phase: 'connecting', trouble: '' });
    void this.room.startAudio().catch(() => undefined);
    // in parallel: the microphone buffers from now on, so no word is lost while connecting
    const joining = this.join();
    const publishing = this.microphone.publish();
    try {
      await Promise.race([joining, publishing.then(() => joining)]);
      this.changeStatus({ phase: 'live' });
      await publishing;
    } catch (error) {
      if (error instanceof MicrophoneForbidden) return this.stayMuted(joining);
      joining.catch(() => undefined);
      publishing.catch(() => undefined);
      if (!this.wanted) return;
      await this.leave();
      if (error instanceof MicrophoneFailed) this.changeStatus({ phase: 'refused', failure: error.failure });
      else this.changeStatus({ trouble: explainConnectionError(error) });
    }
  };

  /** Joins without a microphone, and says why. */
  private async stayMuted(joining: Promise<void>): Promise<void> {
    this.microphone.giveUp();
    try {
      await joining;
      this.changeStatus({ phase: 'live', trouble: texts.muted });
    } catch (error) {
      if (!this.wanted) return;
      await this.leave();
      this.changeStatus({ trouble: explainConnectionError(error) });
    }
  }

  readonly leave = async () => {
    this.endVisit();
    this.changeStatus({ phase: 'before', back: false, trouble: '' });
    await this.room.disconnect();
  };

  /** Tries to reconnect now. */
  readonly retry = () => {
    this.backoff.reset();
    void this.rejoin();
  };

  readonly setMicrophone = async (on: boolean) => {
    this.changeStatus({ trouble: '' });
    try {
      await this.microphone.turnOnOrOff(on);
    } catch (error) {
      this.microphone.giveUp();
      this.changeStatus({ trouble: error instanceof MicrophoneForbidden ? texts.muted : texts.refused.lead });
    }
  };

  private async join(): Promise<void> {
    const token = await this.server.getToken();
    if (!this.wanted) throw new Error('the user left before the token came');
    await this.room.connect(token.server_url, token.participant_token);
  }

  private endVisit(): void {
    this.wanted = false;
    this.over.abort();
    this.backoff.cancel();
    window.clearTimeout(this.blipTimer);
  }

  private async rejoin(): Promise<void> {
    this.backoff.cancel();
    if (this.rejoining || !this.wanted) return;
    this.rejoining = true;
    try {
      await this.room.disconnect();
      await this.join();
      this.backoff.reset();
      this.changeStatus({ phase: 'live' });
      this.showBack();
      await this.microphone.publish().catch(() => undefined); // the user can turn it on again
    } catch (error) {
      await this.rejoinFailed(error);
    } finally {
      this.rejoining = false;
      if (!this.wanted) void this.room.disconnect();
    }
  }

  private async rejoinFailed(error: unknown): Promise<void> {
    if (error instanceof ApiError && FINAL.includes(error.status)) {
      await this.leave();
      this.changeStatus({ trouble: explainConnectionError(error) });
    } else if (this.wanted) {
      this.backoff.schedule(() => void this.rejoin());
    }
  }

  private readonly changed = (state: ConnectionState) => {
    window.clearTimeout(this.blipTimer);
    if (!this.wanted || this.rejoining) return;
    if (state === ConnectionState.SignalReconnecting) {
      this.blipTimer = window.setTimeout(() => this.showLost(), BLIP_MS);
    }
    if (state === ConnectionState.Reconnecting) this.showLost();
    if (state === ConnectionState.Connected && this.status.phase === 'lost') {
      this.changeStatus({ phase: 'live' });
      this.showBack();
    }
  };

  private readonly disconnected = (reason?: DisconnectReason) => {
    if (!this.wanted || this.rejoining) return;
    switch (reason) {
      case DisconnectReason.DUPLICATE_IDENTITY:
        this.endVisit();
        return this.changeStatus({ phase: 'elsewhere' });
      case DisconnectReason.PARTICIPANT_REMOVED:
        return void this.leave().then(() => this.explainRemoval());
      case DisconnectReason.ROOM_DELETED:
        return void this.leave().then(() => this.changeStatus({ trouble: texts.ended }));
      case DisconnectReason.CLIENT_INITIATED:
        return;
      default:
        this.showLost();
        void this.rejoin();
    }
  };

  private async explainRemoval(): Promise<void> {
    const trouble = await this.server.explainRemoval();
    if (!this.wanted) this.changeStatus({ trouble }); // else the user has started again
  }

  private readonly permissionsChanged = () => {
    const muted = this.room.localParticipant.permissions?.canPublish === false;
    if (muted) this.microphone.giveUp();
    if (muted || this.status.trouble === texts.muted) this.changeStatus({ trouble: muted ? texts.muted : '' });
  };

  private showLost(): void {
    if (this.status.phase === 'live') this.changeStatus({ phase: 'lost' });
  }

  private showBack(): void {
    this.changeStatus({ back: true });
    window.clearTimeout(this.backTimer);
    this.backTimer = window.setTimeout(() => this.changeStatus({ back: false }), BACK_MS);
  }

  private changeStatus(change: Partial<ConnectionStatus>): void {
    this.status = { ...this.status, ...change };
    for (const listener of this.listeners) listener();
  }
}

function explainConnectionError(error: unknown): string {
  return error instanceof ConnectionError ? texts.failures.media : explainFailure(error);
}
