import { RoomAudioRenderer } from '@livekit/components-react';
import { Track, type RemoteAudioTrack } from 'livekit-client';
import { useEffect, useRef } from 'react';
import { Note } from '../parts/Note';
import { ConnectionBackBanner, ConnectionLostBanner } from '../rtc/Banner';
import type { MicrophoneProps } from '../rtc/MicrophoneButton';
import type { AudioTrack } from '../rtc/useLevel';
import { texts } from '../texts';
import { Company } from './Company';
import { Composer, type ComposerProps } from './Composer';
import { ConversationNotes } from './Notes';
import { Transcript, type RenderCite } from './Transcript';
import type { Tutor } from './tutor';
import type { TalkControls } from './useTalk';
import { useTutorVoice } from './useTutorVoice';
import { useTypingSignal } from './useTypingSignal';
import { VoiceLine, type VoiceState } from './VoiceLine';

export interface ConversationProps extends Pick<ComposerProps, 'box' | 'draft' | 'onDraft'> {
  controls: TalkControls;
  tutor: Tutor;
  microphone: MicrophoneProps;
  renderCite: RenderCite;
  lessonTrouble: string;
  /** what the lesson is about */
  topic: string;
}

export function Conversation(props: ConversationProps) {
  const { controls, tutor, microphone, box, draft, onDraft, renderCite, lessonTrouble, topic } = props;
  const { room, phase, talk, trouble, leave, say } = controls;
  const [voice, toggleVoice] = useTutorVoice(controls, tutor);
  useTypingSignal(controls, tutor, draft);
  const refused = talk.refused === null ? '' : texts.notes.refused[talk.refused];
  const [refusedTyped, refusedSpoken] = talk.refused === 'turn' ? [refused, ''] : ['', refused];
  const button = useFocusOnArrival(phase === 'live');
  return (
    <>
      <ConnectionOrVoiceLine controls={controls} tutor={tutor} microphone={microphone} />
      <Company controls={controls} />
      <div className="not-kept" role="status">
        {tutor.notes === 'ok' ? null : <Note icon="warn">{texts.notes[tutor.notes]}</Note>}
      </div>
      <Transcript
        turns={talk.turns}
        plans={talk.plans}
        renderCite={renderCite}
        notes={<ConversationNotes controls={controls} tutor={tutor} topic={topic} troubles={[trouble, lessonTrouble, refusedSpoken]} />}
      />
      <Composer
        box={box}
        microphone={{ ...microphone, ref: button }}
        draft={draft}
        onDraft={onDraft}
        voice={voice}
        say={say}
        refusal={refusedTyped}
        onVoice={toggleVoice}
        onLeave={() => void leave()}
      />
      <RoomAudioRenderer room={room} />
    </>
  );
}

function ConnectionOrVoiceLine({ controls, tutor, microphone }: Pick<ConversationProps, 'controls' | 'tutor' | 'microphone'>) {
  const { phase, back, retry, leave } = controls;
  if (phase === 'lost') return <ConnectionLostBanner onRetry={retry} onLeave={() => void leave()} />;
  return (
    <>
      {back ? <ConnectionBackBanner /> : null}
      <VoiceLine state={voiceStateOf(controls, tutor, microphone.on)} microphone={microphone.track} voice={tutorVoiceTrack(tutor)} />
    </>
  );
}

/** The start button is gone, so the microphone button gets the focus, unless the learner is typing. */
function useFocusOnArrival(live: boolean) {
  const button = useRef<HTMLButtonElement>(null);
  const arrived = useRef(false);
  useEffect(() => {
    if (live && !arrived.current && !document.activeElement?.matches('textarea')) button.current?.focus();
    arrived.current ||= live;
  }, [live]);
  return button;
}

function voiceStateOf({ phase, talk }: TalkControls, tutor: Tutor, microphone: boolean): VoiceState {
  if (phase !== 'live') return 'connecting';
  if (tutor.state === 'listening' && talk.waiting) return 'waiting';
  return tutor.state === 'coming' && !microphone ? 'comingTyped' : tutor.state;
}

function tutorVoiceTrack({ participant }: Tutor): AudioTrack | null {
  const track = participant?.getTrackPublication(Track.Source.Microphone)?.track;
  return (track as RemoteAudioTrack | undefined) ?? null;
}
