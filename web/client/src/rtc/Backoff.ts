const FIRST_MS = 1_000;
const MOST_MS = 15_000;

/** Retries later: after 1 s, then twice as long each time, up to 15 s. */
export class Backoff {
  private timer = 0;
  private waitMs = FIRST_MS;

  schedule(retry: () => void): void {
    this.timer = window.setTimeout(retry, this.waitMs);
    this.waitMs = Math.min(2 * this.waitMs, MOST_MS);
  }

  cancel(): void {
    window.clearTimeout(this.timer);
  }

  reset(): void {
    this.waitMs = FIRST_MS;
  }
}
