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
  /** the tutor waits for this learner to go on */
  waiting: boolean;
  /** the words of typed turns that were refused or not sent, the oldest first: they go back into the box */
  returned: readonly string[];
  /** streams that were refused before they were known to be sent */
  refusedStreams: readonly string[];
}

// citations whose sentence never arrives, and refusals of unknown streams, must not pile up
const EARLY_LIMIT = 8;

export const emptyTalk: Talk = { turns: [], plans: [], early: [], cited: null, refused: null, waiting: false, returned: [], refusedStreams: [] };

export type TalkEvent =
  | { type: 'said'; turn: Omit<Turn, 'cites'> }
  | { type: 'ended'; key: string }
  | { type: 'sent'; key: string; streamId: string }
  | { type: 'unsaid'; key: string }
  | { type: 'refused'; refusal: Refused }
  | { type: 'cited'; citation: AnswerCited }
  | { type: 'planned'; plan: AnswerPlanned }
  | { type: 'waiting'; on: boolean }
  | { type: 'tutorLeft' };

export function talkReducer(talk: Talk, event: TalkEvent): Talk {
  switch (event.type) {
    case 'said':
      return addSaid(talk, event.turn);
    case 'ended':
      return { ...talk, turns: talk.turns.map((turn) => (turn.key === event.key ? closeTurn(turn) : turn)) };
    case 'sent':
      return markTurnSent(talk, event.key, event.streamId);
    case 'refused':
      return noteRefusal(talk, event.refusal);
    case 'unsaid':
      return takeTurnBack(talk, talk.turns.find((turn) => turn.key === event.key));
    case 'cited':
      return addCitation(talk, event.citation);
    case 'planned':
      return { ...talk, plans: [...cutPlans(talk, event.plan.segmentId), event.plan] };
    case 'waiting':
      return { ...talk, waiting: event.on };
    case 'tutorLeft':
      return { ...talk, waiting: false, plans: cutPlans(talk) };
  }
}

function markTurnSent(talk: Talk, key: string, streamId: string): Talk {
  const turns = talk.turns.map((turn) => (turn.key === key ? { ...turn, streamId } : turn));
  const sent = turns.find((turn) => turn.key === key);
  return talk.refusedStreams.includes(streamId) ? takeTurnBack({ ...talk, turns }, sent) : { ...talk, turns };
}

function noteRefusal(talk: Talk, { kind, streamId }: Refused): Talk {
  const refused = talk.turns.find((turn) => streamId !== '' && turn.streamId === streamId);
  const early = streamId === '' || refused ? [] : [streamId];
  const refusedStreams = [...talk.refusedStreams, ...early].slice(-EARLY_LIMIT);
  return takeTurnBack({ ...talk, refused: kind, refusedStreams }, refused);
}

/** Takes back a typed turn that nobody else has seen. */
function takeTurnBack(talk: Talk, turn: Turn | undefined): Talk {
  if (turn === undefined) return talk;
  return { ...talk, turns: talk.turns.filter((other) => other !== turn), returned: [...talk.returned, turn.text] };
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
