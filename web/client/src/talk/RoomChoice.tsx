import { useEffect, useState } from 'react';
import { api, type ModulePage } from '../api';
import { Note } from '../parts/Note';
import { texts } from '../texts';
import type { TalkControls } from './useTalk';

const REFRESH_MS = 10_000;

interface RoomChoiceProps {
  page: ModulePage;
  controls: Pick<TalkControls, 'isPrivate' | 'setPrivate'>;
}

/** Who else is in the room that the learner is about to join, and the choice of a private one. */
export function RoomChoice({ page, controls }: RoomChoiceProps) {
  const { isPrivate, setPrivate } = controls;
  const names = usePolledPeople(isPrivate ? null : page.roomName);
  return (
    <>
      <div role="status">
        {isPrivate ? (
          <Note icon="lock">{texts.people.isPrivate}</Note>
        ) : (
          <Note icon="people">{names === null ? texts.people.shared : texts.people.before(names)}</Note>
        )}
      </div>
      {page.roomScope === 'choice' ? (
        <label className="switch">
          <input
            type="checkbox"
            role="switch"
            checked={isPrivate}
            onChange={(event) => setPrivate(event.target.checked)}
          />
          {texts.people.choose}
        </label>
      ) : null}
    </>
  );
}

/** The names of the others in a room, asked for again every few seconds. Null until they are known. */
function usePolledPeople(room: string | null): string[] | null {
  const [names, setNames] = useState<string[] | null>(null);
  useEffect(() => {
    setNames(null);
    if (room === null) return;
    const stop = new AbortController();
    const ask = () => {
      if (document.hidden) return;
      api.people(room, stop.signal).then(
        (found) => setNames(found.names),
        () => setNames(null),
      );
    };
    ask();
    const timer = window.setInterval(ask, REFRESH_MS);
    document.addEventListener('visibilitychange', ask);
    return () => {
      stop.abort();
      window.clearInterval(timer);
      document.removeEventListener('visibilitychange', ask);
    };
  }, [room]);
  return names;
}
