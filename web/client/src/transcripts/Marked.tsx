import { Fragment } from 'react';
import type { Highlight } from '../api';

interface MarkedTextProps {
  text: string;
  highlights: readonly Highlight[];
  current?: boolean;
}

/** A text with the search hits highlighted. */
export function MarkedText({ text, highlights, current = false }: MarkedTextProps) {
  const ends = [0, ...highlights.map(({ end }) => end)];
  return (
    <>
      {highlights.map(({ start, end }, index) => (
        <Fragment key={start}>
          {text.slice(ends[index], start)}
          <mark className={current ? 'cur' : undefined}>{text.slice(start, end)}</mark>
        </Fragment>
      ))}
      {text.slice(ends.at(-1))}
    </>
  );
}
