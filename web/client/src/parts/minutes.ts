/** Whole minutes of a duration in seconds, at least one; null where it is not known. */
export function minutesOf(seconds: number | null | undefined): number | null {
  return seconds ? Math.max(1, Math.round(seconds / 60)) : null;
}
