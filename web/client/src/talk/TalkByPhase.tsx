import { useRef, useState } from 'react';
import type { ModulePage } from '../api';
import { Conversation, type ConversationProps } from './Conversation';
import { BeforeTalk } from './BeforeTalk';
import { useReturnedWords } from './returnedWords';
import { MicrophoneRefused, OpenedElsewhere } from './StartOfTalk';
import type { TalkControls } from './useTalk';

interface TalkByPhaseProps extends Omit<ConversationProps, 'draft' | 'onDraft'> {
  page: ModulePage;
}

/** The conversation in each of its phases. */
export function TalkByPhase({ page, controls, ...rest }: TalkByPhaseProps) {
  const { phase, failure, start } = controls;
  const withMicrophone = useRef(true);
  const [draft, setDraft] = useState(''); // held here so it survives a change of phase
  useReturnedWords(controls.talk.returned, setDraft);
  const onStart: TalkControls['start'] = (options) => {
    withMicrophone.current = options.microphone;
    return start(options);
  };
  switch (phase) {
    case 'before':
      return <BeforeTalk page={page} controls={controls} onStart={onStart} />;
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
