/** Parses what agents send. Null if malformed, because other participants can't be trusted. */
import type { AnswerCited, AnswerPlanned, ModelNames, PublicMetadata, Refused, TurnLatency, TurnWaiting } from '../protocol';

type Json = Record<string, unknown>;

export function readCited(payload: Uint8Array): AnswerCited | null {
  const data = readObject(decodeText(payload));
  if (typeof data?.segmentId !== 'string' || typeof data.lessonId !== 'string') return null;
  if (!Array.isArray(data.passageIds)) return null;
  const passageIds = data.passageIds.filter((id): id is string => typeof id === 'string');
  return { segmentId: data.segmentId, lessonId: data.lessonId, passageIds };
}

export function readPlanned(payload: Uint8Array): AnswerPlanned | null {
  const data = readObject(decodeText(payload));
  if (typeof data?.segmentId !== 'string' || typeof data.text !== 'string') return null;
  return { segmentId: data.segmentId, text: data.text, cut: data.cut === true };
}

const refusedKinds: readonly Refused['kind'][] = ['turn', 'floor', 'microphone'];

export function readRefused(payload: Uint8Array): Refused | null {
  const data = readObject(decodeText(payload));
  const kind = refusedKinds.find((known) => known === data?.kind);
  return kind === undefined ? null : { kind, error: textOrEmpty(data?.error), streamId: textOrEmpty(data?.streamId) };
}

export function readWaiting(payload: Uint8Array): TurnWaiting | null {
  const data = readObject(decodeText(payload));
  return typeof data?.seconds === 'number' ? { seconds: data.seconds } : null;
}

export function readLatency(payload: Uint8Array): TurnLatency | null {
  const data = readObject(decodeText(payload));
  if (typeof data?.turn !== 'number') return null;
  const { turn } = data;
  const seconds = (name: keyof TurnLatency) => (typeof data[name] === 'number' ? data[name] : null);
  return {
    turn,
    endOfTurnS: seconds('endOfTurnS'),
    speechToTextS: seconds('speechToTextS'),
    firstTokenS: seconds('firstTokenS'),
    firstSoundS: seconds('firstSoundS'),
    totalS: seconds('totalS'),
  };
}

export type LessonMetadata = Pick<PublicMetadata, 'revision' | 'userId'> & { lessonId: string };

/** Of a room or a participant. */
export function readMetadata(text: string | undefined): LessonMetadata | null {
  const data = readObject(text);
  if (typeof data?.lessonId !== 'string' || typeof data.revision !== 'number') return null;
  return { lessonId: data.lessonId, revision: data.revision, userId: textOrEmpty(data.userId) };
}

/** Of the agent attribute `bodh.models`. */
export function readModels(text: string | undefined): ModelNames | null {
  const data = readObject(text);
  return data && { stt: textOrEmpty(data.stt), llm: textOrEmpty(data.llm), tts: textOrEmpty(data.tts) };
}

export function readObject(text: string | undefined): Json | null {
  if (!text) return null;
  try {
    const data: unknown = JSON.parse(text);
    return typeof data === 'object' && data !== null ? (data as Json) : null;
  } catch {
    return null;
  }
}

const decodeText = (payload: Uint8Array) => new TextDecoder().decode(payload);
const textOrEmpty = (value: unknown) => (typeof value === 'string' ? value : '');
