/** Words of typed turns that were not sent or were refused, on their way back into the box. */
import { useEffect, useRef, type Dispatch, type SetStateAction } from 'react';

/** Puts each of `returned` back into the draft, once. The list only grows. */
export function useReturnedWords(returned: readonly string[], onDraft: Dispatch<SetStateAction<string>>): void {
  const count = useRef(0);
  useEffect(() => {
    const [earlier, words] = [returned.slice(0, count.current), returned.slice(count.current)];
    count.current = returned.length;
    if (words.length > 0) onDraft((draft) => putBack(draft, earlier, words));
  }, [returned, onDraft]);
}

/**
 * In the order in which they were typed: after earlier words that are still there, and before what was
 * typed since, so that the cursor stays at the end of it.
 */
function putBack(draft: string, earlier: readonly string[], words: readonly string[]): string {
  const first = earlier.findIndex((_, index) => draft.startsWith(earlier.slice(index).join('\n')));
  const kept = first < 0 ? [] : earlier.slice(first);
  const since = draft.slice(kept.join('\n').length).replace(/^\n/, '');
  return [...kept, ...words, ...(since === '' ? [] : [since])].join('\n');
}
