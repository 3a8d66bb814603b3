import { RoomAudioRenderer, useAudioPlayback, useLocalParticipant } from '@livekit/components-react';
import { Track, type LocalAudioTrack, type RemoteAudioTrack } from 'livekit-client';
import { useEffect, useRef, useState, type RefObject } from 'react';
import { change, useChoices } from '../choices';
import { RPC_SPEECH_SET, type SpeechSet } from '../protocol';
import { texts } from '../texts';
import { BackBanner, LostBanner } from './Banner';
import type { MicrophoneProps } from './MicrophoneButton';
import { Composer, type ComposerProps } from './Composer';
import { Note } from './Note';
import { MicrophoneRefused, OpenedElsewhere, StartOfTalk } from './StartOfTalk';
import { Transcript, type RenderCite } from './Transcript';
import type { Tutor } from './tutor';
import type { AudioTrack } from './useLevel';
import type { TalkControls } from './useTalk';
import { VoiceLine, type VoiceState } from './VoiceLine';

const TELL_TRIES = 10;
const TELL_AGAIN_MS = 1_000;

interface TalkPanelProps {
  controls: TalkControls;
  tutor: Tutor;
  microphone: MicrophoneProps;
  box: RefObject<HTMLTextAreaElement | null>;
  renderCite: RenderCite;
  lessonTrouble: string;
  /** what the lesson is about */
  topic: string;
}

/** The talk in each of its phases. */
export function TalkPanel({ controls, ...rest }: TalkPanelProps) {
  const { phase, trouble, failure, start } = controls;
  const withMicrophone = useRef(true);
  const [draft, setDraft] = useState(''); // here, so that no phase takes it away
  const onStart: typeof start = (options) => {
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

type ConversationProps = TalkPanelProps & Pick<ComposerProps, 'draft' | 'onDraft'>;

function Conversation(props: ConversationProps) {
  const { controls, tutor, microphone, box, draft, onDraft, renderCite, lessonTrouble, topic } = props;
  const { room, phase, back, talk, trouble, leave, retry, say } = controls;
  const [voice, toggleVoice] = useVoice(controls, tutor);
  const button = useRef<HTMLButtonElement>(null);
  const live = phase === 'live';
  const arrived = useRef(false);
  useEffect(() => {
    // the start button is gone: the microphone is what the learner wants next
    if (live && !arrived.current && !document.activeElement?.matches('textarea')) button.current?.focus();
    arrived.current ||= live;
  }, [live]);
  return (
    <>
      {phase === 'lost' ? (
        <LostBanner onRetry={retry} onLeave={() => void leave()} />
      ) : (
        <>
          {back ? <BackBanner /> : null}
          <VoiceLine
            state={lineOf(phase, tutor, microphone.on)}
            microphone={microphone.track}
            voice={voiceTrack(tutor)}
          />
        </>
      )}
      <div className="not-kept" role="status">
        {tutor.keepsNotes ? null : <Note icon="warn">{texts.notes.notKept}</Note>}
      </div>
      <Transcript
        turns={talk.turns}
        plans={talk.plans}
        renderCite={renderCite}
        notes={<Notes controls={controls} tutor={tutor} topic={topic} troubles={[trouble, lessonTrouble]} />}
      />
      <Composer
        box={box}
        microphone={{ ...microphone, ref: button }}
        draft={draft}
        onDraft={onDraft}
        voice={voice}
        say={say}
        onVoice={toggleVoice}
        onLeave={() => void leave()}
      />
      <RoomAudioRenderer room={room} />
    </>
  );
}

function lineOf(phase: TalkControls['phase'], tutor: Tutor, microphone: boolean): VoiceState {
  if (phase !== 'live') return 'connecting';
  return tutor.state === 'coming' && !microphone ? 'comingTyped' : tutor.state;
}

function voiceTrack({ participant }: Tutor): AudioTrack | null {
  const track = participant?.getTrackPublication(Track.Source.Microphone)?.track;
  return (track as RemoteAudioTrack | undefined) ?? null;
}

/** Voice and rate as chosen. Voice off silences this page alone: others in the room go on hearing. */
function useVoice({ tell }: TalkControls, { participant }: Tutor): [boolean, () => void] {
  const { voice, speechRate } = useChoices();
  useEffect(() => {
    participant?.setVolume(voice ? 1 : 0);
  }, [participant, voice]);
  const told = useRef(false);
  useEffect(() => {
    // a tutor that came anew does not know the choice; the usual one needs no word
    if (participant === null || (speechRate === 1 && !told.current)) return;
    told.current = true;
    let timer = 0;
    let current = true;
    // it may be in the room before it takes calls
    const ask = async (tries: number) => {
      if ((await tell(RPC_SPEECH_SET, { rate: speechRate } satisfies SpeechSet)) || tries <= 1 || !current) return;
      timer = window.setTimeout(() => void ask(tries - 1), TELL_AGAIN_MS);
    };
    void ask(TELL_TRIES);
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [participant, speechRate, tell]);
  // where it cannot be stored the button goes back by itself
  const toggle = () => void change({ voice: !voice }).catch(() => undefined);
  return [voice, toggle];
}

interface NotesProps {
  controls: TalkControls;
  tutor: Tutor;
  topic: string;
  troubles: string[];
}

function Notes({ controls, tutor, topic, troubles }: NotesProps) {
  const { room, phase, talk } = controls;
  const { canPlayAudio, startAudio } = useAudioPlayback(room);
  const { models } = tutor;
  return (
    <>
      {models && /offline/i.test(models.llm) ? <Note icon="offline">{texts.notes.offline}</Note> : null}
      {models && /test/i.test(models.stt) ? <Note icon="warn">{texts.notes.testModel}</Note> : null}
      {phase === 'live' && tutor.state === 'coming' && talk.turns.length === 0 ? (
        <Note icon="note">{texts.notes.waiting(1, topic)}</Note>
      ) : null}
      {phase === 'live' && !canPlayAudio ? (
        <div className="note held">
          <span>{texts.notes.silent}</span>
          <button type="button" className="btn" onClick={() => void startAudio()}>
            {texts.notes.hear}
          </button>
        </div>
      ) : null}
      <div role="alert">
        {troubles
          .filter((trouble) => trouble !== '')
          .map((trouble) => (
            <p className="trouble" key={trouble}>
              {trouble}
            </p>
          ))}
      </div>
    </>
  );
}

/** The microphone as the buttons show it. */
export function useMicrophone(controls: TalkControls): MicrophoneProps {
  const { room, phase, setMicrophone } = controls;
  const { isMicrophoneEnabled, microphoneTrack } = useLocalParticipant({ room });
  const on = phase === 'live' && isMicrophoneEnabled;
  return {
    connected: phase === 'live',
    on,
    track: on ? ((microphoneTrack?.track as LocalAudioTrack | undefined) ?? null) : null,
    onToggle: () => void setMicrophone(!isMicrophoneEnabled),
  };
}
