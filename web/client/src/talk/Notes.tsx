import { useAudioPlayback } from '@livekit/components-react';
import { ProviderNotes } from '../account/ProviderNotes';
import { useConsents } from '../account/consents';
import { Note } from '../parts/Note';
import { texts } from '../texts';
import type { Tutor } from './tutor';
import type { TalkControls } from './useTalk';

interface NotesProps {
  controls: TalkControls;
  tutor: Tutor;
  topic: string;
  troubles: string[];
}

/** What the learner should know about this conversation, above the transcript. */
export function ConversationNotes({ controls, tutor, topic, troubles }: NotesProps) {
  const { room, phase, talk } = controls;
  const { canPlayAudio, startAudio } = useAudioPlayback(room);
  const consents = useConsents();
  const live = phase === 'live';
  return (
    <>
      <ModelNotes models={tutor.models} />
      {consents.state === 'ready' ? <ProviderNotes providers={consents.value.providers} /> : null}
      {live && tutor.state === 'coming' && talk.turns.length === 0 ? (
        <Note icon="note">{texts.notes.waiting(1, topic)}</Note>
      ) : null}
      {live && !canPlayAudio ? (
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

function ModelNotes({ models }: Pick<Tutor, 'models'>) {
  if (models === null) return null;
  return (
    <>
      {/offline/i.test(models.llm) ? <Note icon="offline">{texts.notes.offline}</Note> : null}
      {/test/i.test(models.stt) ? <Note icon="warn">{texts.notes.testModel}</Note> : null}
    </>
  );
}
