import { useState } from 'react';
import type { OwnConsents } from '../api';
import { formatDay } from '../dates';
import { explainFailure } from '../failures';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { texts } from '../texts';
import { ProviderNotes } from './ProviderNotes';
import { StoreSwitch } from './StoreSwitch';
import { isConsentMissing, saveConsents, useConsents } from './consents';

/** What is stored and who receives it, with the way to withdraw consent. */
export function PrivacySection() {
  const consents = useConsents();
  const [trouble, setTrouble] = useState('');
  const own = consents.state === 'ready' ? consents.value : null;
  const withdraw = (from: OwnConsents) => {
    setTrouble('');
    saveConsents(from, []).then(
      (followed) => setTrouble(followed === 'now' ? '' : texts.settings.storeLater),
      (error: unknown) => setTrouble(explainFailure(error)),
    );
  };
  return (
    <section>
      <h3>{texts.settings.words}</h3>
      <StoreSwitch alwaysExplain />
      {own ? <ProviderNotes providers={own.providers} /> : null}
      {own && !isConsentMissing(own) ? <Withdrawal own={own} onWithdraw={() => withdraw(own)} /> : null}
      <p className="trouble" role="alert">
        {trouble}
      </p>
    </section>
  );
}

/** Asks first: a conversation ends by it. */
function Withdrawal({ own, onWithdraw }: { own: OwnConsents; onWithdraw: () => void }) {
  const [asking, setAsking] = useState(false);
  const givenAt = own.consents.find((one) => one.kind === 'tutor')?.givenAt;
  return (
    <>
      <p className="meta">{givenAt ? texts.settings.agreed(formatDay(new Date(givenAt), new Date())) : null}</p>
      <button type="button" className="btn" onClick={() => setAsking(true)}>
        {texts.settings.withdraw}
      </button>
      <p className="meta">{texts.settings.withdrawNote}</p>
      {asking ? (
        <ConfirmDialog
          title={texts.settings.withdrawSure}
          action={texts.settings.withdraw}
          onConfirm={() => {
            setAsking(false);
            onWithdraw();
          }}
          onClose={() => setAsking(false)}
        >
          <p>{texts.settings.withdrawLead}</p>
        </ConfirmDialog>
      ) : null}
    </>
  );
}
