import { useCallback, useRef } from 'react';
import { useLevel, type AudioTrack } from './useLevel';

const barHeights = [5, 9, 13, 16, 11];

/** Five bars inside the microphone button, which has the label. */
export function MicrophoneLevel({ track }: { track: AudioTrack | null }) {
  const bars = useLevelBars(barHeights.length, track);
  return (
    <span className="level" aria-hidden="true" ref={bars}>
      {barHeights.map((height) => (
        <i key={height} style={{ blockSize: `${height / 16}rem` }} />
      ))}
    </span>
  );
}

const METER_BARS = 24;

/** The wide level meter below the choice of microphone. */
export function LevelMeter({ track, label }: { track: AudioTrack | null; label: string }) {
  const bars = useLevelBars(METER_BARS, track);
  return (
    <span className="meter" role="img" aria-label={label} ref={bars}>
      {Array.from({ length: METER_BARS }, (_, index) => (
        <i key={index} />
      ))}
    </span>
  );
}

/** Lights an element's bars by loudness, without React: it happens 12 times a second. */
function useLevelBars(count: number, track: AudioTrack | null) {
  const element = useRef<HTMLSpanElement>(null);
  const light = useCallback(
    (level: number) => {
      const lit = Math.round(Math.min(1, level * 1.6) * count);
      element.current?.childNodes.forEach((bar, index) => {
        (bar as HTMLElement).classList.toggle('on', index < lit);
      });
    },
    [count],
  );
  useLevel(track, light);
  return element;
}
