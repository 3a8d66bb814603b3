import { api, exportPath, type WordsRead } from '../api';
import { formatClock, formatDay } from '../dates';
import { Icon } from '../parts/Icon';
import { LoadTrouble } from '../parts/Trouble';
import { texts } from '../texts';
import { useLoaded } from '../useLoaded';

/** A download of everything that is held about the person, and who has read their words. */
export function OwnData() {
  const { ownData } = texts;
  return (
    <section>
      <h3>{ownData.title}</h3>
      <a className="btn" href={exportPath} download>
        <Icon name="load" />
        {ownData.download}
      </a>
      <p className="meta">{ownData.downloadNote}</p>
      <h4 className="lab" id="reads">
        {ownData.reads}
      </h4>
      <Reads />
    </section>
  );
}

function Reads() {
  const [loaded] = useLoaded('reads', async (signal) => (await api.reads(signal)).reads);
  if (loaded.state !== 'ready') return <LoadTrouble loaded={loaded} />;
  if (loaded.value.length === 0) return <p className="meta">{texts.ownData.noReads}</p>;
  return (
    <ul className="reads" aria-labelledby="reads" tabIndex={0}>
      {loaded.value.map((read, place) => (
        <li key={place}>
          {nameReader(read)} {texts.ownData.routes[read.route]}
          <span className="meta">{explainRead(read)}</span>
        </li>
      ))}
    </ul>
  );
}

function nameReader({ readerRole, readerName }: WordsRead): string {
  const { operator, deletedReader, reader, roles } = texts.ownData;
  return readerRole === 'operator' ? operator : reader(readerName ?? deletedReader, roles[readerRole]);
}

function explainRead({ at, sessionStartedAt, moduleTitle }: WordsRead): string {
  const when = texts.ownData.readAt(formatDay(new Date(at), new Date()), formatClock(new Date(at)));
  if (sessionStartedAt === null) return `${when} ${texts.ownData.noSession}`;
  return `${when} ${texts.ownData.session(moduleTitle, formatDay(new Date(sessionStartedAt), new Date()))}`;
}
