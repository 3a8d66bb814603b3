import { createLocalAudioTrack, Room, type LocalAudioTrack } from 'livekit-client';
import { useCallback, useEffect, useState } from 'react';

export interface MicrophoneChoice {
  devices: readonly MediaDeviceInfo[];
  /** for the level meter; null until the browser allows the microphone */
  preview: LocalAudioTrack | null;
  test: () => void;
}

/** Lists microphones and opens the chosen one. Asks for permission only on `test`. */
export function useMicrophoneChoice(deviceId: string): MicrophoneChoice {
  const [devices, setDevices] = useState<readonly MediaDeviceInfo[]>([]);
  const [preview, setPreview] = useState<LocalAudioTrack | null>(null);
  const [allowed, setAllowed] = useState(false);

  useEffect(() => {
    let current = true;
    void isAllowed().then((granted) => current && granted && setAllowed(true));
    return () => {
      current = false;
    };
  }, []);

  useEffect(() => {
    if (!allowed) return;
    let current = true;
    let track: LocalAudioTrack | null = null;
    const open = async () => {
      track = await createLocalAudioTrack(deviceId ? { deviceId } : {});
      if (!current) return track.stop();
      setPreview(track);
      const found = await Room.getLocalDevices('audioinput', false);
      if (current) setDevices(found.filter((device) => device.deviceId !== ''));
    };
    open().catch(() => current && setAllowed(false)); // joining shows the reason
    return () => {
      current = false;
      track?.stop();
      setPreview(null);
    };
  }, [allowed, deviceId]);

  const test = useCallback(() => setAllowed(true), []);
  return { devices, preview, test };
}

async function isAllowed(): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: 'microphone' })).state === 'granted';
  } catch {
    return false; // this browser can't tell
  }
}
