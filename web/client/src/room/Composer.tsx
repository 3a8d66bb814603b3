import { useState, type FormEvent, type KeyboardEvent, type RefObject } from 'react';
import { Icon } from '../parts/Icon';
import { texts } from '../texts';
import { MicrophoneButton, type MicrophoneProps } from './MicrophoneButton';

interface ComposerProps {
  microphone: MicrophoneProps & { ref: RefObject<HTMLButtonElement | null> };
  box: RefObject<HTMLTextAreaElement | null>;
  connected: boolean;
  voice: boolean;
  say: (text: string) => Promise<boolean>;
  onVoice: () => void;
  onLeave: () => void;
}

const LONGEST = 2_000; // characters of one typed turn

/** Text box and controls at the foot of the talk. */
export function Composer({ microphone, box, connected, voice, say, onVoice, onLeave }: ComposerProps) {
  return (
    <div className="composer">
      <TextBox box={box} connected={connected} say={say} />
      <div className="controls">
        <MicrophoneButton {...microphone} />
        <button
          type="button"
          className="btn"
          aria-pressed={voice}
          aria-label={voice ? texts.talk.voiceOnLabel : texts.talk.voiceOffLabel}
          onClick={onVoice}
        >
          <Icon name={voice ? 'vol' : 'voloff'} />
          <span className="lbl">{voice ? texts.talk.voiceOn : texts.talk.voiceOff}</span>
        </button>
        <button type="button" className="btn" aria-label={texts.talk.leaveLabel} onClick={onLeave}>
          <Icon name="leave" />
          <span className="lbl">{texts.talk.leave}</span>
        </button>
      </div>
    </div>
  );
}

type TextBoxProps = Pick<ComposerProps, 'box' | 'connected' | 'say'>;

function TextBox({ box, connected, say }: TextBoxProps) {
  const [text, setText] = useState('');
  const [failed, setFailed] = useState(false);

  const send = async () => {
    const words = text.trim();
    if (!words) return;
    setFailed(!connected);
    if (!connected) return;
    setText('');
    if (await say(words)) return;
    setText((now) => now || words);
    setFailed(true);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void send();
  };
  const pressed = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === 'Escape') event.currentTarget.blur();
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };

  return (
    <form onSubmit={submit}>
      <div className="field">
        <label className="vh" htmlFor="say">
          {texts.talk.write}
        </label>
        <textarea
          id="say"
          rows={Math.min(4, text.split('\n').length)}
          maxLength={LONGEST}
          placeholder={texts.talk.write}
          value={text}
          ref={box}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={pressed}
        />
        <button type="submit" className="btn bare square" aria-label={texts.talk.send}>
          <Icon name="send" />
        </button>
      </div>
      <p className="trouble" role="alert">
        {failed ? texts.notes.typedLost : ''}
      </p>
    </form>
  );
}
