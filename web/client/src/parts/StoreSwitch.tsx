import { useState } from 'react';
import { change, useChoices } from '../choices';
import { explain } from '../failures';
import { texts } from '../texts';

/** Whether what the learner says is stored. */
export function StoreSwitch() {
  const { storeWords } = useChoices();
  const [trouble, setTrouble] = useState('');
  const turn = (on: boolean) => {
    setTrouble('');
    change({ storeWords: on }).catch((error: unknown) => setTrouble(explain(error)));
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
