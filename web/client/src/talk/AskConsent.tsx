import { useState } from 'react';
import { ProviderNotes } from '../account/ProviderNotes';
import { reloadConsents, saveConsents } from '../account/consents';
import { ApiError, type AskedConsent, type ConsentKind, type OwnConsents } from '../api';
import { explainFailure } from '../failures';
import { Note } from '../parts/Note';
import { texts } from '../texts';

/** Asked before the first conversation, and again when a text or a provider changes. */
export function AskConsent({ asked }: { asked: OwnConsents }) {
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const agree = async (...kinds: ConsentKind[]) => {
    setBusy(true);
    setTrouble('');
    try {
      await saveConsents(asked, kinds);
      document.getElementById('talk')?.focus(); // the button that had the focus is gone
    } catch (error) {
      setTrouble(explainFailure(error));
      setBusy(false);
      if (error instanceof ApiError && error.status === 409) reloadConsents();
    }
  };
  const needed = asked.consents.filter((one) => one.isNeeded);
  const transcript = asked.consents.filter((one) => one.kind === 'transcript');
  return (
    <div className="start ask">
      <div className="stack">
        <h2>{texts.consent.title}</h2>
        <p className="quiet">{texts.consent.lead}</p>
      </div>
      {needed.map((one) => (
        <Points key={one.kind} consent={one} title={texts.consent.titles[one.kind]} />
      ))}
      {asked.providers.length === 0 ? <ProviderNotes providers={[]} /> : null}
      {transcript.map((one) => (
        <Points key={one.kind} consent={one} title={texts.consent.titles[one.kind]} />
      ))}
      <p className="trouble" role="alert">
        {trouble}
      </p>
      <div className="stack">
        <button
          type="button"
          className="btn big wide"
          disabled={busy}
          onClick={() => void agree('tutor', 'provider', 'transcript')}
        >
          {texts.consent.store}
        </button>
        <button type="button" className="btn big wide" disabled={busy} onClick={() => void agree('tutor', 'provider')}>
          {texts.consent.storeNothing}
        </button>
      </div>
    </div>
  );
}

/** The exact text of a consent, one point per line. */
export function Points({ consent, title }: { consent: AskedConsent; title: string }) {
  return (
    <div className="points">
      <h3>{title}</h3>
      <ul>
        {consent.text.split('\n').map((line) => (
          <li key={line} className={line.endsWith(':') ? 'intro' : undefined}>
            {line}
          </li>
        ))}
      </ul>
    </div>
  );
}

export function GuardianNeeded() {
  return (
    <div className="start">
      <div className="stack" role="alert">
        <h2>{texts.guardian.title}</h2>
        <p className="quiet">{texts.guardian.lead}</p>
      </div>
      <button type="button" className="btn wide" onClick={reloadConsents}>
        {texts.guardian.again}
      </button>
      <Note icon="note">{texts.guardian.note}</Note>
    </div>
  );
}
