/** A small router on top of the history API. */
import { useSyncExternalStore } from 'react';

const addressListeners = new Set<() => void>();

function announceAddress(): void {
  for (const listener of addressListeners) listener();
}

window.addEventListener('popstate', announceAddress);

function subscribeToAddress(listener: () => void): () => void {
  addressListeners.add(listener);
  return () => addressListeners.delete(listener);
}

/** The current address. Renders again when it changes. */
export function useAddress(): URL {
  const href = useSyncExternalStore(subscribeToAddress, () => window.location.href);
  return new URL(href);
}

export function navigate(to: string, { replace = false } = {}): void {
  if (replace) window.history.replaceState(null, '', to);
  else window.history.pushState(null, '', to);
  announceAddress();
}

/** Follows a link inside the page. Leaves modified clicks, such as "open in new tab", to the browser. */
export function followLink(event: React.MouseEvent<HTMLAnchorElement>): void {
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!plain || event.defaultPrevented) return;
  event.preventDefault();
  navigate(event.currentTarget.getAttribute('href') ?? '/');
}

export function modulePath(courseId: string, moduleId: string, lesson?: string | null): string {
  const path = `/v2/course/${encodeURIComponent(courseId)}/module/${encodeURIComponent(moduleId)}`;
  return lesson ? `${path}?lesson=${encodeURIComponent(lesson)}` : path;
}

/** Course and module in a room's path, decoded. */
export function matchModule(pathname: string): { courseId: string; moduleId: string } | null {
  const found = /^\/v2\/course\/([^/]+)\/module\/([^/]+)\/?$/.exec(pathname);
  if (!found?.[1] || !found[2]) return null;
  try {
    return { courseId: decodeURIComponent(found[1]), moduleId: decodeURIComponent(found[2]) };
  } catch {
    return null;
  }
}

/** The session in a transcript's path; empty for the list of all transcripts. */
export function matchTranscript(pathname: string): string | null {
  const found = /^\/transcripts(?:\/([0-9a-fA-F-]{36}))?\/?$/.exec(pathname);
  return found ? (found[1] ?? '') : null;
}

export function transcriptPagePath(sessionId: string, lesson?: string | null, segment?: string): string {
  const query = lesson ? `?lesson=${encodeURIComponent(lesson)}` : '';
  return `/transcripts/${sessionId}${query}${segment ? `#${segmentAnchor(segment)}` : ''}`;
}

export const segmentAnchor = (id: string) => `segment-${encodeURIComponent(id)}`;

/** Opens an address of the server's choice: a page of ours, or one at another site. */
export function openPage(address: string): void {
  if (address.startsWith('/')) navigate(address, { replace: true });
  else window.location.assign(address);
}

export const troublePath = (trouble: string) => `/auth/signin?trouble=${trouble}`;

export function signInPath(): string {
  const here = window.location.pathname + window.location.search + window.location.hash;
  if (window.location.pathname === '/auth/signin') return here;
  return here === '/' ? '/auth/signin' : `/auth/signin?return_to=${encodeURIComponent(here)}`;
}
