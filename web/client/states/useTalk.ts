/** Replaces src/talk/useTalk.ts: the conversation stays in one state. */
import { Room, RoomEvent, type RemoteParticipant } from 'livekit-client';
import { useEffect, useState } from 'react';
import { TOPIC_TURN_LATENCY } from '../src/protocol';
import { emptyTalk } from '../src/talk/turns';
import type { TalkControls } from '../src/talk/useTalk';
import { modulePage, sessionId } from './answers';
import { chosenState } from './states';

export function useTalk(): TalkControls {
  const [room] = useState(makeRoom);
  useEffect(() => {
    // after the debug recorder is attached
    const timer = window.setTimeout(() => sendLatencies(room));
    return () => window.clearTimeout(timer);
  }, [room]);
  const { phase = 'before', back = false, trouble = '', failure = null, turns = [], plans = [], cited = [], refused = null, waiting = false } = chosenState?.talk ?? {};
  return {
    room,
    phase,
    back,
    trouble,
    failure,
    talk: { ...emptyTalk, turns, plans, cited: cited.length > 0 ? { segmentId: 'segment-3', cites: cited } : null, refused, waiting },
    roomName: modulePage.roomName,
    sessionId,
    isPrivate: chosenState?.talk?.isPrivate ?? false,
    setPrivate: () => undefined,
    mayRestrict: chosenState?.talk?.mayRestrict ?? false,
    start: doNothing,
    leave: doNothing,
    retry: () => undefined,
    setMicrophone: doNothing,
    say: () => Promise.resolve(true),
    callTutor: () => Promise.resolve(true),
  };
}

const doNothing = () => Promise.resolve();

function sendLatencies(room: Room): void {
  for (const latency of chosenState?.talk?.latencies ?? []) {
    const payload = new TextEncoder().encode(JSON.stringify(latency));
    room.emit(RoomEvent.DataReceived, payload, { isAgent: true } as RemoteParticipant, undefined, TOPIC_TURN_LATENCY);
  }
}

/** With a simulated connection if the microphone is on. */
function makeRoom(): Room {
  const room = new Room();
  if (chosenState?.talk?.microphone) {
    void room.simulateParticipants({ publish: { audio: true, video: false }, participants: { count: 0 } });
  }
  return room;
}
