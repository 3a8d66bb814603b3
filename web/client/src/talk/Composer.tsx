import { useState, type Dispatch, type FormEvent, type KeyboardEvent, type RefObject, type SetStateAction } from 'react';
import { Icon } from '../parts/Icon';
import { texts } from '../texts';
import { MicrophoneButton, type MicrophoneProps } from '../rtc/MicrophoneButton';

export interface ComposerProps {
  microphone: MicrophoneProps & { ref: RefObject<HTMLButtonElement | null> };
  box: RefObject<HTMLTextAreaElement | null>;
  draft: string;
  onDraft: Dispatch<SetStateAction<string>>;
  voice: boolean;
  say: (text: string) => Promise<boolean>;
  /** why a typed turn came back into the box, or empty */
  refusal: string;
  onVoice: () => void;
  onLeave: () => void;
}

const LONGEST = 2_000; // characters of one typed turn

export function Composer({ microphone, voice, onVoice, onLeave, ...box }: ComposerProps) {
  return (
    <div className="composer">
      <TextBox {...box} />
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

type TextBoxProps = Pick<ComposerProps, 'box' | 'draft' | 'onDraft' | 'say' | 'refusal'>;

function TextBox({ box, draft, onDraft, say, refusal }: TextBoxProps) {
  const [failed, setFailed] = useState(false);

  const send = async () => {
    const words = draft.trim();
    if (!words) return;
    setFailed(false);
    onDraft('');
    if (!(await say(words))) setFailed(true);
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
          rows={Math.min(4, draft.split('\n').length)}
          maxLength={LONGEST}
          placeholder={texts.talk.write}
          value={draft}
          ref={box}
          onChange={(event) => onDraft(event.target.value)}
          onKeyDown={pressed}
        />
        <button type="submit" className="btn bare square" aria-label={texts.talk.send}>
          <Icon name="send" />
        </button>
      </div>
      <p className="trouble" role="alert">
        {failed ? texts.notes.typedLost : refusal}
      </p>
    </form>
  );
}
