/** The settings of the signed-in account: stored by the server, shared by the whole page. */
import { useSyncExternalStore } from 'react';
import { api, type AccountSettings, type SavedSettings, type SettingsChange } from '../api';
import { applyAndRememberTheme } from '../theme';

const defaultSettings: AccountSettings = {
  storeWords: false,
  speechRate: 1,
  voice: true,
  captionSize: 'normal',
  readTutor: false,
  singleKeys: true,
  theme: 'system',
};

let storedSettings = defaultSettings;
let pendingChanges: Partial<AccountSettings>[] = []; // chosen, but not yet confirmed by the server
let shownSettings = defaultSettings;
let settingsLoad: Promise<void> | null = null;
let lastSave: Promise<unknown> = Promise.resolve();
let storeWordsSave: Promise<unknown> = Promise.resolve();
const listeners = new Set<() => void>();

export const currentAccountSettings = () => shownSettings;

export function useAccountSettings(): AccountSettings {
  return useSyncExternalStore(subscribeToSettings, currentAccountSettings);
}

function subscribeToSettings(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Loads them once per sign-in. If that fails, the defaults apply. */
export function loadAccountSettings(): void {
  requireAccountSettings().catch(() => undefined);
}

/** Loads them once per sign-in. Throws if that fails; the next call tries again. */
export async function requireAccountSettings(): Promise<void> {
  settingsLoad ??= reloadAccountSettings().catch((error: unknown) => {
    settingsLoad = null;
    throw error;
  });
  await settingsLoad;
}

/** Loads what the server has now. Throws, and keeps what is shown, if that fails. */
export async function reloadAccountSettings(): Promise<void> {
  storedSettings = await api.settings();
  applySettingsToPage();
  if (shownSettings.theme !== 'system') applyAndRememberTheme(shownSettings.theme);
}

export function forgetAccountSettings(): void {
  settingsLoad = null;
  storedSettings = defaultSettings;
  applySettingsToPage();
}

/**
 * Applies a choice at once and stores it. Reverts it and throws if it can't be stored.
 * Storing words needs the text that the learner agrees to by it.
 * Resolves to from when the tutor follows a choice about storing.
 */
export function applyAndSaveSettings(
  changes: Partial<AccountSettings>,
  agreed: Pick<SettingsChange, 'transcriptTextHash'> = {},
): Promise<SavedSettings['storeWordsFrom']> {
  pendingChanges = [...pendingChanges, changes];
  applySettingsToPage();
  if (changes.theme) applyAndRememberTheme(changes.theme);
  const saved = Promise.allSettled([settingsLoad, lastSave])
    .then(() => api.changeSettings({ ...changes, ...agreed }))
    .then(({ storeWordsFrom, ...settings }) => {
      storedSettings = settings;
      return storeWordsFrom;
    })
    .finally(() => {
      pendingChanges = pendingChanges.filter((one) => one !== changes);
      applySettingsToPage();
      if (changes.theme) applyAndRememberTheme(shownSettings.theme);
    });
  lastSave = saved;
  if (changes.storeWords !== undefined) storeWordsSave = saved;
  return saved;
}

/**
 * Waits until the server has the choice about storing: a token made earlier would carry the old one.
 * Throws once if it couldn't be saved.
 */
export async function waitForStoreWordsSave(): Promise<void> {
  const last = storeWordsSave;
  storeWordsSave = Promise.resolve();
  await last;
}

/** Shows the stored settings with the pending ones on top. */
function applySettingsToPage(): void {
  shownSettings = Object.assign({}, storedSettings, ...pendingChanges);
  document.documentElement.dataset.captions = shownSettings.captionSize;
  for (const listener of listeners) listener();
}
