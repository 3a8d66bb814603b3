import { useEffect, useRef, useState } from 'react';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { Dialog } from '../parts/Dialog';
import { texts } from '../texts';
import type { Person } from './company';
import { listPeople, useRestrictions, type PersonEntry, type RestrictionAction } from './restrictions';

interface PeopleDialogProps {
  sessionId: string;
  people: readonly Person[];
  onClose: () => void;
}

/** The people in the room, whom staff can mute, remove and let back in. */
export function PeopleDialog({ sessionId, people, onClose }: PeopleDialogProps) {
  const { known, trouble, done, changing, change } = useRestrictions(sessionId, people);
  const [leaving, setLeaving] = useState<Person | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const changed = useRef(''); // the identity of the person last changed, until the user moves on
  useEffect(() => {
    if (!changing) keepFocus(list.current, changed.current);
  }, [known, changing]);
  const act = (action: RestrictionAction, person: Person) => {
    changed.current = person.identity;
    void change(action, person);
  };
  const entries = known === null ? [] : listPeople(people, known);
  return (
    <>
      <Dialog title={texts.restrictions.title} onClose={onClose}>
        {known === null && trouble === '' ? (
          <p className="quiet" role="status">
            {texts.loading}
          </p>
        ) : null}
        {known !== null && entries.length === 0 ? <p className="quiet">{texts.restrictions.nobody}</p> : null}
        <ul
          className="people"
          ref={list}
          tabIndex={-1}
          aria-label={texts.restrictions.title}
          onBlur={(event) => {
            if (event.relatedTarget !== null) changed.current = ''; // null: the window lost the focus
          }}
        >
          {entries.map((entry) => (
            <PersonRow
              key={entry.identity}
              entry={entry}
              onAct={(action) => (action === 'remove' ? setLeaving(entry) : act(action, entry))}
            />
          ))}
        </ul>
        <div>
          <p className="meta" role="status">
            {done}
          </p>
          <p className="trouble" role="alert">
            {trouble}
          </p>
        </div>
      </Dialog>
      {leaving ? (
        <ConfirmDialog
          title={texts.restrictions.sure(leaving.name)}
          action={texts.restrictions.actions.remove}
          onConfirm={() => {
            setLeaving(null);
            act('remove', leaving);
          }}
          onClose={() => setLeaving(null)}
        >
          <p>{texts.restrictions.sureLead}</p>
        </ConfirmDialog>
      ) : null}
    </>
  );
}

/** Moves the focus to a person's first button, or to the list, if the button that had it is gone. */
function keepFocus(list: HTMLUListElement | null, identity: string): void {
  if (identity === '' || document.activeElement !== document.body) return;
  const row = list?.querySelector(`[data-identity="${CSS.escape(identity)}"]`);
  (row?.querySelector('button') ?? list)?.focus();
}

interface PersonRowProps {
  entry: PersonEntry;
  onAct: (action: RestrictionAction) => void;
}

function PersonRow({ entry, onAct }: PersonRowProps) {
  const { identity, name, note, actions } = entry;
  return (
    <li className="row apart" data-identity={identity}>
      <span>
        {name} <span className="meta">{note}</span>
      </span>
      <span className="row">
        {actions.map((action, place) => (
          <button
            key={place} // so that Mute keeps the focus as it becomes Unmute
            type="button"
            className={action === 'remove' ? 'btn warn' : 'btn'}
            aria-label={texts.restrictions.labels[action](name)}
            onClick={() => onAct(action)}
          >
            {texts.restrictions.actions[action]}
          </button>
        ))}
      </span>
    </li>
  );
}
