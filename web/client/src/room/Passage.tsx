import type { Passage as PassageText } from '../api';
import { texts } from '../texts';
import { Formula } from './Formula';
import { Code, Markdown } from './Markdown';

export const passageAnchor = (number: number) => `p${number}`;

/** One numbered passage of the lesson; `cited` puts the highlighter on it. */
export function Passage({ passage, cited }: { passage: PassageText; cited: boolean }) {
  return (
    <div className={cited ? 'pas cited' : 'pas'} id={passageAnchor(passage.number)}>
      <span className="n">
        <span className="vh">{texts.lesson.passage}</span>
        {passage.number}
      </span>
      <div className="body">
        <Body passage={passage} cited={cited} />
      </div>
    </div>
  );
}

function Body({ passage, cited }: { passage: PassageText; cited: boolean }) {
  switch (passage.kind) {
    case 'formula':
      return <Formula mathml={passage.mathml} tex={texOf(passage.body)} marked={cited} />;
    case 'code':
      return <Code source={codeOf(passage.body)} label={texts.lesson.code} />;
    default:
      return <Markdown source={passage.body} marked={cited} />;
  }
}

/** The code of a fenced block, with or without its fences. */
function codeOf(body: string): string {
  const fenced = /^\s*(`{3,}|~{3,})[^\n]*\n([\s\S]*?)\n?\1\s*$/.exec(body);
  return fenced?.[2] ?? body;
}

/** The TeX of a formula passage, `$$` taken off. */
function texOf(body: string): string {
  return body.trim().replace(/^\$\$/, '').replace(/\$\$$/, '').trim();
}
