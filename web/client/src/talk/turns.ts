/** The conversation as data: everybody's turns, built from events. */
import type { Cite } from '../lesson/cite';
import type { AnswerCited, AnswerPlanned, Refused } from '../protocol';

export interface Turn {
  /** speaker and segment id: somebody else could send the same segment id */
  key: string;
  segmentId: string;
  who: 'me' | 'bodh' | 'other';
  name: string;
  text: string;
  final: boolean;
  at: Date;
  cites: Cite[];
  /** of a typed turn, once it is sent */
  streamId?: string;
}

export interface Talk {
  turns: readonly Turn[];
  /** of the newest sentence, and of sentences that were cut off */
  plans: readonly AnswerPlanned[];
  /** citations that arrived before their sentence */
  early: readonly AnswerCited[];
  /** the newest citations, highlighted in the lesson */
  cited: { segmentId: string; cites: Cite[] } | null;
  /** what the tutor did not do for this learner, until they say something else */
  refused: Refused['kind'] | null;
}

// citations whose sentence never arrives must not pile up
const EARLY_LIMIT = 8;

export const emptyTalk: Talk = { turns: [], plans: [], early: [], cited: null, refused: null };

export type TalkEvent =
  | { type: 'said'; turn: Omit<Turn, 'cites'> }
  | { type: 'ended'; key: string }
  | { type: 'sent'; key: string; streamId: string }
  | { type: 'unsaid'; key: string }
  | { type: 'refused'; refusal: Refused }
  | { type: 'cited'; citation: AnswerCited }
  | { type: 'planned'; plan: AnswerPlanned }
  | { type: 'tutorLeft' };

export function talkReducer(talk: Talk, event: TalkEvent): Talk {
  switch (event.type) {
    case 'said':
      return addSaid(talk, event.turn);
    case 'ended':
      return { ...talk, turns: talk.turns.map((turn) => (turn.key === event.key ? closeTurn(turn) : turn)) };
    case 'sent':
      return { ...talk, turns: talk.turns.map((turn) => (turn.key === event.key ? { ...turn, streamId: event.streamId } : turn)) };
    case 'refused':
      return takeBackRefusedTurn(talk, event.refusal);
    case 'unsaid':
      return { ...talk, turns: talk.turns.filter((turn) => turn.key !== event.key) };
    case 'cited':
      return addCitation(talk, event.citation);
    case 'planned':
      return { ...talk, plans: [...cutPlans(talk, event.plan.segmentId), event.plan] };
    case 'tutorLeft':
      return { ...talk, plans: cutPlans(talk) };
  }
}

/** Takes a refused typed turn back: nobody else has seen it. */
function takeBackRefusedTurn(talk: Talk, { kind, streamId }: Refused): Talk {
  const turns = talk.turns.filter((turn) => streamId === '' || turn.streamId !== streamId);
  return { ...talk, turns, refused: kind };
}

function cutPlans({ plans }: Talk, except?: string): AnswerPlanned[] {
  return plans.filter((plan) => plan.cut && plan.segmentId !== except);
}

/** The part of the plan that is not yet spoken; empty if something else was said. */
export function unsaidRest(plan: string, said: string): string {
  const [all, part] = [collapseSpaces(plan), collapseSpaces(said)];
  return all.startsWith(part) ? all.slice(part.length) : '';
}

const collapseSpaces = (text: string) => text.trim().replace(/\s+/g, ' ');

function closeTurn(turn: Turn): Turn {
  return { ...turn, final: true };
}

function addSaid(talk: Talk, turn: Omit<Turn, 'cites'>): Talk {
  const known = talk.turns.findIndex((other) => other.key === turn.key);
  if (known >= 0) {
    const turns = [...talk.turns];
    const before = turns[known]!;
    // a late interim must not reopen a finished turn
    turns[known] = { ...before, ...turn, at: before.at, final: before.final || turn.final };
    return { ...talk, turns };
  }
  const isMine = (citation: AnswerCited) => turn.who === 'bodh' && citation.segmentId === turn.segmentId;
  const cites = talk.early.filter(isMine).flatMap(toCites);
  const early = talk.early.filter((citation) => !isMine(citation));
  const refused = turn.who === 'me' ? null : talk.refused;
  return { ...talk, early, refused, turns: [...talk.turns, { ...turn, cites }] };
}

function addCitation(talk: Talk, citation: AnswerCited): Talk {
  const { segmentId } = citation;
  const before = talk.cited?.segmentId === segmentId ? talk.cited.cites : [];
  const newest = { segmentId, cites: mergeCites(before, toCites(citation)) };
  const target = talk.turns.findIndex((turn) => turn.who === 'bodh' && turn.segmentId === segmentId);
  if (target < 0) {
    return { ...talk, cited: newest, early: [...talk.early, citation].slice(-EARLY_LIMIT) };
  }
  const turns = [...talk.turns];
  const turn = turns[target]!;
  turns[target] = { ...turn, cites: mergeCites(turn.cites, toCites(citation)) };
  return { ...talk, turns, cited: newest };
}

function mergeCites(before: Cite[], more: Cite[]): Cite[] {
  const isNew = (cite: Cite) => !before.some((other) => other.passageId === cite.passageId);
  return [...before, ...more.filter(isNew)];
}

function toCites({ lessonId, passageIds }: AnswerCited): Cite[] {
  return passageIds.map((passageId) => ({ lessonId, passageId }));
}
