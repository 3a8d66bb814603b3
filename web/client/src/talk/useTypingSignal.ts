import { useEffect, useRef } from 'react';
import { RPC_ACTIVITY_SET, type ActivitySet } from '../protocol';
import type { Tutor } from './tutor';
import type { TalkControls } from './useTalk';

/** Tells the tutor whether there are words in the box: it does not nudge a learner who types. */
export function useTypingSignal({ callTutor }: TalkControls, { participant }: Tutor, draft: string): void {
  const typing = draft.trim() !== '';
  const told = useRef<Tutor['participant']>(null); // the tutor that knows of the typing
  useEffect(() => {
    if (participant === null || typing === (told.current === participant)) return;
    told.current = typing ? participant : null;
    void callTutor(RPC_ACTIVITY_SET, { typing } satisfies ActivitySet);
  }, [participant, typing, callTutor]);
}
