/** What the signed-in account agrees to: stored by the server, shared by the whole page. */
import { useEffect, useSyncExternalStore } from 'react';
import { api, type AskedConsent, type ConsentKind, type OwnConsents, type SavedConsents } from '../api';
import type { Loaded } from '../useLoaded';
import { reloadAccountSettings, requireAccountSettings } from './accountSettings';

let current: Loaded<OwnConsents> = { state: 'loading' };
let loading: Promise<void> | null = null;
const listeners = new Set<() => void>();

/** Loads them once per sign-in. */
export function useConsents(): Loaded<OwnConsents> {
  useEffect(() => void (loading ??= loadConsents()), []);
  return useSyncExternalStore(subscribeToConsents, () => current);
}

function subscribeToConsents(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function reloadConsents(): void {
  loading = loadConsents();
}

export function forgetConsents(): void {
  loading = null;
  showConsents({ state: 'loading' });
}

/**
 * Agrees to what is asked of these kinds and withdraws the rest. Throws if that can't be stored.
 * Resolves to from when the tutor follows a choice about storing.
 */
export async function saveConsents(
  asked: OwnConsents,
  kinds: readonly ConsentKind[],
): Promise<SavedConsents['storeWordsFrom']> {
  const agreed = asked.consents
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ kind, textHash }) => ({ kind, textHash }));
  const { storeWordsFrom, ...value } = await api.saveConsents(agreed);
  await reloadAccountSettings(); // storing is one of the consents: no page may show an older choice
  showConsents({ state: 'ready', value });
  return storeWordsFrom;
}

/** What the learner agrees to by storing words; null until it is loaded. */
export function useTranscriptConsent(): AskedConsent | null {
  const consents = useConsents();
  const asked = consents.state === 'ready' ? consents.value.consents : [];
  return asked.find((one) => one.kind === 'transcript') ?? null;
}

/** Whether something has to be agreed to before the next conversation. */
export function isConsentMissing({ consents }: OwnConsents): boolean {
  return consents.some((one) => one.isNeeded && one.givenAt === null);
}

async function loadConsents(): Promise<void> {
  try {
    const [value] = await Promise.all([api.consents(), requireAccountSettings()]);
    showConsents({ state: 'ready', value });
  } catch (error) {
    loading = null;
    showConsents({ state: 'failed', error });
  }
}

function showConsents(loaded: Loaded<OwnConsents>): void {
  current = loaded;
  for (const listener of listeners) listener();
}
