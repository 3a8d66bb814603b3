import { useState } from 'react';
import { api, type AccountSettings } from '../api';
import { explainFailure } from '../failures';
import { Dialog } from '../parts/Dialog';
import { openPage } from '../router';
import { texts } from '../texts';
import { OwnData } from './OwnData';
import { PrivacySection } from './PrivacySection';
import { applyAndSaveSettings, forgetAccountSettings, useAccountSettings } from './accountSettings';
import { forgetConsents } from './consents';

const speechRates = [0.75, 0.9, 1, 1.25, 1.5];
const captionSizes = ['small', 'normal', 'large', 'largest'] as const;
const themes = ['light', 'dark', 'system'] as const;

/** Every choice applies at once. */
export function SettingsPanel({ onClose }: { onClose: () => void }) {
  const chosen = useAccountSettings();
  const [trouble, setTrouble] = useState('');
  const choose = (changes: Partial<AccountSettings>) => {
    setTrouble('');
    applyAndSaveSettings(changes).catch((error: unknown) => setTrouble(explainFailure(error)));
  };
  const leave = () => {
    setTrouble('');
    signOut(onClose).catch((error: unknown) => setTrouble(explainFailure(error)));
  };
  const { settings } = texts;
  return (
    <Dialog title={settings.title} onClose={onClose}>
      <PrivacySection />
      <section>
        <h3>{settings.voices}</h3>
        <SettingSwitch label={settings.voice} on={chosen.voice} onTurn={(voice) => choose({ voice })} />
        <label className="lab" htmlFor="speech-rate">
          {settings.rate}
        </label>
        <select
          className="select"
          id="speech-rate"
          value={chosen.speechRate}
          onChange={(event) => choose({ speechRate: Number(event.target.value) })}
        >
          {[...new Set([...speechRates, chosen.speechRate])].sort().map((rate) => (
            <option key={rate} value={rate}>
              {settings.rates(rate)}
            </option>
          ))}
        </select>
      </section>
      <section>
        <h3>{settings.reading}</h3>
        <SettingChoice
          label={settings.captions}
          options={captionSizes}
          names={settings.sizes}
          value={chosen.captionSize}
          onChoose={(captionSize) => choose({ captionSize })}
        />
        <SettingSwitch label={settings.readTutor} on={chosen.readTutor} onTurn={(readTutor) => choose({ readTutor })} />
        <SettingSwitch label={settings.keys} on={chosen.singleKeys} onTurn={(singleKeys) => choose({ singleKeys })} />
        <SettingChoice
          label={settings.theme}
          options={themes}
          names={settings.themes}
          value={chosen.theme}
          onChoose={(theme) => choose({ theme })}
        />
      </section>
      <OwnData />
      <p className="trouble" role="alert">
        {trouble}
      </p>
      <section>
        <button type="button" className="btn" onClick={leave}>
          {texts.signOut}
        </button>
      </section>
    </Dialog>
  );
}

/** Ends the session here and, if there is one, at the identity provider. */
async function signOut(onClose: () => void) {
  const { providerUrl } = await api.signOut();
  forgetAccountSettings();
  forgetConsents();
  onClose();
  openPage(providerUrl ?? '/auth/signin');
}

interface SettingSwitchProps {
  label: string;
  on: boolean;
  onTurn: (on: boolean) => void;
}

function SettingSwitch({ label, on, onTurn }: SettingSwitchProps) {
  return (
    <label className="switch">
      <input type="checkbox" role="switch" checked={on} onChange={(event) => onTurn(event.target.checked)} />
      {label}
    </label>
  );
}

interface SettingChoiceProps<T extends string> {
  label: string;
  options: readonly T[];
  names: Record<T, string>;
  value: T;
  onChoose: (option: T) => void;
}

function SettingChoice<T extends string>({ label, options, names, value, onChoose }: SettingChoiceProps<T>) {
  return (
    <fieldset>
      <legend className="lab">{label}</legend>
      <div className="seg">
        {options.map((option) => (
          <label key={option}>
            <input type="radio" name={label} checked={option === value} onChange={() => onChoose(option)} />
            <span>{names[option]}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
