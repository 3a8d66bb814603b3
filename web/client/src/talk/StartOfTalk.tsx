import { MediaDeviceFailure } from 'livekit-client';
import { useId, useState } from 'react';
import { Icon } from '../parts/Icon';
import { Note } from '../parts/Note';
import { StoreSwitch } from '../account/StoreSwitch';
import type { ModulePage } from '../api';
import type { StartOptions } from '../rtc/Connection';
import { texts } from '../texts';
import { LevelMeter } from '../rtc/Level';
import { useMicrophoneChoice } from '../rtc/useMicrophoneChoice';
import { RoomChoice } from './RoomChoice';
import type { TalkControls } from './useTalk';

export type OnStart = (options: StartOptions) => void;

interface StartProps {
  page: ModulePage;
  controls: TalkControls;
  onStart: OnStart;
}

export function StartOfTalk({ page, controls, onStart }: StartProps) {
  const [deviceId, setDeviceId] = useState('');
  const { devices, preview, test } = useMicrophoneChoice(deviceId);
  const select = useId();
  return (
    <div className="start">
      <div className="stack">
        <h2>{texts.start.title}</h2>
        <p className="quiet">{texts.start.lead}</p>
      </div>
      <div>
        <label className="lab" htmlFor={select}>
          {texts.start.microphone}
        </label>
        <select className="select" id={select} value={deviceId} onChange={(event) => setDeviceId(event.target.value)}>
          <option value="">{texts.start.defaultMicrophone}</option>
          {devices
            .filter((device) => device.deviceId !== 'default')
            .map((device) => (
              <option key={device.deviceId} value={device.deviceId}>
                {device.label}
              </option>
            ))}
        </select>
        <div className="row hearing">
          {preview ? (
            <>
              <LevelMeter track={preview} label={texts.start.level} />
              <span className="meta">{texts.start.heard}</span>
            </>
          ) : (
            <button type="button" className="btn" onClick={test}>
              {texts.start.test}
            </button>
          )}
        </div>
      </div>
      <div className="agree">
        <RoomChoice page={page} controls={controls} />
        <StoreSwitch />
      </div>
      <p className="trouble" role="alert">
        {controls.trouble}
      </p>
      <div className="stack">
        <button
          type="button"
          className="btn main big wide"
          onClick={() => onStart({ microphone: true, ...(deviceId ? { deviceId } : {}) })}
        >
          {texts.start.talk}
        </button>
        <button type="button" className="btn bare wide" onClick={() => onStart({ microphone: false })}>
          {texts.start.type}
        </button>
      </div>
    </div>
  );
}

interface RefusedProps {
  failure: MediaDeviceFailure | null;
  onStart: OnStart;
}

export function MicrophoneRefused({ failure, onStart }: RefusedProps) {
  const blocked = failure === null || failure === MediaDeviceFailure.PermissionDenied;
  return (
    <div className="start">
      <div className="stack" role="alert">
        <h2>{blocked ? texts.refused.title : texts.refused.noneTitle}</h2>
        <p className="quiet">{blocked ? texts.refused.lead : texts.refused.none}</p>
        {blocked ? (
          <ol className="steps stack quiet">
            {texts.refused.steps.map((step) => (
              <li key={step}>{step}</li>
            ))}
          </ol>
        ) : null}
      </div>
      <button type="button" className="btn main big wide" onClick={() => onStart({ microphone: true })}>
        {texts.refused.again}
      </button>
      <button type="button" className="btn wide" onClick={() => onStart({ microphone: false })}>
        {texts.refused.type}
      </button>
      <Note icon="vol">{texts.refused.note}</Note>
    </div>
  );
}

export function OpenedElsewhere({ onHere }: { onHere: () => void }) {
  return (
    <div className="start elsewhere">
      <div className="stack" role="alert">
        <Icon name="tabs" />
        <h2>{texts.elsewhere.title}</h2>
        <p className="quiet">{texts.elsewhere.lead}</p>
      </div>
      <button type="button" className="btn main big wide" onClick={onHere}>
        {texts.elsewhere.here}
      </button>
      <p className="meta">{texts.elsewhere.note}</p>
    </div>
  );
}
