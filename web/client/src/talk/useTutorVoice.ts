import { useEffect, useRef } from 'react';
import { applyAndSaveSettings, useAccountSettings } from '../account/accountSettings';
import { RPC_SPEECH_SET, type SpeechSet } from '../protocol';
import type { Tutor } from './tutor';
import type { TalkControls } from './useTalk';

const MOST_TRIES = 10;
const AGAIN_MS = 1_000;

type CallTutor = TalkControls['callTutor'];

/** Whether the tutor's voice is on, and a toggle. Off silences this page only, not the room. */
export function useTutorVoice({ callTutor }: TalkControls, { participant }: Tutor): [boolean, () => void] {
  const { voice, speechRate } = useAccountSettings();
  useEffect(() => {
    participant?.setVolume(voice ? 1 : 0);
  }, [participant, voice]);
  useSpeechRate(participant, speechRate, callTutor);
  // if it can't be stored, the button reverts by itself
  const toggle = () => void applyAndSaveSettings({ voice: !voice }).catch(() => undefined);
  return [voice, toggle];
}

/** Sends each new tutor the speech rate. No call for the normal rate, at which a tutor starts. */
function useSpeechRate(participant: Tutor['participant'], rate: number, callTutor: CallTutor): void {
  const sent = useRef(false);
  useEffect(() => {
    if (participant === null || (rate === 1 && !sent.current)) return;
    sent.current = true;
    return retryCall(() => callTutor(RPC_SPEECH_SET, { rate } satisfies SpeechSet));
  }, [participant, rate, callTutor]);
}

/** Tries until it works: a tutor may be in the room before it takes calls. Call the result to stop. */
function retryCall(call: () => Promise<boolean>): () => void {
  let timer = 0;
  let current = true;
  const attempt = async (tries: number) => {
    if ((await call()) || tries <= 1 || !current) return;
    timer = window.setTimeout(() => void attempt(tries - 1), AGAIN_MS);
  };
  void attempt(MOST_TRIES);
  return () => {
    current = false;
    window.clearTimeout(timer);
  };
}
