import { useEffect, useRef, useState } from 'react';
import { texts } from '../texts';
import type { AgentState } from './tutor';
import { useLevel, type AudioTrack } from '../rtc/useLevel';

export type VoiceState = AgentState | 'connecting' | 'comingTyped' | 'waiting';

const BARS = 44;
const SAID_MS = 2_000; // at most one announcement in this time
const THINKING_MS = 1_500; // shorter ones are not announced

interface VoiceLineProps {
  state: VoiceState;
  microphone: AudioTrack | null;
  voice: AudioTrack | null;
}

/** What the tutor is doing: a line of bars and two short sentences. */
export function VoiceLine({ state, microphone, voice }: VoiceLineProps) {
  const [word, hint] = texts.agent[state];
  return (
    <div className="agent">
      <VoiceWave state={state} track={shownTrack(state, microphone, voice)} />
      <div className="say" aria-hidden="true">
        <b>{word}</b>
        <span>{hint}</span>
      </div>
      <SpokenState state={state} />
    </div>
  );
}

function shownTrack(state: VoiceState, microphone: AudioTrack | null, voice: AudioTrack | null) {
  if (state === 'listening' || state === 'waiting') return microphone;
  return state === 'speaking' ? voice : null;
}

/** The state for screen readers, announced less often than it changes. */
function SpokenState({ state }: { state: VoiceState }) {
  const [said, setSaid] = useState(state);
  const last = useRef(0);
  useEffect(() => {
    const pause = Math.max(0, last.current + SAID_MS - Date.now());
    const wait = Math.max(pause, state === 'thinking' ? THINKING_MS : 0);
    const timer = window.setTimeout(() => {
      last.current = Date.now();
      setSaid(state);
    }, wait);
    return () => window.clearTimeout(timer);
  }, [state]);
  const [word, hint] = texts.agent[said];
  return (
    <span className="vh" role="status">
      {`${word}. ${hint}`}
    </span>
  );
}

function VoiceWave({ state, track }: { state: VoiceState; track: AudioTrack | null }) {
  const line = useRef<HTMLDivElement>(null);
  useLevel(track, (level) => {
    line.current?.style.setProperty('--loud', Math.min(1, level * 1.8).toFixed(2));
  });
  const quiet = waveState(state);
  return (
    <div className="wave" data-s={quiet} aria-hidden="true" ref={line}>
      {waveOfState[quiet].map((height, index) => (
        <i
          key={index}
          className={quiet === 'thinking' && index > 17 && index < 26 ? 'on' : undefined}
          style={{ blockSize: `${height}px` }}
        />
      ))}
    </div>
  );
}

function waveState(state: VoiceState): AgentState {
  if (state === 'connecting' || state === 'comingTyped') return 'coming';
  return state === 'waiting' ? 'listening' : state;
}

function waveHeights(height: (index: number) => number): number[] {
  return Array.from({ length: BARS }, (_, index) => Math.round(height(index) * 10) / 10);
}

const flatWave = waveHeights(() => 3);
const waveOfState: Record<AgentState, number[]> = {
  coming: flatWave,
  thinking: flatWave,
  listening: waveHeights((k) => (k > 27 ? 3 : 3 + 15 * Math.abs(Math.sin(k * 0.7) * Math.sin(k * 0.23 + 0.2)))),
  speaking: waveHeights((k) => {
    const hull = Math.sin((Math.PI * (k + 0.5)) / BARS) ** 0.7;
    return 4 + 26 * hull * (0.25 + 0.75 * Math.abs(Math.sin(k * 1.9) * Math.cos(k * 0.61 + 1)));
  }),
};
