import { useCallback, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { useAccountSettings } from '../account/accountSettings';
import { formatClock } from '../dates';
import type { Cite } from '../lesson/cite';
import { Icon } from '../parts/Icon';
import type { AnswerPlanned } from '../protocol';
import { texts } from '../texts';
import { unsaidRest, type Turn } from './turns';

export type RenderCite = (cite: Cite) => ReactNode;

interface TranscriptProps {
  turns: readonly Turn[];
  plans: readonly AnswerPlanned[];
  notes: ReactNode;
  renderCite: RenderCite;
}

/** Newest last. Scrolls along unless the reader has scrolled up. */
export function Transcript({ turns, plans, notes, renderCite }: TranscriptProps) {
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const follow = useRef(true);
  const toEnd = useCallback(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, []);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    follow.current = scrollHeight - scrollTop - clientHeight < 40;
    setAtEnd(follow.current);
  };
  useLayoutEffect(() => {
    if (follow.current) toEnd();
  });
  const forming = turns.filter((turn) => turn.who !== 'bodh' && !turn.final);
  const settled = turns.filter((turn) => turn.who === 'bodh' || turn.final);
  return (
    <div className="turns-frame">
      <div className="turns" tabIndex={0} role="region" aria-label={texts.talk.transcript} ref={box} onScroll={scrolled}>
        {notes}
        <div role="log" aria-label={texts.talk.transcript}>
          {turns.length > 0 ? <p className="day">{texts.talk.today}</p> : null}
          {groupTurns(settled).map((group) => (
            <TurnBlock key={group[0]!.key} group={group} plans={plans} renderCite={renderCite} />
          ))}
        </div>
        <div aria-hidden="true">
          {forming.map((turn) => (
            <FormingTurn key={turn.key} turn={turn} />
          ))}
        </div>
      </div>
      {atEnd ? null : (
        <button type="button" className="btn newest" onClick={toEnd}>
          <Icon name="down" />
          {texts.talk.newest}
        </button>
      )}
    </div>
  );
}

/** Groups the tutor's sentences into turns: those with nobody else speaking in between. */
function groupTurns(turns: readonly Turn[]): Turn[][] {
  const found: Turn[][] = [];
  for (const turn of turns) {
    const last = found.at(-1);
    if (turn.who === 'bodh' && last?.[0]?.who === 'bodh' && gapBetween(last.at(-1)!, turn) < SAME_TURN_MS) {
      last.push(turn);
    } else found.push([turn]);
  }
  return found;
}

const SAME_TURN_MS = 20_000;
const gapBetween = (before: Turn, after: Turn) => after.at.getTime() - before.at.getTime();

interface TurnBlockProps extends Pick<TranscriptProps, 'plans' | 'renderCite'> {
  group: Turn[];
}

function TurnBlock({ group, plans, renderCite }: TurnBlockProps) {
  const first = group[0]!;
  const { readTutor } = useAccountSettings();
  // a screen reader would talk over the tutor's voice
  const live = first.who === 'bodh' && !readTutor ? 'off' : undefined;
  return (
    <div className={`turn ${first.who === 'bodh' ? 'bodh' : 'me'}`} aria-live={live}>
      <p className="by">
        <b>{speakerName(first)}</b>
        <time className="num" dateTime={first.at.toISOString()}>
          {formatClock(first.at)}
        </time>
      </p>
      <p>
        {group.map((turn) => (
          // a new element once final, so screen readers get whole sentences, not words
          <span
            key={`${turn.key} ${turn.final}`}
            className="sentence"
            data-segment={turn.segmentId}
            data-final={turn.final}
            aria-hidden={!turn.final || undefined}
          >
            {turn.text.trim()}
            {turn.cites.length > 0 ? ' ' : null}
            {turn.cites.map((cite) => renderCite(cite))}
            <UnsaidPlan plan={plans.find((plan) => plan.segmentId === turn.segmentId)} said={turn.text} />{' '}
          </span>
        ))}
      </p>
    </div>
  );
}

/** Words that are still to come, or that were cut off. */
function UnsaidPlan({ plan, said }: { plan: AnswerPlanned | undefined; said: string }) {
  if (plan === undefined) return null;
  const rest = unsaidRest(plan.text, said);
  if (!plan.cut) {
    return (
      <span className="tocome" aria-hidden="true">
        {rest}
      </span>
    );
  }
  return (
    <>
      <s className="tocome" aria-hidden="true">
        {rest}
      </s>{' '}
      <span className="meta">{texts.talk.cutOff}</span>
    </>
  );
}

function FormingTurn({ turn }: { turn: Turn }) {
  return (
    <div className="turn me">
      <p className="by">
        <b>{speakerName(turn)}</b>
        <span className="meta">{texts.talk.speaking}</span>
      </p>
      <p>
        <span className="forming">{turn.text}</span>
      </p>
    </div>
  );
}

export function speakerName(turn: Turn): string {
  switch (turn.who) {
    case 'me':
      return texts.talk.you;
    case 'bodh':
      return texts.talk.tutor;
    case 'other':
      return turn.name || texts.talk.someone;
  }
}
