import { useEffect, useState } from 'react';
import { api, type HeardQuery, type HeardSegment } from '../api';
import { useLoaded, type Loaded } from '../useLoaded';

const PAUSE_MS = 250; // one request per word, not per letter

/** Searches once the learner stops typing. Null while the search field is empty. */
export function useSearch(text: string, where: HeardQuery): Loaded<HeardSegment[]> | null {
  const [q, setQ] = useState(text.trim());
  useEffect(() => {
    const timer = window.setTimeout(() => setQ(text.trim()), PAUSE_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  const key = q ? JSON.stringify({ ...where, q }) : null;
  const [found] = useLoaded(key, async (signal) => (await api.heard({ ...where, q }, signal)).hits);
  return key === null ? null : found;
}
