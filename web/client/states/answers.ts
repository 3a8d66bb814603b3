/** Responses of the token server: one learner, one course, one conversation. */
import type {
  AccountSettings,
  CourseTree,
  HeardSegment,
  HeardTalk,
  LessonText,
  Me,
  ModulePage,
  OwnConsents,
  Restrictions,
  SavedSettings,
  SignInOptions,
  Transcript,
  TranscriptSegment,
  WordsRead,
} from '../src/api';

export const courseId = '00000000-0000-4000-8000-000000000001';
export const moduleId = '00000000-0000-4000-8000-000000000011';
export const lessonId = '00000000-0000-4000-8000-000000000114';
export const sessionId = '00000000-0000-4000-8000-000000000901';
const otherSession = '00000000-0000-4000-8000-000000000902';
const sessionStart = '2026-03-05T16:02:00Z';

type CourseLesson = CourseTree['modules'][number]['lessons'][number];

const makeLesson = (id: string, title: string, minutes: number, status: CourseLesson['status']): CourseLesson => ({
  id,
  title,
  orderIndex: Number(id.slice(-1)),
  duration: 60 * minutes,
  status,
});

const courseModules = [
  {
    id: '00000000-0000-4000-8000-000000000010',
    title: 'What a model is',
    lessons: [makeLesson('00000000-0000-4000-8000-000000000101', 'Guessing a line', 9, 'completed')],
  },
  {
    id: moduleId,
    title: 'Learning from error',
    lessons: [
      makeLesson('00000000-0000-4000-8000-000000000111', 'What counts as wrong', 11, 'completed'),
      makeLesson('00000000-0000-4000-8000-000000000112', 'Loss functions', 14, 'completed'),
      makeLesson('00000000-0000-4000-8000-000000000113', 'Slopes and gradients', 12, 'completed'),
      makeLesson(lessonId, 'Gradient descent', 12, 'in_progress'),
      makeLesson('00000000-0000-4000-8000-000000000115', 'Choosing the learning rate', 10, 'not_started'),
      makeLesson('00000000-0000-4000-8000-000000000116', 'When the valley is narrow', 15, 'not_started'),
    ],
  },
  { id: '00000000-0000-4000-8000-000000000012', title: 'Networks', lessons: [] },
];

const progress = { completedLessons: 4, totalLessons: 7, lastLessonTitle: 'Gradient descent' };

const course: CourseTree = {
  id: courseId,
  slug: 'ml-intro',
  title: 'Machine learning from the ground up',
  description: 'How a model learns from its mistakes, with no more mathematics than it needs.',
  modules: courseModules,
  progress,
  last: { lessonId, moduleId, lastPosition: 134, lastAccessedAt: '2026-03-05T16:20:00Z' },
};

export const modulePage: ModulePage = {
  course: { id: courseId, title: course.title, description: '', learningObjectives: [] },
  module: {
    ...courseModules[1]!,
    lessons: courseModules[1]!.lessons.map(({ status: _, ...entry }) => ({
      ...entry,
      kpointVideoId: null,
      youtubeVideoId: null,
      description: '',
      quiz: [],
    })),
  },
  userId: '00000000-0000-4000-8000-000000000501',
  userName: 'Amina',
  roomName: `${courseId}-${moduleId}`,
  roomScope: 'module',
  liveKitToken: '',
  wsUrl: '',
  sessionId,
  lessonId,
  sessionType: {
    sessionType: 'lesson_welcome_back',
    isFirstCourseVisit: false,
    isIntroLesson: false,
    isFirstLessonVisit: false,
    lessonNumber: 5,
    prevLessonTitle: 'Slopes and gradients',
    courseProgress: progress,
    lessonProgress: null,
  },
};

export const passageId = (number: number) => `00000000-0000-4000-8000-0000000006${10 + number}`;

const gradientRule =
  '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mi>θ</mi><mo>←</mo><mi>θ</mi><mo>−</mo>' +
  '<mi>η</mi><mo>∇</mo><mi>J</mi><mo stretchy="false">(</mo><mi>θ</mi><mo stretchy="false">)</mo></math>';

const lessonText: LessonText = {
  id: lessonId,
  courseId,
  moduleId,
  title: 'Gradient descent',
  number: 5,
  description: '',
  objectives: [],
  captionsUrl: null,
  quiz: [],
  passages: (
    [
      ['text', '', 'A model learns by becoming *less wrong*. The **loss** puts a number on how wrong it is.'],
      ['text', 'Downhill', 'The gradient points to where the loss grows fastest. To make the loss smaller, take a step in the opposite direction.'],
      ['formula', 'Downhill', '$$\\theta \\leftarrow \\theta - \\eta \\nabla J(\\theta)$$'],
      ['text', 'Downhill', 'The `learning rate` is the length of the stride:\n\n- too small, and training crawls\n- too large, and each step leaps over the valley'],
      ['code', 'In code', '```python\ntheta = theta - learning_rate * gradient(loss, theta)  # one step, in one line, of any length\n```'],
      ['text', 'In code', '| step | loss |\n|---|---|\n| 1 | 4.0 |\n| 2 | 2.5 |'],
    ] as const
  ).map(([kind, heading, body], index) => ({
    id: passageId(index + 1),
    number: index + 1,
    kind,
    heading,
    body,
    mathml: kind === 'formula' ? gradientRule : null,
  })),
};

const makeSegment = (number: number, role: 'learner' | 'tutor', words: string, interrupted = false): TranscriptSegment => ({
  id: `segment-${number}`,
  speaker: role,
  source: 'voice',
  language: 'en',
  confidence: null,
  name: role === 'tutor' ? 'Bodh' : 'Amina',
  role,
  text: words,
  startS: 20 * number,
  endS: 20 * number + 8,
  lessonId,
  interrupted,
  mine: role === 'learner',
});

const transcript: Transcript = {
  sessionId,
  startedAt: sessionStart,
  segments: [
    makeSegment(1, 'tutor', 'Welcome back, Amina. Shall we go on with gradient descent?'),
    makeSegment(2, 'learner', 'Yes. Why do we subtract the gradient and not add it?'),
    makeSegment(3, 'tutor', 'The gradient points to where the loss grows fastest, so we step the other way.', true),
    makeSegment(4, 'learner', 'And if the stride is too long?'),
    { ...makeSegment(5, 'learner', 'I had the same question.'), name: 'Tomás', mine: false },
  ],
};

const makeTalk = (id: string, title: string, day: string): HeardTalk => ({
  sessionId: id,
  courseId,
  moduleId,
  moduleTitle: 'Learning from error',
  lessonId,
  lessonTitle: title,
  firstId: 'segment-1',
  startedAt: `${day}T16:02:00Z`,
  endedAt: `${day}T16:20:00Z`,
  segments: 5,
});

const heardTalks = [makeTalk(sessionId, 'Gradient descent', '2026-03-05'), makeTalk(otherSession, 'Loss functions', '2026-03-03')];

const makeHit = (id: string, number: number, words: string): HeardSegment => ({
  sessionId: id,
  segmentId: `segment-${number}`,
  moduleId,
  lessonId,
  lessonTitle: 'Gradient descent',
  name: 'Amina',
  role: 'learner',
  mine: true,
  text: words,
  startedAt: sessionStart,
  startS: 20 * number,
  highlights: [{ start: words.indexOf('gradient'), end: words.indexOf('gradient') + 8 }],
});

const searchHits = [
  makeHit(sessionId, 2, transcript.segments[1]!.text),
  makeHit(otherSession, 2, 'What has the gradient to do with the loss?'),
];

const settings: AccountSettings = {
  storeWords: true,
  speechRate: 1,
  voice: true,
  captionSize: 'normal',
  readTutor: false,
  singleKeys: true,
  theme: 'system',
};

/** of a change; a read has the same fields and one less */
export const savedSettings: SavedSettings = { ...settings, storeWordsFrom: 'now' };

export const unstoredSettings: SavedSettings = { ...savedSettings, storeWords: false };

const transcriptText = [
  'Bodh keeps a transcript of what you say and type, and of its answers. Sound is never stored.',
  'You can read and search the transcript, and Bodh can pick up where you left off.',
  'Your teachers can read it, and so can classmates who were in the room.',
  'You can turn this off at any time, and you can erase what you said.',
].join('\n');
const tutorText = [
  'Bodh is a computer program, not a person, and it can be wrong.',
  'It listens while your microphone is on, and reads what you type.',
  'It remembers your name and your progress, so that you can continue where you left off.',
  'Classmates in the same room hear and read everything that you and Bodh say.',
].join('\n');
const providerText = [
  'Bodh uses servers of other companies:',
  'speech.example.com receives the sound of your voice and turns it into text.',
  'models.example.org receives what you say and type, your name and your lesson. It writes Bodh’s answers.',
  'speech.example.com receives the text of Bodh’s answers and reads it aloud.',
].join('\n');

const makeConsent = (kind: OwnConsents['consents'][number]['kind'], text: string, givenAt: string | null) => ({
  kind,
  text,
  textHash: kind.padEnd(64, '0'),
  isNeeded: kind !== 'transcript',
  givenAt,
});

const providers: OwnConsents['providers'] = [
  { kind: 'stt', host: 'speech.example.com' },
  { kind: 'llm', host: 'models.example.org' },
  { kind: 'tts', host: 'speech.example.com' },
];

/** By whether they were given, and whether models run on other companies' servers. */
export const consents = (given: boolean, remote: boolean): OwnConsents => ({
  consents: [
    makeConsent('tutor', tutorText, given ? sessionStart : null),
    ...(remote ? [makeConsent('provider', providerText, given ? sessionStart : null)] : []),
    makeConsent('transcript', transcriptText, given ? sessionStart : null),
  ],
  providers: remote ? providers : [],
  guardian: 'not_needed',
});

export const consentsPath = '/api/me/consents';
export const modulePagePath = `/api/v2/course/${courseId}/module/${moduleId}`;
export const peoplePath = `/api/rooms/${modulePage.roomName}/people`;
export const restrictionsPath = `/api/sessions/${sessionId}/restrictions`;

/** In the states, people are identified by their names. */
const restrictions: Restrictions = {
  restrictions: [
    { identity: 'Lena', name: 'Lena', kind: 'removed', since: '2026-03-05T16:10:00Z' },
    { identity: 'Tomás', name: 'Tomás', kind: 'muted', since: '2026-03-05T16:12:00Z' },
  ],
  exempt: ['Ms Rao'],
};

const reads: WordsRead[] = [
  {
    at: '2026-03-06T09:12:00Z',
    readerRole: 'teacher',
    readerName: 'Ms Okafor',
    route: 'transcript',
    sessionId,
    sessionStartedAt: sessionStart,
    moduleTitle: 'Learning from error',
  },
  {
    at: '2026-03-06T08:40:00Z',
    readerRole: 'operator',
    readerName: null,
    route: 'export',
    sessionId: null,
    sessionStartedAt: null,
    moduleTitle: null,
  },
];

const me: Me = { id: modulePage.userId, name: 'Amina', role: 'learner', tenant: 'default' };

const signInOptions: SignInOptions = { provider: false, byName: true, returnTo: '/' };

const knownAnswers: Record<string, (url: URL) => unknown> = {
  '/auth/options': () => signInOptions,
  '/api/me': () => me,
  '/api/me/settings': () => savedSettings,
  [consentsPath]: () => consents(true, false),
  [peoplePath]: () => ({ isPrivate: false, names: [] }),
  [restrictionsPath]: () => restrictions,
  '/api/me/reads': () => ({ reads }),
  '/api/me/transcripts': (url) => ({ talks: heardTalks, hits: url.searchParams.get('q') ? searchHits : [] }),
  '/api/courses': () => ({ courses: [course, { ...course, id: 'other', title: 'Statistics, gently' }] }),
  [`/api/courses/${courseId}`]: () => course,
  [modulePagePath]: () => modulePage,
  [`/api/lessons/${lessonId}`]: () => lessonText,
  [`/api/sessions/${sessionId}/transcript`]: () => transcript,
  [`/api/rooms/${modulePage.roomName}/lesson`]: () => ({ lessonId, revision: 1 }),
};

/** By path, a status (0: no response) or JSON to answer with instead of the usual response. */
export type Answers = Record<string, object | number>;

export async function answerRequest(url: URL, changed: Answers): Promise<Response> {
  const own = changed[url.pathname];
  if (own === 0) throw new TypeError('no answer');
  if (typeof own === 'number') return Response.json({ error: '', code: '' }, { status: own });
  const found = own ?? knownAnswers[url.pathname]?.(url);
  return found === undefined ? Response.json({}, { status: 404 }) : Response.json(found);
}
