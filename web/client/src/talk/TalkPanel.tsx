import { useRef, useState } from 'react';
import { Conversation, type ConversationProps } from './Conversation';
import { MicrophoneRefused, OpenedElsewhere, StartOfTalk } from './StartOfTalk';
import type { TalkControls } from './useTalk';

type TalkPanelProps = Omit<ConversationProps, 'draft' | 'onDraft'>;

/** The conversation in each of its phases. */
export function TalkPanel({ controls, ...rest }: TalkPanelProps) {
  const { phase, trouble, failure, start } = controls;
  const withMicrophone = useRef(true);
  const [draft, setDraft] = useState(''); // held here so it survives a change of phase
  const onStart: TalkControls['start'] = (options) => {
    withMicrophone.current = options.microphone;
    return start(options);
  };
  switch (phase) {
    case 'before':
      return <StartOfTalk trouble={trouble} onStart={onStart} />;
    case 'refused':
      return <MicrophoneRefused failure={failure} onStart={onStart} />;
    case 'elsewhere':
      return <OpenedElsewhere onHere={() => void start({ microphone: withMicrophone.current })} />;
    case 'connecting':
    case 'live':
    case 'lost':
      return <Conversation controls={controls} draft={draft} onDraft={setDraft} {...rest} />;
  }
}
