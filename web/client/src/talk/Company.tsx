import { useState } from 'react';
import { Icon } from '../parts/Icon';
import { Note } from '../parts/Note';
import { texts } from '../texts';
import { useCompany } from './company';
import { PeopleDialog } from './PeopleDialog';
import type { TalkControls } from './useTalk';

interface CompanyProps {
  controls: Pick<TalkControls, 'room' | 'sessionId' | 'isPrivate' | 'mayRestrict'>;
}

/** Who hears and reads this conversation. Announced when somebody comes or leaves. */
export function Company({ controls }: CompanyProps) {
  const { room, sessionId, isPrivate, mayRestrict } = controls;
  const [managing, setManaging] = useState(false);
  const people = useCompany(room);
  const names = people.map((one) => one.name);
  const alone = isPrivate ? texts.people.isPrivate : texts.people.alone;
  return (
    <div className="company">
      <div role="status">
        <Note icon={isPrivate ? 'lock' : 'people'}>{names.length > 0 ? texts.people.here(names) : alone}</Note>
      </div>
      {mayRestrict && !isPrivate ? (
        <button type="button" className="btn" onClick={() => setManaging(true)}>
          <Icon name="people" />
          {texts.restrictions.open}
        </button>
      ) : null}
      {managing ? <PeopleDialog sessionId={sessionId} people={people} onClose={() => setManaging(false)} /> : null}
    </div>
  );
}
