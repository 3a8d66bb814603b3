/** Turns a room's events into events of the conversation. */
import { RoomEvent, type Participant, type RemoteParticipant, type Room } from 'livekit-client';
import type { ModulePage } from '../api';
import { TOPIC_ANSWER_CITED, TOPIC_ANSWER_PLANNED, TOPIC_REFUSED, TOPIC_TURN_WAITING } from '../protocol';
import { followAgentData } from '../rtc/data';
import { readCited, readPlanned, readRefused, readWaiting } from '../rtc/payloads';
import { followCaptions, followTyped, type Caption } from '../rtc/streams';
import type { TalkEvent, Turn } from './turns';

const LONGEST_WAIT_MS = 10_000;

type Dispatch = (event: TalkEvent) => void;

/** Call the result to stop. */
export function followConversation(room: Room, page: ModulePage, dispatch: Dispatch): () => void {
  const say = (caption: Caption) => dispatch({ type: 'said', turn: toTurn(caption, page.userName) });
  const stops = [
    followCaptions(room, {
      onText: say,
      onEnd: (caption) => {
        if (caption.sender.isAgent || caption.final) dispatch({ type: 'ended', key: turnKey(caption) });
      },
    }),
    followTyped(room, (typed) => {
      if (!typed.sender.isLocal && !typed.sender.isAgent) say({ ...typed, final: true });
    }),
    followAnswers(room, dispatch),
    followTutorLeaving(room, dispatch),
    followWaiting(room, dispatch),
  ];
  return () => stops.forEach((stop) => stop());
}

function followAnswers(room: Room, dispatch: Dispatch): () => void {
  return followAgentData(room, {
    [TOPIC_ANSWER_CITED]: (payload) => {
      const citation = readCited(payload);
      if (citation) dispatch({ type: 'cited', citation });
    },
    [TOPIC_ANSWER_PLANNED]: (payload) => {
      const plan = readPlanned(payload);
      if (plan) dispatch({ type: 'planned', plan });
    },
    [TOPIC_REFUSED]: (payload) => {
      const refusal = readRefused(payload);
      if (refusal) dispatch({ type: 'refused', refusal });
    },
  });
}

/** The tutor says how long it waits for this learner to go on. */
function followWaiting(room: Room, dispatch: Dispatch): () => void {
  let timer = 0;
  const stop = followAgentData(room, {
    [TOPIC_TURN_WAITING]: (payload) => {
      const waiting = readWaiting(payload);
      if (!waiting) return;
      window.clearTimeout(timer);
      dispatch({ type: 'waiting', on: true });
      timer = window.setTimeout(() => dispatch({ type: 'waiting', on: false }), Math.min(waiting.seconds * 1_000, LONGEST_WAIT_MS));
    },
  });
  return () => {
    window.clearTimeout(timer);
    stop();
  };
}

function followTutorLeaving(room: Room, dispatch: Dispatch): () => void {
  const left = ({ isAgent }: RemoteParticipant) => isAgent && dispatch({ type: 'tutorLeft' });
  room.on(RoomEvent.ParticipantDisconnected, left);
  return () => room.off(RoomEvent.ParticipantDisconnected, left);
}

const turnKey = ({ sender, segmentId }: Caption) => `${sender.identity} ${segmentId}`;

function toTurn(caption: Caption, userName: string): Omit<Turn, 'cites'> {
  const { sender, segmentId, text, final } = caption;
  return { key: turnKey(caption), segmentId, text, final, at: new Date(), ...speakerOf(sender, userName) };
}

function speakerOf(sender: Participant, userName: string): Pick<Turn, 'who' | 'name'> {
  if (sender.isLocal) return { who: 'me', name: userName };
  return { who: sender.isAgent ? 'bodh' : 'other', name: sender.name ?? '' };
}
