/** The settings of the signed-in account: stored by the server, shared by the whole page. */
import { useSyncExternalStore } from 'react';
import { api, type AccountSettings } from '../api';
import { applyTheme } from '../theme';

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
let pending: Partial<AccountSettings>[] = []; // chosen, but not yet confirmed by the server
let current = defaults;
let loading: Promise<void> | null = null;
let saving: Promise<unknown> = Promise.resolve();
let storing: Promise<unknown> = Promise.resolve();
const listeners = new Set<() => void>();

export const accountSettings = () => current;

export function useAccountSettings(): AccountSettings {
  return useSyncExternalStore(subscribe, accountSettings);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Loads them once per sign-in. If that fails, the defaults apply. */
export function loadAccountSettings(): void {
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

export function forgetAccountSettings(): void {
  loading = null;
  stored = defaults;
  show();
}

/** Applies a choice at once and stores it. Reverts it and throws if it can't be stored. */
export function changeAccountSettings(changes: Partial<AccountSettings>): Promise<void> {
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
 * Waits until the server has the choice about storing: a token made earlier would carry the old one.
 * Throws once if it couldn't be saved.
 */
export async function storingSettled(): Promise<void> {
  const last = storing;
  storing = Promise.resolve();
  await last;
}

/** Shows the stored settings with the pending ones on top. */
function show(): void {
  current = Object.assign({}, stored, ...pending);
  document.documentElement.dataset.captions = current.captionSize;
  for (const listener of listeners) listener();
}
