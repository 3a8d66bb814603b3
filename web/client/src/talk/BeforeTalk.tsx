import { isConsentMissing, reloadConsents, useConsents } from '../account/consents';
import type { ModulePage } from '../api';
import { LoadTrouble } from '../parts/Trouble';
import { texts } from '../texts';
import { AskConsent, GuardianNeeded } from './AskConsent';
import { StartOfTalk, type OnStart } from './StartOfTalk';
import type { TalkControls } from './useTalk';

interface BeforeTalkProps {
  page: ModulePage;
  controls: TalkControls;
  onStart: OnStart;
}

/** What the learner agrees to, asked once; then the start of the conversation. */
export function BeforeTalk({ page, controls, onStart }: BeforeTalkProps) {
  const consents = useConsents();
  if (consents.state !== 'ready') {
    return (
      <div className="start">
        <LoadTrouble loaded={consents} />
        {consents.state === 'failed' ? (
          <button type="button" className="btn" onClick={reloadConsents}>
            {texts.error.again}
          </button>
        ) : null}
      </div>
    );
  }
  if (consents.value.guardian === 'missing') return <GuardianNeeded />;
  if (isConsentMissing(consents.value)) return <AskConsent asked={consents.value} />;
  return <StartOfTalk page={page} controls={controls} onStart={onStart} />;
}
