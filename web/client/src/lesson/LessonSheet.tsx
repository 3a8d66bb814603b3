import { forwardRef, Fragment } from 'react';
import { api, type LessonEntry, type LessonText } from '../api';
import type { Loaded } from '../useLoaded';
import { minutesOf } from '../parts/minutes';
import { LoadTrouble } from '../parts/Trouble';
import { texts } from '../texts';
import type { Cite } from './cite';
import { Passage } from './Passage';

export const loadLesson = (id: string) => (signal: AbortSignal) => api.lesson(id, signal);

interface LessonSheetProps {
  entry: LessonEntry;
  number: number | null;
  loaded: Loaded<LessonText>;
  again: () => void;
  cites: readonly Cite[];
  back: LessonEntry | null;
  next: LessonEntry | null;
  hrefOf: (lesson: LessonEntry) => string;
  onTurn: (event: React.MouseEvent<HTMLAnchorElement>, lesson: LessonEntry) => void;
}

/** A lesson's title and numbered passages, with links to the previous and next lesson. */
export const LessonSheet = forwardRef<HTMLHeadingElement, LessonSheetProps>(function LessonSheet(
  { entry, number, loaded, again, cites, back, next, hrefOf, onTurn },
  title,
) {
  return (
    <article className="sheet">
      <p className="kicker num">{texts.lesson.kicker(number, minutesOf(entry.duration))}</p>
      <h2 className="title" ref={title} tabIndex={-1}>
        {entry.title}
      </h2>
      {loaded.state === 'ready' ? (
        <PassageList lesson={loaded.value} cites={cites} />
      ) : (
        <div className="unread">
          <LoadTrouble loaded={loaded} />
          {loaded.state === 'failed' ? (
            <button type="button" className="btn" onClick={again}>
              {texts.lesson.again}
            </button>
          ) : null}
        </div>
      )}
      <div className="turnpage">
        {back ? (
          <a className="btn" href={hrefOf(back)} onClick={(event) => onTurn(event, back)}>
            {texts.lesson.back(back.title)}
          </a>
        ) : (
          <span />
        )}
        {next ? (
          <a className="btn" href={hrefOf(next)} onClick={(event) => onTurn(event, next)}>
            {texts.lesson.next(next.title)}
          </a>
        ) : null}
      </div>
    </article>
  );
});

function PassageList({ lesson, cites }: { lesson: LessonText; cites: readonly Cite[] }) {
  if (lesson.passages.length === 0) return <p className="unread quiet">{texts.lesson.empty}</p>;
  const formulas = lesson.passages.filter((passage) => passage.kind === 'formula');
  return lesson.passages.map((passage, index) => {
    const isNew = passage.heading !== '' && passage.heading !== lesson.passages[index - 1]?.heading;
    return (
      <Fragment key={passage.id}>
        {isNew ? <h3>{passage.heading}</h3> : null}
        <Passage
          passage={passage}
          cited={cites.some((cite) => cite.passageId === passage.id)}
          formulaNumber={formulas.indexOf(passage) + 1}
        />
      </Fragment>
    );
  });
}
