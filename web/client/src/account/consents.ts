/** What the signed-in account agrees to: stored by the server, shared by the whole page. */
import { useEffect, useSyncExternalStore } from 'react';
import { api, type ConsentKind, type OwnConsents, type SavedConsents } from '../api';
import type { Loaded } from '../useLoaded';
import { reloadAccountSettings } from './accountSettings';

let current: Loaded<OwnConsents> = { state: 'loading' };
let loading: Promise<void> | null = null;
const listeners = new Set<() => void>();

/** Loads them once per sign-in. */
export function useConsents(): Loaded<OwnConsents> {
  useEffect(() => void (loading ??= load()), []);
  return useSyncExternalStore(subscribe, () => current);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function reloadConsents(): void {
  loading = load();
}

export function forgetConsents(): void {
  loading = null;
  show({ state: 'loading' });
}

/**
 * Agrees to what is asked of these kinds and withdraws the rest. Throws if that can't be stored.
 * Resolves to from when the tutor follows a choice about storing.
 */
export async function setConsents(
  asked: OwnConsents,
  kinds: readonly ConsentKind[],
): Promise<SavedConsents['storeWordsFrom']> {
  const agreed = asked.consents
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ kind, textHash }) => ({ kind, textHash }));
  const { storeWordsFrom, ...value } = await api.setConsents(agreed);
  show({ state: 'ready', value });
  await reloadAccountSettings(); // storing is one of the consents
  return storeWordsFrom;
}

/** Whether something has to be agreed to before the next conversation. */
export function isConsentMissing({ consents }: OwnConsents): boolean {
  return consents.some((one) => one.isNeeded && one.givenAt === null);
}

async function load(): Promise<void> {
  try {
    show({ state: 'ready', value: await api.consents() });
  } catch (error) {
    loading = null;
    show({ state: 'failed', error });
  }
}

function show(loaded: Loaded<OwnConsents>): void {
  current = loaded;
  for (const listener of listeners) listener();
}
