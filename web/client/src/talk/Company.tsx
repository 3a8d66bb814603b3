import type { Room } from 'livekit-client';
import { Note } from '../parts/Note';
import { texts } from '../texts';
import { useCompany } from './company';

/** Who hears and reads this conversation. Announced when somebody comes or leaves. */
export function Company({ room, isPrivate }: { room: Room; isPrivate: boolean }) {
  const names = useCompany(room);
  const alone = isPrivate ? texts.people.isPrivate : texts.people.alone;
  return (
    <div className="company" role="status">
      <Note icon={isPrivate ? 'lock' : 'people'}>{names.length > 0 ? texts.people.here(names) : alone}</Note>
    </div>
  );
}
