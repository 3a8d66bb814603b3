import { createAudioAnalyser, type LocalAudioTrack, type RemoteAudioTrack } from 'livekit-client';
import { useEffect, useRef } from 'react';

export type AudioTrack = LocalAudioTrack | RemoteAudioTrack;

const FRAME_MS = 84; // 12 frames a second, the design's limit

/** Reports the loudness of a track from 0 to 1, and 0 when it ends. */
export function useLevel(track: AudioTrack | null, onLevel: (level: number) => void): void {
  const callback = useRef(onLevel);
  useEffect(() => {
    callback.current = onLevel;
  });
  useEffect(() => {
    if (track === null || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    const { calculateVolume, cleanup } = createAudioAnalyser(track, { fftSize: 256 });
    const timer = window.setInterval(() => callback.current(calculateVolume()), FRAME_MS);
    return () => {
      window.clearInterval(timer);
      callback.current(0);
      void cleanup();
    };
  }, [track]);
}
