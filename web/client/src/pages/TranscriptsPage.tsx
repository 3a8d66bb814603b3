import { useState } from 'react';
import { api } from '../api';
import { useLoaded } from '../useLoaded';
import { MainNav } from '../parts/MainNav';
import { TopBar } from '../account/TopBar';
import { LoadTrouble } from '../parts/Trouble';
import { useDocumentTitle } from '../parts/useDocumentTitle';
import { texts } from '../texts';
import { ScopeChip, SearchField, SearchScope } from '../transcripts/SearchField';
import { SearchResults } from '../transcripts/Results';
import { ConversationList } from '../transcripts/TalkList';
import { useSearch } from '../transcripts/useSearch';

/** All transcripts of the learner, with a search. */
export function TranscriptsPage() {
  const [me] = useLoaded('me', (signal) => api.me(signal));
  const [text, setText] = useState('');
  const [mine, setMine] = useState(false);
  const [talks] = useLoaded(`talks ${mine}`, async (signal) => (await api.heard({ mine }, signal)).talks);
  const found = useSearch(text, { mine });
  useDocumentTitle(texts.transcripts.title);
  const hits = found?.state === 'ready' ? found.value : [];
  const nothing = talks.state === 'ready' && talks.value.length === 0;
  return (
    <>
      <a className="skip" href="#main">
        {texts.transcripts.skipList}
      </a>
      <TopBar userName={me.state === 'ready' ? me.value.name : null}>
        <MainNav here="/transcripts" />
      </TopBar>
      <main className="page tr-all" id="main" tabIndex={-1}>
        <h1>{texts.transcripts.title}</h1>
        <SearchField
          text={text}
          onText={setText}
          status={found?.state === 'ready' ? texts.transcripts.foundInAll(hits.length) : ''}
          onNext={null}
        />
        <SearchScope>
          <ScopeChip on={mine} onPress={() => setMine(!mine)}>
            {texts.transcripts.mine}
          </ScopeChip>
        </SearchScope>
        {found ? <LoadTrouble loaded={found} /> : <LoadTrouble loaded={talks} />}
        {hits.length > 0 ? <SearchResults title={texts.transcripts.results} hits={hits} text={text} /> : null}
        {found === null && nothing ? (
          <p className="quiet">{mine ? texts.transcripts.noneMine : texts.transcripts.none}</p>
        ) : null}
        {found === null && talks.state === 'ready' ? (
          <nav className="talks" aria-label={texts.transcripts.lessons}>
            <ConversationList talks={talks.value} />
          </nav>
        ) : null}
      </main>
    </>
  );
}
