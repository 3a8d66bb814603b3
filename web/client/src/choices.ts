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

let stored = defaults;
let pending: Partial<AccountSettings>[] = []; // chosen, and not answered yet
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
      stored = found;
      show();
      if (current.theme !== 'system') applyTheme(current.theme);
    },
    () => {
      loading = null;
    },
  );
}

export function forgetChoices(): void {
  loading = null;
  stored = defaults;
  show();
}

/** Shows the choice at once and stores it; takes it back, and raises, where it was not stored. */
export function change(changes: Partial<AccountSettings>): Promise<void> {
  pending = [...pending, changes];
  show();
  if (changes.theme) applyTheme(changes.theme);
  const saved = Promise.allSettled([loading, saving])
    .then(() => api.changeSettings(changes))
    .then((answer) => {
      stored = answer;
    })
    .finally(() => {
      pending = pending.filter((one) => one !== changes);
      show();
      if (changes.theme) applyTheme(current.theme);
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

/** What is stored, and over it what is on its way. */
function show(): void {
  current = Object.assign({}, stored, ...pending);
  document.documentElement.dataset.captions = current.captionSize;
  for (const listener of listeners) listener();
}
