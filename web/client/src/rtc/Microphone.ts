import { MediaDeviceFailure, type Room } from 'livekit-client';

/** The browser didn't open a microphone. */
export class MicrophoneFailed extends Error {
  readonly failure: MediaDeviceFailure;

  constructor(cause: unknown) {
    super('no microphone', { cause });
    this.failure = MediaDeviceFailure.getFailure(cause) ?? MediaDeviceFailure.Other;
  }
}

/** A teacher has muted the user. */
export class MicrophoneForbidden extends Error {}

/** The microphone the user chose, which outlives the connection. */
export class Microphone {
  private wanted = false;
  private deviceId: string | undefined;

  constructor(private readonly room: Room) {}

  choose(wanted: boolean, deviceId?: string): void {
    this.wanted = wanted;
    this.deviceId = deviceId;
  }

  /** Publishes the microphone if the user wants one. Throws like `turnOnOrOff`. */
  async publish(): Promise<void> {
    if (this.wanted) await this.turnOnOrOff(true);
  }

  /** Mutes or unmutes. Throws MicrophoneFailed, or MicrophoneForbidden. */
  async turnOnOrOff(on: boolean): Promise<void> {
    this.wanted = on;
    try {
      await this.room.localParticipant.setMicrophoneEnabled(on, this.deviceId ? { deviceId: this.deviceId } : {});
    } catch (error) {
      if (this.room.localParticipant.permissions?.canPublish === false) throw new MicrophoneForbidden();
      throw new MicrophoneFailed(error);
    }
  }

  giveUp(): void {
    this.wanted = false;
  }
}
