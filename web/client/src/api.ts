/** All requests to the token server, with types from its OpenAPI document. */
import type { components, operations } from './openapi';
import type { Role } from './protocol';
import { navigate, signInPath, troublePath } from './router';

type Schemas = components['schemas'];

export type Me = Schemas['Me'];
export type SignInOptions = Schemas['SignInOptions'];
export type CourseEntry = Schemas['CourseLine'];
export type CourseTree = Schemas['CourseTree'];
export type CourseProgress = Schemas['CourseProgress'];
export type LastLesson = Schemas['LastLesson'];
export type LessonStatus = Schemas['LessonLine']['status'];
/** from a course tree; without `status` from a module page */
export type LessonEntry = Omit<Schemas['LessonLine'], 'status'> & { status?: LessonStatus };
export type ModuleEntry = Omit<Schemas['ModuleLine'], 'lessons'> & { lessons: LessonEntry[] };
export type JoinToken = Schemas['JoinToken'];
export type ModulePage = Schemas['ModulePage'];
export type LessonText = Schemas['LessonText'];
export type Passage = Schemas['LessonPassage'];
export type Transcript = Schemas['Transcript'];
export type TranscriptSegment = Schemas['TranscriptSegment'];
export type HeardTalk = Schemas['HeardTalk'];
export type HeardSegment = Schemas['HeardSegment'];
export type Highlight = Schemas['Highlight'];
export type AccountSettings = Schemas['AccountSettings'];
export type WordsRead = Schemas['WordsReadEntry'];
export type SavedSettings = Schemas['SavedSettings'];
export type SettingsChange = Schemas['SettingsChange'];
export type OwnConsents = Schemas['OwnConsents'];
export type SavedConsents = Schemas['SavedConsents'];
export type AskedConsent = Schemas['AskedConsent'];
export type ConsentKind = AskedConsent['kind'];
export type ModelProvider = Schemas['ModelProvider'];
export type RoomPeople = Schemas['RoomPeople'];
export type Restrictions = Schemas['Restrictions'];
export type SessionEntry = Schemas['SessionEntry'];

type QueryOf<Operation extends keyof operations> = operations[Operation]['parameters'] extends {
  query?: infer Query;
}
  ? NonNullable<Query>
  : never;
export type TranscriptForm = NonNullable<QueryOf<'get_transcript'>['format']>;
export type HeardQuery = QueryOf<'get_own_transcripts'>;

/** A response other than 2xx. `status` is 0 if there was no response. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The response's JSON. Throws ApiError; on 401 or for a blocked account it opens the sign-in page. */
async function requestJsonOrSignIn<T>(path: string, init: RequestInit = {}): Promise<T> {
  const { response, body } = await fetchJson(path, init);
  if (response.status === 401 && path.startsWith('/api/')) navigate(signInPath(), { replace: true });
  if (response.ok) return body as T;
  const error = apiErrorOfBody(response.status, body);
  if (error.code === 'blocked' && path.startsWith('/api/')) navigate(troublePath('blocked'), { replace: true });
  throw error;
}

/** Throws AbortError, or ApiError if there is no response or its JSON doesn't arrive in full. */
async function fetchJson(path: string, init: RequestInit): Promise<{ response: Response; body: unknown }> {
  try {
    const response = await fetch(path, init);
    const reading: Promise<unknown> = response.json();
    // a proxy may answer with an error that is not JSON
    return { response, body: await (response.ok ? reading : reading.catch(() => null)) };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'network', 'no response');
  }
}

function apiErrorOfBody(status: number, body: unknown): ApiError {
  const { code, error } = (body ?? {}) as { code?: unknown; error?: unknown };
  return new ApiError(
    status,
    typeof code === 'string' ? code : 'unknown',
    typeof error === 'string' ? error : String(status),
  );
}

function sendJsonOrSignIn<T>(method: 'POST' | 'PATCH' | 'PUT', path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { 'Content-Type': 'application/json' };
  return requestJsonOrSignIn(path, { method, headers, body: JSON.stringify(body), ...(signal ? { signal } : {}) });
}

function postJsonOrSignIn<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return sendJsonOrSignIn('POST', path, body, signal);
}

const encodeSegment = encodeURIComponent;

export const api = {
  signIn: (name: string, role: Role) => postJsonOrSignIn<Schemas['SignedIn']>('/auth/dev-login', { name, role }),
  signOut: () => postJsonOrSignIn<Schemas['SignedOut']>('/auth/sign-out', {}),
  signInOptions: (wanted: string, signal?: AbortSignal) =>
    getJsonOrSignIn<SignInOptions>(`/auth/options?return_to=${encodeSegment(wanted)}`, signal),
  me: (signal?: AbortSignal) => getJsonOrSignIn<Me>('/api/me', signal),
  courses: (signal?: AbortSignal) => getJsonOrSignIn<Schemas['CourseList']>('/api/courses', signal),
  course: (id: string, signal?: AbortSignal) =>
    getJsonOrSignIn<CourseTree>(`/api/courses/${encodeSegment(id)}`, signal),
  modulePage: (courseId: string, moduleId: string, lesson: string | null, signal?: AbortSignal) =>
    postJsonOrSignIn<ModulePage>(
      `/api/v2/course/${encodeSegment(courseId)}/module/${encodeSegment(moduleId)}` +
        (lesson ? `?lesson=${encodeSegment(lesson)}` : ''),
      {},
      signal,
    ),
  lesson: (id: string, signal?: AbortSignal) => getJsonOrSignIn<LessonText>(`/api/lessons/${encodeSegment(id)}`, signal),
  /** `isPrivate` asks for the caller's own room. */
  joinTicket: (courseId: string, moduleId: string, lesson: string | null, isPrivate: boolean) => {
    const more = { ...(lesson ? { lesson } : {}), ...(isPrivate ? { private: 'true' } : {}) };
    const query = new URLSearchParams({ courseId, moduleId, ...more });
    return postJsonOrSignIn<JoinToken>(`/api/livekit/token?${query}`, {});
  },
  transcript: (sessionId: string, signal?: AbortSignal) =>
    getJsonOrSignIn<Transcript>(transcriptPath(sessionId, 'json'), signal),
  heard: (query: HeardQuery, signal?: AbortSignal) => {
    const asked = Object.entries(query).filter(([, value]) => value !== null && value !== false);
    return getJsonOrSignIn<Schemas['OwnTranscripts']>(`/api/me/transcripts?${new URLSearchParams(asked.map(queryEntry))}`, signal);
  },
  eraseWords: (sessionId: string) =>
    requestJsonOrSignIn<Schemas['WordsErased']>(`/api/me/words?sessionId=${encodeSegment(sessionId)}`, { method: 'DELETE' }),
  settings: (signal?: AbortSignal) => getJsonOrSignIn<AccountSettings>('/api/me/settings', signal),
  changeSettings: (changes: SettingsChange) =>
    sendJsonOrSignIn<SavedSettings>('PATCH', '/api/me/settings', changes),
  consents: () => getJsonOrSignIn<OwnConsents>('/api/me/consents'),
  saveConsents: (agreed: Schemas['Agreed'][]) => sendJsonOrSignIn<SavedConsents>('PUT', '/api/me/consents', { agreed }),
  people: (room: string, signal?: AbortSignal) => getJsonOrSignIn<RoomPeople>(`/api/rooms/${encodeSegment(room)}/people`, signal),
  entry: (sessionId: string) => getJsonOrSignIn<SessionEntry>(`/api/sessions/${encodeSegment(sessionId)}/entry`),
  restrictions: (sessionId: string, signal?: AbortSignal) => getJsonOrSignIn<Restrictions>(restrictionsPath(sessionId), signal),
  restrict: (sessionId: string, identity: string, restriction: Schemas['RestrictionChange']['restriction']) =>
    sendJsonOrSignIn<Restrictions>('PUT', `${restrictionsPath(sessionId)}/${encodeSegment(identity)}`, { restriction }),
  reads: (signal?: AbortSignal) => getJsonOrSignIn<Schemas['WordsReads']>('/api/me/reads', signal),
  changeLesson: (room: string, lessonId: string) =>
    postJsonOrSignIn<Schemas['LessonChanged']>(`/api/rooms/${encodeSegment(room)}/lesson`, { lessonId }),
};

const queryEntry = ([name, value]: [string, unknown]) => [name, String(value)];

export const exportPath = '/api/me/export';

export function transcriptPath(sessionId: string, form: TranscriptForm): string {
  return `/api/sessions/${encodeSegment(sessionId)}/transcript?format=${form}`;
}

function restrictionsPath(sessionId: string): string {
  return `/api/sessions/${encodeSegment(sessionId)}/restrictions`;
}

function getJsonOrSignIn<T>(path: string, signal?: AbortSignal): Promise<T> {
  return requestJsonOrSignIn<T>(path, signal ? { signal } : {});
}
