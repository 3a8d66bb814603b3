import { useEffect, useState } from 'react';

export type Loaded<T> =
  | { state: 'loading' }
  | { state: 'ready'; value: T }
  | { state: 'failed'; error: unknown };

/** Loads once per key (null loads nothing), ignores outdated results. The second value reloads. */
export function useLoaded<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
): [Loaded<T>, () => void] {
  const [attempt, setAttempt] = useState(0);
  const [held, setHeld] = useState<{ id: string; loaded: Loaded<T> } | null>(null);
  const id = `${attempt} ${key}`;
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    const keep = (loaded: Loaded<T>) => {
      if (!stop.signal.aborted) setHeld({ id, loaded });
    };
    load(stop.signal).then(
      (value) => keep({ state: 'ready', value }),
      (error: unknown) => keep({ state: 'failed', error }),
    );
    return () => stop.abort();
    // `load` is a new function on each render; `id` says when its result would differ
  }, [id]);
  const loaded: Loaded<T> = held?.id === id ? held.loaded : { state: 'loading' };
  return [loaded, () => setAttempt((count) => count + 1)];
}
