/** Which lesson is open: the address asks, the server decides, the tutor can change it too. */
import { RoomEvent, type Room } from 'livekit-client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { api, type ModulePage } from '../api';
import { explainFailure } from '../failures';
import { RPC_LESSON_CHANGE, type LessonChange } from '../protocol';
import { navigate } from '../router';
import { texts } from '../texts';
import { readMetadata, type LessonMetadata } from '../rtc/payloads';
import type { TalkControls } from './useTalk';

interface LessonOptions {
  page: ModulePage;
  controls: TalkControls;
  /** the lesson in the address */
  lessonId: string | null;
  pathOf: (lessonId: string) => string;
}

/** Keeps address, server and tutor on the same lesson. Returns a sentence if that failed, or ''. */
export function useLessonSync({ page, controls, lessonId, pathOf }: LessonOptions): string {
  const { room, phase, roomName, callTutor } = controls;
  const [trouble, setTrouble] = useState('');
  const wanted = useRef(lessonId); // the lesson in the address, or the one it is about to get
  // the newest lesson that the server has confirmed
  const agreed = useRef<{ lessonId: string | null; revision: number }>({ lessonId: null, revision: -1 });
  const asking = useRef(false); // a request to the server is under way
  const live = phase === 'live';
  useEffect(() => {
    wanted.current = lessonId;
  }, [lessonId]);

  /** Follows a change by the tutor or another window. */
  const follow = useCallback(() => {
    const newest = newestMetadata(room, page.userId);
    if (newest === null || newest.revision <= agreed.current.revision) return;
    const isFirst = agreed.current.revision < 0;
    agreed.current = newest;
    if (asking.current || isFirst || newest.lessonId === wanted.current) return;
    wanted.current = newest.lessonId;
    navigate(pathOf(newest.lessonId));
  }, [room, page, pathOf]);

  /** Asks the server until it agrees with the address. One request at a time; the last choice wins. */
  const ask = useCallback(async () => {
    if (asking.current) return;
    asking.current = true;
    try {
      while (wanted.current !== null && wanted.current !== agreed.current.lessonId) {
        const changed = await api.changeLesson(roomName, wanted.current);
        agreed.current = changed;
        setTrouble('');
        void callTutor(RPC_LESSON_CHANGE, { type: RPC_LESSON_CHANGE, ...changed } satisfies LessonChange);
      }
    } catch (error) {
      setTrouble(`${texts.notes.lessonFailed} ${explainFailure(error)}`);
      const before = agreed.current.lessonId;
      if (before !== null) navigate(pathOf(before), { replace: true });
    } finally {
      asking.current = false;
    }
    follow();
  }, [roomName, pathOf, callTutor, follow]);

  useEffect(() => {
    if (!live) return;
    follow();
    void ask();
  }, [live, lessonId, follow, ask]);

  useEffect(() => {
    room.on(RoomEvent.RoomMetadataChanged, follow).on(RoomEvent.ParticipantMetadataChanged, follow);
    return () => {
      room.off(RoomEvent.RoomMetadataChanged, follow).off(RoomEvent.ParticipantMetadataChanged, follow);
    };
  }, [room, follow]);

  return trouble;
}

/** The learner's own metadata or the room's, whichever has the larger revision. */
function newestMetadata(room: Room, accountId: string): LessonMetadata | null {
  const ofRoom = readMetadata(room.metadata);
  const { identity, metadata } = room.localParticipant;
  const own = readMetadata(metadata);
  // a shared room names its opener by identity, a room of one learner by account
  const isMine = ofRoom !== null && [identity, accountId].includes(ofRoom.userId);
  const known = [isMine ? ofRoom : null, own].filter((found) => found !== null);
  return known.sort((a, b) => b.revision - a.revision)[0] ?? null;
}
