import type { Passage as PassageText } from '../api';
import { texts } from '../texts';
import { Formula } from './Formula';
import { Code, Markdown } from './Markdown';

export const passageAnchor = (number: number) => `p${number}`;

interface PassageProps {
  passage: PassageText;
  /** highlighted */
  cited: boolean;
  /** counted within the lesson, from 1 */
  formulaNumber: number;
}

export function Passage(props: PassageProps) {
  const { passage, cited } = props;
  return (
    <div className={cited ? 'pas cited' : 'pas'} id={passageAnchor(passage.number)}>
      <span className="n">
        <span className="vh">{texts.lesson.passage}</span>
        {passage.number}
      </span>
      <div className="body">
        <PassageBody {...props} />
      </div>
    </div>
  );
}

function PassageBody({ passage, cited, formulaNumber }: PassageProps) {
  switch (passage.kind) {
    case 'formula':
      return (
        <Formula number={formulaNumber} mathml={passage.mathml} tex={stripDollars(passage.body)} marked={cited} />
      );
    case 'code':
      return <Code source={stripFences(passage.body)} label={texts.lesson.code} />;
    default:
      return <Markdown source={passage.body} marked={cited} />;
  }
}

/** Without its fences, if it has them. */
function stripFences(body: string): string {
  const fenced = /^\s*(`{3,}|~{3,})[^\n]*\n([\s\S]*?)\n?\1\s*$/.exec(body);
  return fenced?.[2] ?? body;
}

/** Without the `$$` around it. */
function stripDollars(body: string): string {
  return body.trim().replace(/^\$\$/, '').replace(/\$\$$/, '').trim();
}
