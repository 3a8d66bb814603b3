/** Whole minutes, at least 1; null if the duration is unknown. */
export function minutesOf(seconds: number | null | undefined): number | null {
  return seconds ? Math.max(1, Math.round(seconds / 60)) : null;
}
