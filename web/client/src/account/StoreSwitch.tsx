import { useState } from 'react';
import { ApiError } from '../api';
import { explainFailure } from '../failures';
import { texts } from '../texts';
import { applyAndSaveSettings, useAccountSettings } from './accountSettings';
import { reloadConsents, useTranscriptConsent } from './consents';

/** Whether what the learner says is stored. Turning it on agrees to the text below it. */
export function StoreSwitch({ alwaysExplain = false }: { alwaysExplain?: boolean }) {
  const { storeWords } = useAccountSettings();
  const transcript = useTranscriptConsent();
  const [trouble, setTrouble] = useState('');
  const turn = (on: boolean) => {
    setTrouble('');
    const agreed = on && transcript ? { transcriptTextHash: transcript.textHash } : {};
    applyAndSaveSettings({ storeWords: on }, agreed).then(
      (from) => setTrouble(from === 'now' ? '' : texts.settings.storeLater),
      (error: unknown) => {
        setTrouble(explainFailure(error));
        if (error instanceof ApiError && error.status === 409) reloadConsents();
      },
    );
  };
  return (
    <>
      <label className="switch">
        <input
          type="checkbox"
          role="switch"
          checked={storeWords}
          disabled={!storeWords && transcript === null}
          onChange={(event) => turn(event.target.checked)}
        />
        {texts.settings.store}
      </label>
      {transcript && (alwaysExplain || !storeWords) ? (
        <p className="meta">{transcript.text.replaceAll('\n', ' ')}</p>
      ) : null}
      <p className="trouble" role="alert">
        {trouble}
      </p>
    </>
  );
}
