import { useState } from 'react';
import { explainFailure } from '../failures';
import { texts } from '../texts';
import { applyAndSaveSettings, useAccountSettings } from './accountSettings';

/** Whether what the learner says is stored. */
export function StoreSwitch() {
  const { storeWords } = useAccountSettings();
  const [trouble, setTrouble] = useState('');
  const turn = (on: boolean) => {
    setTrouble('');
    applyAndSaveSettings({ storeWords: on }).then(
      (from) => setTrouble(from === 'now' ? '' : texts.settings.storeLater),
      (error: unknown) => setTrouble(explainFailure(error)),
    );
  };
  return (
    <>
      <label className="switch">
        <input type="checkbox" role="switch" checked={storeWords} onChange={(event) => turn(event.target.checked)} />
        {texts.settings.store}
      </label>
      <p className="trouble" role="alert">
        {trouble}
      </p>
    </>
  );
}
