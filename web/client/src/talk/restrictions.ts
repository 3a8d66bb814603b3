/** Who is removed from a session or muted in it, and changing that. For staff. */
import { useEffect, useState } from 'react';
import { api, ApiError, type Restrictions } from '../api';
import { explainFailure } from '../failures';
import { texts } from '../texts';
import type { Person } from './company';

const REFRESH_MS = 10_000; // other teachers change it too

export type RestrictionAction = 'mute' | 'unmute' | 'remove' | 'letBack';

export interface PersonEntry extends Person {
  note: string;
  actions: readonly RestrictionAction[];
}

interface KnownRestrictions extends Restrictions {
  /** the identities in the room when this was asked for */
  covers: readonly string[];
}

const restrictionOf = { mute: 'muted', unmute: 'none', remove: 'removed', letBack: 'none' } as const;

export function useRestrictions(sessionId: string, people: readonly Person[]) {
  const { known, loadTrouble, keep } = useKnownRestrictions(sessionId, people);
  const [changeTrouble, setChangeTrouble] = useState('');
  const [done, setDone] = useState('');
  const [pending, setPending] = useState(0);
  const change = async (action: RestrictionAction, { identity, name }: Person) => {
    setPending((count) => count + 1);
    setChangeTrouble('');
    setDone('');
    try {
      keep(await api.restrict(sessionId, identity, restrictionOf[action]));
      setDone(texts.restrictions.done[action](name));
    } catch (error) {
      setChangeTrouble(explainRestrictionFailure(error));
      keep(null);
    } finally {
      setPending((count) => count - 1);
    }
  };
  return { known, trouble: changeTrouble || loadTrouble, done, changing: pending > 0, change };
}

/** Loads again when somebody comes or leaves, every few seconds, and after each change. */
function useKnownRestrictions(sessionId: string, people: readonly Person[]) {
  const [known, setKnown] = useState<KnownRestrictions | null>(null);
  const [trouble, setTrouble] = useState('');
  const [round, setRound] = useState(0);
  const reload = () => setRound((count) => count + 1);
  const covers = people.map((one) => one.identity);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const finish = (show: () => void) => {
      if (stop.signal.aborted) return;
      show();
      timer = window.setTimeout(reload, REFRESH_MS);
    };
    api.restrictions(sessionId, stop.signal).then(
      (found) =>
        finish(() => {
          setKnown({ ...found, covers });
          setTrouble('');
        }),
      (error: unknown) => finish(() => setTrouble(explainRestrictionFailure(error))),
    );
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [sessionId, covers.join(' '), round]);
  /** Takes the answer to a change. Loads again, in place of a request that may have missed it. */
  const keep = (found: Restrictions | null) => {
    if (found) setKnown((before) => ({ ...found, covers: before?.covers ?? [] }));
    reload();
  };
  return { known, loadTrouble: trouble, keep };
}

function explainRestrictionFailure(error: unknown): string {
  const { late, refused, ended } = texts.restrictions;
  if (!(error instanceof ApiError)) return explainFailure(error);
  if (error.code === 'livekit_token_failed') return late;
  if (error.status === 409) return ended;
  return error.status === 403 ? refused : explainFailure(error);
}

/** Those in the room, then those who are restricted but not there. */
export function listPeople(people: readonly Person[], known: KnownRestrictions): PersonEntry[] {
  const restricted = new Map(known.restrictions.map((one) => [one.identity, one]));
  const here = new Set(people.map((one) => one.identity));
  const away = known.restrictions.filter((one) => !here.has(one.identity));
  return [...people, ...away].map(({ identity, name }) => {
    const exempt = known.exempt.includes(identity);
    const kind = restricted.get(identity)?.kind;
    const unknown = kind === undefined && !known.covers.includes(identity);
    return {
      identity,
      name,
      note: exempt ? texts.restrictions.exempt : kind ? texts.restrictions.kinds[kind] : '',
      actions: exempt || unknown ? [] : actionsFor(kind),
    };
  });
}

function actionsFor(kind: 'removed' | 'muted' | undefined): RestrictionAction[] {
  if (kind === 'removed') return ['letBack'];
  return [kind === 'muted' ? 'unmute' : 'mute', 'remove'];
}
