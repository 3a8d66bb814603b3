/** Every page and state by name. */
import { MediaDeviceFailure } from 'livekit-client';
import { courseId, lessonId, moduleId, passageId, sessionId, type Answers } from './answers';
import type { AnswerPlanned, ModelNames, TurnLatency } from '../src/protocol';
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
  keepsNotes?: boolean;
  back?: boolean;
  /** of past turns, for the debug drawer */
  latencies?: TurnLatency[];
  microphone?: boolean;
  trouble?: string;
  failure?: MediaDeviceFailure;
}

interface State {
  path: string;
  answers?: Answers;
  talk?: TalkState;
}

const cite: Cite = { passageId: passageId(2), lessonId };

const turn = (number: number, who: Turn['who'], text: string, more: Partial<Turn> = {}): Turn => ({
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

const asked = [
  turn(1, 'bodh', 'Welcome back, Amina. Shall we go on with gradient descent?'),
  turn(2, 'me', 'Yes. Why do we subtract the gradient and not add it?'),
];
const answered = [
  ...asked,
  turn(3, 'bodh', 'The gradient points to where the loss grows fastest, so we step the other way.', { cites: [cite] }),
  turn(4, 'other', 'I had the same question.'),
];
const plan = (cut: boolean): AnswerPlanned => ({
  segmentId: 'segment-3',
  text: `${answered[2]!.text} Now try it: if the gradient at your point is minus four, which way does theta move?`,
  cut,
});
const measured = (number: number): TurnLatency => ({
  turn: number,
  endOfTurnS: 0.3,
  speechToTextS: 0.1 * number,
  firstTokenS: 0.05,
  firstSoundS: 0.12,
  totalS: 0.47 + 0.1 * number,
});
const models = (stt: string, llm: string): ModelNames => ({ stt, llm, tts: 'espeak' });
const room = `/v2/course/${courseId}/module/${moduleId}?lesson=${lessonId}`;
const live = (tutor: AgentState, more: Partial<TalkState> = {}): State => ({
  path: room,
  talk: { phase: 'live', tutor, microphone: true, turns: asked, ...more },
});
const talkPage = `/transcripts/${sessionId}?lesson=${lessonId}`;

export const states = {
  'sign-in': { path: '/auth/signin' },
  courses: { path: '/' },
  'courses-none': { path: '/', answers: { '/api/courses': { courses: [] } } },
  'courses-failed': { path: '/', answers: { '/api/courses': 0 } },
  course: { path: `/?course=${courseId}` },
  'room-before': { path: room, talk: { phase: 'before' } },
  'room-before-failed': { path: room, talk: { phase: 'before', trouble: 'The talk has ended. You can start it again.' } },
  'room-refused': { path: room, talk: { phase: 'refused', failure: MediaDeviceFailure.PermissionDenied } },
  'room-no-microphone': { path: room, talk: { phase: 'refused', failure: MediaDeviceFailure.NotFound } },
  'room-elsewhere': { path: room, talk: { phase: 'elsewhere' } },
  'room-connecting': { path: room, talk: { phase: 'connecting' } },
  'room-coming': live('coming', { turns: [] }),
  'room-coming-typed': live('coming', { turns: [], microphone: false }),
  'room-listening': live('listening', {
    turns: [...answered, turn(5, 'me', 'and if the stride is', { final: false })],
    cited: [cite],
  }),
  'room-measured': live('listening', { turns: answered, latencies: [measured(1), measured(2), measured(3)] }),
  'room-thinking': live('thinking'),
  'room-speaking': live('speaking', { turns: answered.slice(0, 3), cited: [cite], plans: [plan(false)] }),
  'room-cut-off': live('listening', { turns: answered, cited: [cite], plans: [plan(true)] }),
  'room-not-kept': live('listening', { keepsNotes: false }),
  'room-offline': live('listening', { models: models('test', 'offline') }),
  'room-lost': { path: room, talk: { phase: 'lost', turns: answered, tutor: 'listening' } },
  'room-back': live('listening', { turns: answered, back: true }),
  'room-lesson-failed': {
    path: room,
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
} satisfies Record<string, State>;

const name = new URL(window.location.href).searchParams.get('state') ?? '';

/** The state in the address; null on the list of states. */
export const chosen: State | null = (states as Record<string, State>)[name] ?? null;
