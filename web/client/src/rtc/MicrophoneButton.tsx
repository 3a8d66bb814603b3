import type { Ref } from 'react';
import { Icon } from '../parts/Icon';
import { texts } from '../texts';
import { MicrophoneLevel } from './Level';
import type { AudioTrack } from './useLevel';

export interface MicrophoneProps {
  connected: boolean;
  on: boolean;
  track: AudioTrack | null;
  onToggle: () => void;
  ref?: Ref<HTMLButtonElement>;
  /** icon and level only */
  short?: boolean;
}

export function MicrophoneButton({ connected, on, track, onToggle, ref, short = false }: MicrophoneProps) {
  if (!connected) {
    return (
      <button type="button" className="mic off" disabled aria-label={texts.talk.micOff} ref={ref}>
        <Icon name="micoff" />
        {short ? null : <span>{texts.talk.micOff}</span>}
      </button>
    );
  }
  return (
    <button
      type="button"
      className={on ? 'mic' : 'mic off'}
      aria-label={on ? texts.talk.muteLabel : texts.talk.unmuteLabel}
      aria-keyshortcuts="Control+D Meta+D"
      onClick={onToggle}
      ref={ref}
    >
      <Icon name={on ? 'mic' : 'micoff'} />
      {on ? <MicrophoneLevel track={track} /> : null}
      {short ? null : <span>{on ? texts.talk.mute : texts.talk.unmute}</span>}
    </button>
  );
}
