import type { Highlight, TranscriptSegment } from '../api';
import { formatDuration } from '../dates';
import { segmentAnchor } from '../router';
import { texts } from '../texts';
import { MarkedText } from './Marked';
import { speakerOf } from './speaker';

export interface Chapter {
  title: string;
  segments: TranscriptSegment[];
}

interface ChapterLinesProps {
  chapter: Chapter;
  /** segment id to its search hits */
  marks: ReadonlyMap<string, readonly Highlight[]>;
  /** segment id of the current search result */
  currentHit: string | null;
  /** segment id in the page's address */
  linked: string | null;
}

/** One chapter of a transcript. */
export function ChapterLines({ chapter, marks, currentHit, linked }: ChapterLinesProps) {
  const { segments } = chapter;
  return (
    <section>
      <h2 className="chap num">
        <span>{chapter.title}</span>
        <span className="meta">{formatDuration(segments[0]!.startS)}</span>
      </h2>
      <ol className="lines">
        {segments.map((segment, index) => (
          <SegmentLine
            key={segment.id}
            segment={segment}
            before={segments[index - 1] ?? null}
            highlights={marks.get(segment.id) ?? []}
            isCurrentHit={segment.id === currentHit}
            isLinked={segment.id === linked}
          />
        ))}
      </ol>
    </section>
  );
}

interface SegmentLineProps {
  segment: TranscriptSegment;
  before: TranscriptSegment | null;
  highlights: readonly Highlight[];
  isCurrentHit: boolean;
  isLinked: boolean;
}

function SegmentLine({ segment, before, highlights, isCurrentHit, isLinked }: SegmentLineProps) {
  const speaker = speakerOf(segment);
  const goesOn = before !== null && !isLinked && speakerOf(before) === speaker;
  const time = formatDuration(segment.startS);
  const classes = [isLinked && 'on', goesOn && 'more'].filter(Boolean).join(' ');
  return (
    <li id={segmentAnchor(segment.id)} className={classes || undefined} aria-current={isLinked || undefined}>
      <a className="at num" href={`#${segmentAnchor(segment.id)}`} aria-label={texts.transcripts.link(time)}>
        {time}
      </a>
      <div>
        <b className={goesOn ? 'vh' : segment.role === 'tutor' ? 'bodh' : 'me'}>{speaker}</b>
        <p>
          <MarkedText text={segment.text} highlights={highlights} current={isCurrentHit} />
          {segment.interrupted ? <span className="meta"> {texts.transcripts.cutOff}</span> : null}
        </p>
      </div>
    </li>
  );
}
