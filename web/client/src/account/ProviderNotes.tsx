import type { ModelProvider } from '../api';
import { Note } from '../parts/Note';
import { texts } from '../texts';

/** Where words, sound and answers go: to which servers, or nowhere else. */
export function ProviderNotes({ providers }: { providers: readonly ModelProvider[] }) {
  if (providers.length === 0) return <Note icon="home">{texts.providers.none}</Note>;
  return providers.map(({ kind, host }) => (
    <Note icon="out" key={kind}>
      {texts.providers.sends[kind](host)}
    </Note>
  ));
}
