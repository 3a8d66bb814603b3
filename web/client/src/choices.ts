/** What the learner chose, kept by the server: one store for all parts of the page. */
import { useSyncExternalStore } from 'react';
import { api, type AccountSettings } from './api';
import { applyTheme } from './theme';

const defaults: AccountSettings = {
  storeWords: true,
  speechRate: 1,
  voice: true,
  captionSize: 'normal',
  readTutor: false,
  singleKeys: true,
  theme: 'system',
};

let current = defaults;
let loading: Promise<void> | null = null;
let saving: Promise<unknown> = Promise.resolve();
let storing: Promise<unknown> = Promise.resolve();
const listeners = new Set<() => void>();

export const choices = () => current;

export function useChoices(): AccountSettings {
  return useSyncExternalStore(subscribe, choices);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Asks the server once for whoever is signed in; without an answer the defaults hold. */
export function loadChoices(): void {
  loading ??= api.settings().then(
    (found) => {
      hold(found);
      if (found.theme !== 'system') applyTheme(found.theme);
    },
    () => {
      loading = null;
    },
  );
}

export function forgetChoices(): void {
  loading = null;
  hold(defaults);
}

/** Shows the choice at once and stores it; takes it back, and raises, where it was not stored. */
export function change(changes: Partial<AccountSettings>): Promise<void> {
  const before = current;
  hold({ ...current, ...changes });
  if (changes.theme) applyTheme(changes.theme);
  const saved = Promise.allSettled([loading, saving])
    .then(() => api.changeSettings(changes))
    .then(hold, (error: unknown) => {
      hold({ ...current, ...pick(before, changes) });
      if (changes.theme) applyTheme(before.theme);
      throw error;
    });
  saving = saved;
  if (changes.storeWords !== undefined) storing = saved;
  return saved;
}

/**
 * Waits until the server knows whether it may store: a token of before would tell the tutor wrong.
 * Raises, once, where the choice was not taken.
 */
export async function storingSettled(): Promise<void> {
  const last = storing;
  storing = Promise.resolve();
  await last;
}

function hold(found: AccountSettings): void {
  current = found;
  document.documentElement.dataset.captions = found.captionSize;
  for (const listener of listeners) listener();
}

function pick(from: AccountSettings, names: Partial<AccountSettings>): Partial<AccountSettings> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => name in names));
}
