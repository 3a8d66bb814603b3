/** The talk as data: turns of both sides, built from text streams. Pure. */
import type { Cite } from '../lesson/cite';
import type { AnswerCited, AnswerPlanned } from '../protocol';

export interface Turn {
  /** speaker and segment: a segment id alone could be taken by someone else */
  key: string;
  segmentId: string;
  who: 'me' | 'bodh' | 'other';
  name: string;
  text: string;
  final: boolean;
  at: Date;
  cites: Cite[];
}

export interface Talk {
  turns: readonly Turn[];
  /** the newest, and before it those that were cut */
  plans: readonly AnswerPlanned[];
  /** citations that came before their words */
  early: readonly AnswerCited[];
  /** what the newest sentence that cites anything rests on: the lesson shows it */
  cited: { segmentId: string; cites: Cite[] } | null;
}

/** Citations held for words that never come must not pile up. */
const EARLY_LIMIT = 8;

export const emptyTalk: Talk = { turns: [], plans: [], early: [], cited: null };

export type TalkEvent =
  | { type: 'said'; turn: Omit<Turn, 'cites'> }
  | { type: 'ended'; key: string }
  | { type: 'unsaid'; key: string }
  | { type: 'cited'; citation: AnswerCited }
  | { type: 'planned'; plan: AnswerPlanned }
  | { type: 'tutorLeft' };

export function talkReducer(talk: Talk, event: TalkEvent): Talk {
  switch (event.type) {
    case 'said':
      return said(talk, event.turn);
    case 'ended':
      return { ...talk, turns: talk.turns.map((turn) => (turn.key === event.key ? close(turn) : turn)) };
    case 'unsaid':
      return { ...talk, turns: talk.turns.filter((turn) => turn.key !== event.key) };
    case 'cited':
      return cited(talk, event.citation);
    case 'planned':
      return { ...talk, plans: [...cutsOf(talk, event.plan.segmentId), event.plan] };
    case 'tutorLeft':
      return { ...talk, plans: cutsOf(talk) };
  }
}

function cutsOf({ plans }: Talk, except?: string): AnswerPlanned[] {
  return plans.filter((plan) => plan.cut && plan.segmentId !== except);
}

/** The words of a plan that are not said yet; empty where something else is said. */
export function restOf(plan: string, said: string): string {
  const [all, part] = [flat(plan), flat(said)];
  return all.startsWith(part) ? all.slice(part.length) : '';
}

const flat = (text: string) => text.trim().replace(/\s+/g, ' ');

function close(turn: Turn): Turn {
  return { ...turn, final: true };
}

function said(talk: Talk, turn: Omit<Turn, 'cites'>): Talk {
  const known = talk.turns.findIndex((other) => other.key === turn.key);
  if (known >= 0) {
    const turns = [...talk.turns];
    const before = turns[known]!;
    // an interim that was overtaken by the final words must not open the turn again
    turns[known] = { ...before, ...turn, at: before.at, final: before.final || turn.final };
    return { ...talk, turns };
  }
  const isMine = (citation: AnswerCited) => turn.who === 'bodh' && citation.segmentId === turn.segmentId;
  const cites = talk.early.filter(isMine).flatMap(toCites);
  const early = talk.early.filter((citation) => !isMine(citation));
  return { ...talk, early, turns: [...talk.turns, { ...turn, cites }] };
}

function cited(talk: Talk, citation: AnswerCited): Talk {
  const { segmentId } = citation;
  const before = talk.cited?.segmentId === segmentId ? talk.cited.cites : [];
  const newest = { segmentId, cites: merge(before, toCites(citation)) };
  const target = talk.turns.findIndex((turn) => turn.who === 'bodh' && turn.segmentId === segmentId);
  if (target < 0) {
    return { ...talk, cited: newest, early: [...talk.early, citation].slice(-EARLY_LIMIT) };
  }
  const turns = [...talk.turns];
  const turn = turns[target]!;
  turns[target] = { ...turn, cites: merge(turn.cites, toCites(citation)) };
  return { ...talk, turns, cited: newest };
}

function merge(before: Cite[], more: Cite[]): Cite[] {
  const isNew = (cite: Cite) => !before.some((other) => other.passageId === cite.passageId);
  return [...before, ...more.filter(isNew)];
}

function toCites({ lessonId, passageIds }: AnswerCited): Cite[] {
  return passageIds.map((passageId) => ({ lessonId, passageId }));
}
