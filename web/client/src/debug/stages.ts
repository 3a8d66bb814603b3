/** The stages of a turn's latency, in milliseconds. */
import type { TurnLatency } from '../protocol';

export const stageNames = ['endOfTurn', 'speechToText', 'firstToken', 'firstSound'] as const;

/** In the order of `stageNames`. End of turn includes recognition, so that is subtracted. */
export function stagesOf({ endOfTurnS, speechToTextS, firstTokenS, firstSoundS }: TurnLatency): number[] {
  const recognised = speechToTextS ?? 0;
  return [Math.max(0, (endOfTurnS ?? 0) - recognised), recognised, firstTokenS ?? 0, firstSoundS ?? 0].map(toMs);
}

export function totalOf(turn: TurnLatency): number {
  return turn.totalS === null ? stagesOf(turn).reduce((sum, part) => sum + part, 0) : toMs(turn.totalS);
}

/** Nearest rank; null without values. `share` is from 0 to 1. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

const toMs = (seconds: number) => Math.round(1000 * seconds);
