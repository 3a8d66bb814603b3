/** The token server's JSON, and the one door to it. */
import { navigate, signInPath } from './router';

export type Role = 'learner' | 'teacher' | 'admin';
export type LessonStatus = 'not_started' | 'in_progress' | 'completed';

export interface Me {
  id: string;
  name: string;
  role: Role;
  tenant: string;
}

export interface CourseEntry {
  id: string;
  slug: string;
  title: string;
}

export interface LessonEntry {
  id: string;
  title: string;
  orderIndex: number;
  /** seconds */
  duration: number | null;
  /** of whoever is signed in; a module's own page leaves it out */
  status?: LessonStatus;
}

export interface ModuleEntry {
  id: string;
  title: string;
  description?: string;
  lessons: LessonEntry[];
}

export interface CourseTree extends CourseEntry {
  description: string;
  modules: ModuleEntry[];
  progress: CourseProgress;
  /** where the learner left off; null before the first visit */
  last: LastLesson | null;
}

export interface CourseProgress {
  completedLessons: number;
  totalLessons: number;
  lastLessonTitle: string | null;
}

export interface LastLesson {
  lessonId: string;
  moduleId: string;
  /** seconds into the video */
  lastPosition: number;
  lastAccessedAt: string;
}

export interface TranscriptSegment {
  id: string;
  name: string;
  role: 'learner' | 'tutor';
  text: string;
  /** seconds on the session clock */
  startS: number;
  endS: number;
  lessonId: string | null;
  interrupted: boolean;
  mine: boolean;
}

export interface Transcript {
  sessionId: string;
  /** zero of the session clock */
  startedAt: string;
  segments: TranscriptSegment[];
}

export type TranscriptForm = 'vtt' | 'txt' | 'json' | 'feed';

/** What the learner heard of one session about one lesson. */
export interface HeardTalk {
  sessionId: string;
  courseId: string | null;
  moduleId: string | null;
  moduleTitle: string | null;
  lessonId: string | null;
  lessonTitle: string | null;
  firstId: string;
  startedAt: string;
  endedAt: string;
  segments: number;
}

/** Positions in a text, as JavaScript counts them. */
export interface Highlight {
  start: number;
  end: number;
}

export interface HeardSegment {
  sessionId: string;
  segmentId: string;
  moduleId: string | null;
  lessonId: string | null;
  lessonTitle: string | null;
  name: string;
  role: 'learner' | 'tutor';
  mine: boolean;
  text: string;
  startedAt: string;
  startS: number;
  highlights: Highlight[];
}

export interface HeardQuery {
  q?: string;
  lessonId?: string;
  moduleId?: string;
  mine?: boolean;
}

export interface AccountSettings {
  storeWords: boolean;
  /** factor of the tutor's normal speed, 0.5 to 2 */
  speechRate: number;
  voice: boolean;
  captionSize: 'small' | 'normal' | 'large' | 'largest';
  readTutor: boolean;
  singleKeys: boolean;
  theme: 'light' | 'dark' | 'system';
}

export interface ModulePage {
  course: { id: string; title: string; description: string; learningObjectives: string[] };
  module: ModuleEntry;
  userId: string;
  userName: string;
  roomName: string;
  liveKitToken: string;
  wsUrl: string;
  sessionId: string;
  lessonId: string | null;
  /** which greeting is due, and the facts it rests on */
  sessionType: { sessionType: string; lessonNumber: number | null; courseProgress: CourseProgress };
}

export type PassageKind = 'text' | 'code' | 'formula';

export interface Passage {
  id: string;
  number: number;
  kind: PassageKind;
  /** empty where none is */
  heading: string;
  /** Markdown of this passage alone */
  body: string;
  /** of a formula that was imported with one */
  mathml: string | null;
}

export interface LessonText {
  id: string;
  title: string;
  /** over the whole course, from 1; null for an unpublished lesson */
  number: number | null;
  passages: Passage[];
}

export interface JoinTicket {
  server_url: string;
  participant_token: string;
  room_name: string;
  session_id: string;
}

/** An answer that is not 2xx; `status` 0 means there was no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The JSON answer. Raises ApiError; a lost sign-in leads to the sign-in page as well. */
async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'network', 'no answer');
  }
  const body: unknown = await response.json().catch(() => null);
  if (response.status === 401 && path.startsWith('/api/')) navigate(signInPath(), { replace: true });
  if (!response.ok) throw toError(response.status, body);
  return body as T;
}

function toError(status: number, body: unknown): ApiError {
  const { code, error } = (body ?? {}) as { code?: unknown; error?: unknown };
  return new ApiError(
    status,
    typeof code === 'string' ? code : 'unknown',
    typeof error === 'string' ? error : String(status),
  );
}

function send<T>(method: 'POST' | 'PATCH', path: string, body: unknown): Promise<T> {
  const headers = { 'Content-Type': 'application/json' };
  return request(path, { method, headers, body: JSON.stringify(body) });
}

function post<T>(path: string, body: unknown): Promise<T> {
  return send('POST', path, body);
}

const segment = encodeURIComponent;

export const api = {
  signIn: (name: string, role: Role) => post<{ token: string }>('/auth/dev-login', { name, role }),
  signOut: () => post<null>('/auth/sign-out', {}),
  me: (signal?: AbortSignal) => get<Me>('/api/me', signal),
  courses: (signal?: AbortSignal) => get<{ courses: CourseEntry[] }>('/api/courses', signal),
  course: (id: string, signal?: AbortSignal) =>
    get<CourseTree>(`/api/courses/${segment(id)}`, signal),
  modulePage: (courseId: string, moduleId: string, lesson: string | null, signal?: AbortSignal) =>
    get<ModulePage>(
      `/api/v2/course/${segment(courseId)}/module/${segment(moduleId)}` +
        (lesson ? `?lesson=${segment(lesson)}` : ''),
      signal,
    ),
  lesson: (id: string, signal?: AbortSignal) => get<LessonText>(`/api/lessons/${segment(id)}`, signal),
  joinTicket: (courseId: string, moduleId: string, lesson: string | null) => {
    const query = new URLSearchParams({ courseId, moduleId, ...(lesson ? { lesson } : {}) });
    return post<JoinTicket>(`/api/livekit/token?${query}`, {});
  },
  transcript: (sessionId: string, signal?: AbortSignal) =>
    get<Transcript>(transcriptPath(sessionId, 'json'), signal),
  heard: ({ mine = false, ...query }: HeardQuery, signal?: AbortSignal) => {
    const asked = new URLSearchParams({ ...query, ...(mine ? { mine: 'true' } : {}) });
    return get<{ talks: HeardTalk[]; hits: HeardSegment[] }>(`/api/me/transcripts?${asked}`, signal);
  },
  eraseWords: (sessionId: string) =>
    request<{ erased: number }>(`/api/me/words?sessionId=${segment(sessionId)}`, { method: 'DELETE' }),
  settings: (signal?: AbortSignal) => get<AccountSettings>('/api/me/settings', signal),
  changeSettings: (changes: Partial<AccountSettings>) =>
    send<AccountSettings>('PATCH', '/api/me/settings', changes),
  changeLesson: (room: string, lessonId: string) =>
    post<{ lessonId: string; revision: number }>(`/api/rooms/${segment(room)}/lesson`, { lessonId }),
};

export function transcriptPath(sessionId: string, form: TranscriptForm): string {
  return `/api/sessions/${segment(sessionId)}/transcript?format=${form}`;
}

function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>(path, signal ? { signal } : {});
}
