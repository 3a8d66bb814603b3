/** Every page and state by name. */
import { MediaDeviceFailure } from 'livekit-client';
import {
  consents,
  consentsPath,
  courseId,
  lessonId,
  moduleId,
  modulePage,
  modulePagePath,
  passageId,
  peoplePath,
  restrictionsPath,
  savedSettings,
  sessionId,
  unstoredSettings,
  type Answers,
} from './answers';
import type { AnswerPlanned, ModelNames, NotesState, Refused, TurnLatency } from '../src/protocol';
import type { Cite } from '../src/lesson/cite';
import type { Phase } from '../src/rtc/Connection';
import type { AgentState } from '../src/talk/tutor';
import type { Turn } from '../src/talk/turns';

export interface TalkState {
  phase: Phase;
  tutor?: AgentState;
  models?: ModelNames;
  turns?: Turn[];
  cited?: Cite[];
  plans?: AnswerPlanned[];
  notes?: NotesState;
  refused?: Refused['kind'];
  waiting?: boolean;
  back?: boolean;
  /** of past turns, for the debug drawer */
  latencies?: TurnLatency[];
  microphone?: boolean;
  trouble?: string;
  /** who else is in the room */
  company?: string[];
  mayRestrict?: boolean;
  isPrivate?: boolean;
  failure?: MediaDeviceFailure;
}

interface PageState {
  path: string;
  answers?: Answers;
  talk?: TalkState;
}

const cite: Cite = { passageId: passageId(2), lessonId };

const makeTurn = (number: number, who: Turn['who'], text: string, more: Partial<Turn> = {}): Turn => ({
  key: `turn ${number}`,
  segmentId: `segment-${number}`,
  who,
  name: who === 'other' ? 'Tomás' : '',
  text,
  final: true,
  at: new Date(2026, 2, 5, 16, 2 + Math.floor(number / 2)),
  cites: [],
  ...more,
});

const askedTurns = [
  makeTurn(1, 'bodh', 'Welcome back, Amina. Shall we go on with gradient descent?'),
  makeTurn(2, 'me', 'Yes. Why do we subtract the gradient and not add it?'),
];
const answeredTurns = [
  ...askedTurns,
  makeTurn(3, 'bodh', 'The gradient points to where the loss grows fastest, so we step the other way.', { cites: [cite] }),
  makeTurn(4, 'other', 'I had the same question.'),
];
const makePlan = (cut: boolean): AnswerPlanned => ({
  segmentId: 'segment-3',
  text: `${answeredTurns[2]!.text} Now try it: if the gradient at your point is minus four, which way does theta move?`,
  cut,
});
const makeLatency = (number: number): TurnLatency => ({
  turn: number,
  endOfTurnS: 0.3,
  speechToTextS: 0.1 * number,
  firstTokenS: 0.05,
  firstSoundS: 0.12,
  totalS: 0.47 + 0.1 * number,
});
const makeModels = (stt: string, llm: string): ModelNames => ({ stt, llm, tts: 'espeak' });
const roomPath = `/v2/course/${courseId}/module/${moduleId}?lesson=${lessonId}`;
const liveTalk = (tutor: AgentState, more: Partial<TalkState> = {}): PageState => ({
  path: roomPath,
  talk: { phase: 'live', tutor, microphone: true, turns: askedTurns, ...more },
});
const beforeTalk = (answers: Answers, talk: Partial<TalkState> = {}): PageState => ({
  path: roomPath,
  answers,
  talk: { phase: 'before', ...talk },
});
const staffTalk = { company: ['Amina Wanjiku Kamau-Okonkwo', 'Tomás', 'Ms Rao'], mayRestrict: true, turns: answeredTurns };
const roomChoice = { [modulePagePath]: { ...modulePage, roomScope: 'choice' } };
const talkPage = `/transcripts/${sessionId}?lesson=${lessonId}`;

const atProvider = { provider: true, byName: false, returnTo: '/' };

export const states = {
  'sign-in': { path: '/auth/signin' },
  'sign-in-provider': { path: '/auth/signin', answers: { '/auth/options': atProvider } },
  'sign-in-blocked': { path: '/auth/signin?trouble=blocked', answers: { '/auth/options': atProvider } },
  'sign-in-none': { path: '/auth/signin', answers: { '/auth/options': { ...atProvider, provider: false } } },
  courses: { path: '/' },
  'courses-none': { path: '/', answers: { '/api/courses': { courses: [] } } },
  'courses-failed': { path: '/', answers: { '/api/courses': 0 } },
  course: { path: `/?course=${courseId}` },
  'course-store-later': {
    path: `/?course=${courseId}`,
    answers: { '/api/me/settings': { ...savedSettings, storeWordsFrom: 'later' } },
  },
  'room-before': { path: roomPath, talk: { phase: 'before' } },
  'room-before-failed': { path: roomPath, talk: { phase: 'before', trouble: 'The talk has ended. You can start it again.' } },
  'room-before-unstored': beforeTalk({ '/api/me/settings': unstoredSettings }),
  'room-consent': beforeTalk({ [consentsPath]: consents(false, false) }),
  'room-consent-providers': beforeTalk({ [consentsPath]: consents(false, true) }),
  'room-consent-failed': beforeTalk({ [consentsPath]: 0 }),
  'room-guardian': beforeTalk({ [consentsPath]: { ...consents(false, false), guardian: 'missing' } }),
  'room-before-people': beforeTalk({ [peoplePath]: { isPrivate: false, names: ['Tomás', 'Ms Rao'] }, ...roomChoice }),
  'room-before-private': beforeTalk(roomChoice, { isPrivate: true }),
  'room-refused': { path: roomPath, talk: { phase: 'refused', failure: MediaDeviceFailure.PermissionDenied } },
  'room-no-microphone': { path: roomPath, talk: { phase: 'refused', failure: MediaDeviceFailure.NotFound } },
  'room-elsewhere': { path: roomPath, talk: { phase: 'elsewhere' } },
  'room-connecting': { path: roomPath, talk: { phase: 'connecting' } },
  'room-coming': liveTalk('coming', { turns: [] }),
  'room-coming-typed': liveTalk('coming', { turns: [], microphone: false }),
  'room-listening': liveTalk('listening', {
    turns: [...answeredTurns, makeTurn(5, 'me', 'and if the stride is', { final: false })],
    cited: [cite],
  }),
  'room-measured': liveTalk('listening', { turns: answeredTurns, latencies: [makeLatency(1), makeLatency(2), makeLatency(3)] }),
  'room-waiting': liveTalk('listening', { waiting: true }),
  'room-thinking': liveTalk('thinking'),
  'room-speaking': liveTalk('speaking', { turns: answeredTurns.slice(0, 3), cited: [cite], plans: [makePlan(false)] }),
  'room-sent-too-much': liveTalk('listening', { turns: answeredTurns, refused: 'turn' }),
  'room-cut-off': liveTalk('listening', { turns: answeredTurns, cited: [cite], plans: [makePlan(true)] }),
  'room-company': liveTalk('listening', { company: ['Tomás', 'Ms Rao'], turns: answeredTurns }),
  'room-staff': liveTalk('listening', staffTalk),
  'room-staff-failed': { ...liveTalk('listening', staffTalk), answers: { [restrictionsPath]: 0 } },
  'room-private': liveTalk('listening', { isPrivate: true }),
  'room-providers': {
    ...liveTalk('listening', { models: makeModels('whisper', 'large') }),
    answers: { [consentsPath]: consents(true, true) },
  },
  'room-not-kept': liveTalk('listening', { notes: 'failing' }),
  'room-held': liveTalk('listening', { notes: 'held' }),
  'room-offline': liveTalk('listening', { models: makeModels('test', 'offline') }),
  'room-lost': { path: roomPath, talk: { phase: 'lost', turns: answeredTurns, tutor: 'listening' } },
  'room-back': liveTalk('listening', { turns: answeredTurns, back: true }),
  'room-lesson-failed': {
    path: roomPath,
    answers: { [`/api/lessons/${lessonId}`]: 0 },
    talk: { phase: 'before' },
  },
  transcripts: { path: '/transcripts' },
  'transcripts-none': { path: '/transcripts', answers: { '/api/me/transcripts': { talks: [], hits: [] } } },
  transcript: { path: talkPage },
  'transcript-found': { path: `${talkPage}&q=gradient` },
  'error-not-found': { path: '/nowhere' },
  'error-media': { path: '/error?reason=livekit_token_failed' },
  'error-unknown': { path: '/error' },
} satisfies Record<string, PageState>;

const stateName = new URL(window.location.href).searchParams.get('state') ?? '';

/** The state in the address; null on the list of states. */
export const chosenState: PageState | null = (states as Record<string, PageState>)[stateName] ?? null;
