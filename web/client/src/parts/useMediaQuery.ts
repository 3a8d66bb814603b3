import { useSyncExternalStore } from 'react';

/** The same widths as in the style sheets. */
export const media = {
  drawer: '(width < 68.75em)',
  phone: '(width < 48em)',
} as const;

export function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = window.matchMedia(query);
      list.addEventListener('change', listener);
      return () => list.removeEventListener('change', listener);
    },
    () => window.matchMedia(query).matches,
  );
}
