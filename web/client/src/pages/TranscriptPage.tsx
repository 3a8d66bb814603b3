import { useEffect, useMemo, useRef, useState } from 'react';
import { api, ApiError, type HeardQuery, type HeardTalk, type Transcript, type TranscriptSegment } from '../api';
import { formatClock, formatLongDay } from '../dates';
import { useLoaded } from '../useLoaded';
import { MainNav } from '../parts/MainNav';
import { TopBar } from '../account/TopBar';
import { LoadTrouble } from '../parts/Trouble';
import { useDocumentTitle } from '../parts/useDocumentTitle';
import { followLink, modulePath, segmentAnchor, useAddress } from '../router';
import { texts } from '../texts';
import { ExportMenu } from '../transcripts/ExportMenu';
import { ScopeChip, SearchField, SearchScope } from '../transcripts/SearchField';
import { ChapterLines, type Chapter } from '../transcripts/Lines';
import { SearchResults } from '../transcripts/Results';
import { speakerOf } from '../transcripts/speaker';
import { ConversationList } from '../transcripts/TalkList';
import { useSearch } from '../transcripts/useSearch';
import { ErrorPage } from './ErrorPage';

/** One conversation: its transcript, a search, exports. */
export function TranscriptPage({ sessionId }: { sessionId: string }) {
  const lessonId = useAddress().searchParams.get('lesson');
  const [me] = useLoaded('me', (signal) => api.me(signal));
  const [erased, setErased] = useState(0);
  const [loaded] = useLoaded(`${sessionId} ${erased}`, (signal) => api.transcript(sessionId, signal));
  const [heard] = useLoaded(`talks ${erased}`, async (signal) => (await api.heard({}, signal)).talks);
  const talks = heard.state === 'ready' ? heard.value : [];
  const own = talks.filter((talk) => talk.sessionId === sessionId);
  const talk = own.find((one) => one.lessonId === lessonId) ?? own.at(-1) ?? null;
  const siblings = talks.filter((one) => one.moduleId === talk?.moduleId).reverse(); // oldest first
  const ready = loaded.state === 'ready' && heard.state === 'ready';
  useDocumentTitle(ready ? (talk?.lessonTitle ?? texts.transcripts.title) : '');
  if (loaded.state === 'failed' && loaded.error instanceof ApiError && loaded.error.status === 404) {
    return <ErrorPage reason="not_found" />;
  }
  return (
    <div className="tr">
      <a className="skip" href="#main">
        {texts.transcripts.skip}
      </a>
      <TopBar userName={me.state === 'ready' ? me.value.name : null}>
        <MainNav here="/transcripts" />
      </TopBar>
      <div className="tr-grid">
        <nav className="tr-side" aria-label={texts.transcripts.lessons} tabIndex={0}>
          <ConversationList talks={siblings} current={talk} />
        </nav>
        <main id="main" className="tr-main" tabIndex={-1}>
          <p role="status" className={erased ? 'said-erased' : 'vh'}>
            {erased ? texts.transcripts.erased : ''}
          </p>
          {ready ? (
            <ConversationTranscript
              transcript={loaded.value}
              talk={talk}
              titles={new Map(own.map((one) => [one.lessonId, one.lessonTitle]))}
              onErased={() => setErased(erased + 1)}
            />
          ) : (
            <LoadTrouble loaded={loaded.state === 'ready' ? heard : loaded} />
          )}
        </main>
      </div>
    </div>
  );
}

interface ConversationTranscriptProps {
  transcript: Transcript;
  talk: HeardTalk | null;
  titles: ReadonlyMap<string | null, string | null>;
  onErased: () => void;
}

function ConversationTranscript({ transcript, talk, titles, onErased }: ConversationTranscriptProps) {
  const address = useAddress();
  const [text, setText] = useState(address.searchParams.get('q') ?? '');
  const [wide, setWide] = useState(false);
  const [mine, setMine] = useState(false);
  const [at, setAt] = useState(0);
  const found = useSearch(text, searchScope(talk, wide, mine));
  const all = found?.state === 'ready' ? found.value : [];
  const here = all.filter((hit) => hit.sessionId === transcript.sessionId);
  const others = all.filter((hit) => hit.sessionId !== transcript.sessionId);
  const current = here.length ? here[at % here.length]! : null;
  const marks = new Map(here.map((hit) => [hit.segmentId, hit.highlights]));
  const chapters = useMemo(
    () => splitChapters(transcript.segments.filter((one) => !mine || one.mine), titles),
    [transcript, titles, mine],
  );
  const linked = findLinkedSegment(address.hash, transcript.segments);
  useScrollToSegment(linked, talk?.lessonId ?? null, transcript.segments);

  const typed = (words: string) => {
    setText(words);
    setAt(0);
  };
  const next = () => {
    const to = (at + 1) % here.length;
    setAt(to);
    scrollToSegment(here[to]!.segmentId);
  };
  const counted = [
    texts.transcripts.found(here.length ? (at % here.length) + 1 : 0, here.length),
    ...(others.length ? [texts.transcripts.foundElsewhere(others.length)] : []),
  ];
  return (
    <>
      <TranscriptHead transcript={transcript} talk={talk} onErased={onErased} />
      <SearchField
        text={text}
        onText={typed}
        status={found?.state === 'ready' ? (here.length || !others.length ? counted : counted.slice(1)).join(', ') : ''}
        onNext={here.length > 1 ? next : null}
      />
      <SearchScope>
        <ScopeChip on={!wide} onPress={() => setWide(false)}>
          {texts.transcripts.thisLesson}
        </ScopeChip>
        <ScopeChip on={wide} onPress={() => setWide(true)}>
          {texts.transcripts.module}
        </ScopeChip>
        <ScopeChip on={mine} onPress={() => setMine(!mine)}>
          {texts.transcripts.mine}
        </ScopeChip>
      </SearchScope>
      {found?.state === 'failed' ? <LoadTrouble loaded={found} /> : null}
      {others.length ? <SearchResults title={texts.transcripts.elsewhere} hits={others} text={text} /> : null}
      {chapters.length === 0 ? (
        <p className="quiet">{mine ? texts.transcripts.noneMine : texts.transcripts.none}</p>
      ) : null}
      {chapters.map((chapter) => (
        <ChapterLines
          key={chapter.segments[0]!.id}
          chapter={chapter}
          marks={marks}
          currentHit={current?.segmentId ?? null}
          linked={linked}
        />
      ))}
    </>
  );
}

function TranscriptHead({ transcript, talk, onErased }: Omit<ConversationTranscriptProps, 'titles'>) {
  const { segments, sessionId } = transcript;
  const zero = Date.parse(transcript.startedAt);
  const [from, to] = [segments[0]?.startS ?? 0, segments.at(-1)?.endS ?? 0].map((s) => new Date(zero + 1000 * s));
  const people = [...new Set(segments.map(speakerOf))].sort((a, b) => speakerRank(a) - speakerRank(b));
  return (
    <div className="tr-head">
      <div>
        <h1>{talk?.lessonTitle ?? texts.transcripts.title}</h1>
        <p className="meta num">
          {texts.transcripts.facts(formatLongDay(from!, new Date()), formatClock(from!), formatClock(to!), texts.transcripts.people(people))}
        </p>
        <p className="tr-ways">
          <a href="/transcripts" onClick={followLink}>
            {texts.transcripts.all}
          </a>
          {talk?.courseId && talk.moduleId && talk.lessonId ? (
            <a href={modulePath(talk.courseId, talk.moduleId, talk.lessonId)} onClick={followLink}>
              {texts.transcripts.open}
            </a>
          ) : null}
        </p>
      </div>
      <ExportMenu
        sessionId={sessionId}
        fileName={`bodh-${transcript.startedAt.slice(0, 10)}`}
        onErased={onErased}
      />
    </div>
  );
}

/** You first, then other learners, Bodh last. */
function speakerRank(speaker: string): number {
  return speaker === texts.talk.you ? 0 : speaker === texts.talk.tutor ? 2 : 1;
}

function searchScope(talk: HeardTalk | null, wide: boolean, mine: boolean): HeardQuery {
  if (wide && talk?.moduleId) return { moduleId: talk.moduleId, mine };
  return talk?.lessonId ? { lessonId: talk.lessonId, mine } : { mine };
}

/** A new chapter wherever the lesson changes. */
function splitChapters(
  segments: readonly TranscriptSegment[],
  titles: ReadonlyMap<string | null, string | null>,
): Chapter[] {
  const chapters: Chapter[] = [];
  let lessonId: string | null | undefined;
  for (const segment of segments) {
    if (segment.lessonId === lessonId) chapters.at(-1)!.segments.push(segment);
    else chapters.push({ title: titles.get(segment.lessonId) ?? texts.transcripts.noLesson, segments: [segment] });
    lessonId = segment.lessonId;
  }
  return chapters;
}

function findLinkedSegment(hash: string, segments: readonly TranscriptSegment[]): string | null {
  return segments.find((segment) => `#${segmentAnchor(segment.id)}` === hash)?.id ?? null;
}

/** Scrolls to the segment in the address, or to the first one of the lesson. */
function useScrollToSegment(linked: string | null, lessonId: string | null, segments: readonly TranscriptSegment[]): void {
  const drawn = useRef('');
  const first = segments.find((segment) => segment.lessonId === lessonId)?.id ?? null;
  const target = linked ?? (first === segments[0]?.id ? null : first);
  useEffect(() => {
    if (target !== null && drawn.current !== target) scrollToSegment(target);
    drawn.current = target ?? '';
  }, [target]);
}

function scrollToSegment(segmentId: string): void {
  requestAnimationFrame(() => {
    document.getElementById(segmentAnchor(segmentId))?.scrollIntoView({ block: 'center' });
  });
}
