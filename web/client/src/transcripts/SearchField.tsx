import { useId, type ReactNode } from 'react';
import { Icon } from '../parts/Icon';
import { texts } from '../texts';

interface SearchFieldProps {
  text: string;
  onText: (text: string) => void;
  /** number of results, or empty */
  status: string;
  /** null without a next result */
  onNext: (() => void) | null;
}

/** The search field. Enter jumps to the next result. */
export function SearchField({ text, onText, status, onNext }: SearchFieldProps) {
  const field = useId();
  return (
    <form
      className="find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onNext?.();
      }}
    >
      <Icon name="search" />
      <label className="vh" htmlFor={field}>
        {texts.transcripts.search}
      </label>
      <input
        id={field}
        type="text"
        enterKeyHint="search"
        autoComplete="off"
        maxLength={200}
        placeholder={texts.transcripts.search}
        value={text}
        onChange={(event) => onText(event.target.value)}
      />
      <span className="meta num" role="status">
        {status}
      </span>
      {onNext ? (
        <button type="submit" className="btn bare square" aria-label={texts.transcripts.next}>
          <Icon name="down" />
        </button>
      ) : null}
    </form>
  );
}

/** Chips that choose where to search. */
export function SearchScope({ children }: { children: ReactNode }) {
  return (
    <div className="scope" role="group" aria-label={texts.transcripts.scope}>
      {children}
    </div>
  );
}

interface ScopeChipProps {
  on: boolean;
  onPress: () => void;
  children: ReactNode;
}

export function ScopeChip({ on, onPress, children }: ScopeChipProps) {
  return (
    <button type="button" className="chip" aria-pressed={on} onClick={onPress}>
      {children}
    </button>
  );
}
