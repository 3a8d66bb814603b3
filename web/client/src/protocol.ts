/**
 * The wire contract, generated from protocol/ by `make types`. Don't edit.
 * Optional fields are those that the page may leave out of what it sends.
 */
export const AGENT_PREFIX = 'a_';
export const AGENT_TYPE = 'bodh-agent';
export const ATTRIBUTE_AGENT_STATE = 'lk.agent.state';
export const ATTRIBUTE_FINAL = 'lk.transcription_final';
export const ATTRIBUTE_MODELS = 'bodh.models';
export const ATTRIBUTE_NOTES = 'bodh.notes';
export const ATTRIBUTE_SEGMENT_ID = 'lk.segment_id';
export const MAX_PARSED_BYTES = 1048576;
export const MAX_REVISION = 9007199254740992;
export const MAX_ROOM_METADATA_BYTES = 8192;
export const MAX_ROOM_NAME = 256;
export const MAX_TOKEN_METADATA_BYTES = 4096;
export const RPC_ACTIVITY_SET = 'activity.set';
export const RPC_LESSON_CHANGE = 'lesson.change';
export const RPC_SPEECH_SET = 'speech.set';
export const RPC_SPEECH_STOP = 'speech.stop';
export const TOPIC_ANSWER_CITED = 'answer.cited';
export const TOPIC_ANSWER_PLANNED = 'answer.planned';
export const TOPIC_CAPTIONS = 'lk.transcription';
export const TOPIC_LESSON_CHANGE = 'lesson.change';
export const TOPIC_REFUSED = 'refused';
export const TOPIC_TURN_LATENCY = 'turn.latency';
export const TOPIC_TURN_WAITING = 'turn.waiting';
export const TOPIC_TYPED = 'lk.chat';

/** `activity.set`, page to agent. Null keeps the current value. */
export interface ActivitySet {
  /** There is text in the box that is not sent yet. */
  typing?: boolean | null;
  /** A video of the lesson plays. */
  videoPlaying?: boolean | null;
}

/** `answer.cited`, agent to page: the passages that a sentence is based on. */
export interface AnswerCited {
  segmentId: string;
  lessonId: string;
  passageIds: string[];
}

/** `answer.planned`, agent to page: a sentence starts. */
export interface AnswerPlanned {
  segmentId: string;
  /** The sentence, and everything planned after it. */
  text: string;
  /** True: the tutor was stopped in or after this sentence. The rest will not be spoken. */
  cut: boolean;
}

/**
 * On the topic `lesson.change`, agent to everyone in the room: send the change again.
 *
 * Sent when a data message comes from a participant whose join the agent has not seen yet.
 */
export interface LessonAgain {
  type: 'lesson.again';
}

/** `lesson.change`, page to agent: open this lesson. */
export interface LessonChange {
  type?: 'lesson.change';
  lessonId: string;
  /** Set if the server has already changed the lesson; without it, the agent changes it. */
  revision?: number | null;
}

/** Response to the RPC `lesson.change`: the current lesson and revision. */
export interface LessonHeld {
  lessonId: string;
  revision: number;
}

/** On the topic `lesson.change`, agent to the sender: the lesson cannot be opened. */
export interface LessonRefused {
  type: 'lesson.refused';
  lessonId: string;
  error: string;
}

/** `bodh.models`: the models in use. */
export interface ModelNames {
  /** `test` for the small model of the tests, which knows only a few words. */
  stt: string;
  llm: string;
  tts: string;
}

export type NotesState = 'ok' | 'failing' | 'held';

/**
 * What everyone in a room may know about a learner: document 000's keys without private facts.
 *
 * Room metadata and participant metadata are sent to everyone in the room.
 */
export interface PublicMetadata {
  agent_type: string;
  courseId: string;
  courseTitle: string;
  moduleId: string;
  moduleTitle: string;
  lessonId: string | null;
  lessonTitle: string | null;
  /** Position in the course, from 1. */
  lessonNumber: number | null;
  videoIds: string[];
  learningObjectives: string[];
  /** The learner's LiveKit identity; in the learner's own metadata, their account id. */
  userId: string;
  userName: string;
  isIntroLesson: boolean;
  prevLessonTitle: string | null;
  /** Grows with every lesson change; the larger of two wins. */
  revision: number;
}

/**
 * `refused`, agent to the sender.
 *
 * turn        a typed turn that was too long, did not arrive whole, or was one of too many
 * floor       they spoke for long while somebody else waited: what they say until they pause is
 *             in the transcript, but the tutor does not answer it
 * microphone  a microphone was published too often, and is not heard
 */
export interface Refused {
  kind: 'turn' | 'floor' | 'microphone';
  /** A sentence to show. */
  error: string;
  /** Of the refused typed turn. */
  streamId: string;
}

export type RefusedKind = 'turn' | 'floor' | 'microphone';

export type Role = 'learner' | 'teacher' | 'admin';

/** A learner's own metadata: all keys of document 000, plus `revision`. */
export interface RoomMetadata {
  agent_type: string;
  courseId: string;
  courseTitle: string;
  moduleId: string;
  moduleTitle: string;
  lessonId: string | null;
  lessonTitle: string | null;
  /** Position in the course, from 1. */
  lessonNumber: number | null;
  videoIds: string[];
  learningObjectives: string[];
  /** The learner's LiveKit identity; in the learner's own metadata, their account id. */
  userId: string;
  userName: string;
  isIntroLesson: boolean;
  prevLessonTitle: string | null;
  /** Grows with every lesson change; the larger of two wins. */
  revision: number;
  sessionType: 'course_welcome' | 'course_welcome_back' | 'lesson_welcome' | 'lesson_welcome_back';
  isFirstCourseVisit: boolean;
}

export type SessionKind = 'tutor' | 'mentoring' | 'class';

export type SessionType = 'course_welcome' | 'course_welcome_back' | 'lesson_welcome' | 'lesson_welcome_back';

/** `speech.set`, page to agent. */
export interface SpeechSet {
  /** Multiple of the normal speed; null keeps the current rate. */
  rate?: number | null;
}

/**
 * `turn.latency`, agent to page. Times are in seconds; null for a stage the turn didn't have.
 *
 * A typed turn has no end of turn and no speech to text.
 */
export interface TurnLatency {
  /** From 1. */
  turn: number;
  /** From the end of the learner's speech to the end of the turn, recognition included. */
  endOfTurnS: number | null;
  speechToTextS: number | null;
  /** Until the language model's first token. */
  firstTokenS: number | null;
  /** Until the voice's first sound. */
  firstSoundS: number | null;
  totalS: number | null;
}

/**
 * `turn.waiting`, agent to the learner who spoke last, and to nobody else.
 *
 * Their turn does not sound complete, so the tutor waits before it answers.
 */
export interface TurnWaiting {
  /** How long it waits, unless they go on. */
  seconds: number;
}
