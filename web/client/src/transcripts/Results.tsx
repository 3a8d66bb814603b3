import type { HeardSegment } from '../api';
import { formatDay } from '../dates';
import { followLink, transcriptPagePath } from '../router';
import { texts } from '../texts';
import { MarkedText } from './Marked';
import { speakerOf } from './speaker';

interface SearchResultsProps {
  title: string;
  hits: readonly HeardSegment[];
  /** the search text, also marked on the linked page */
  text: string;
}

/** Search results, each a link to its place in a transcript. */
export function SearchResults({ title, hits, text }: SearchResultsProps) {
  return (
    <section className="results">
      <h2 className="chap">{title}</h2>
      <ol>
        {hits.map((hit) => (
          <li key={`${hit.sessionId} ${hit.segmentId}`}>
            <a href={hitPath(hit, text)} onClick={followLink}>
              <span className="meta num">
                {hit.lessonTitle ?? texts.transcripts.noLesson}, {formatDay(new Date(hit.startedAt), new Date())}
              </span>
              <span>
                <b className={hit.role === 'tutor' ? 'bodh' : 'me'}>{speakerOf(hit)}:</b>{' '}
                <MarkedText text={hit.text} highlights={hit.highlights} />
              </span>
            </a>
          </li>
        ))}
      </ol>
    </section>
  );
}

function hitPath(hit: HeardSegment, text: string): string {
  const url = new URL(transcriptPagePath(hit.sessionId, hit.lessonId, hit.segmentId), window.location.origin);
  url.searchParams.set('q', text.trim());
  return url.pathname + url.search + url.hash;
}
