import { useState } from 'react';
import { api, transcriptPath, type TranscriptForm } from '../api';
import { explainFailure } from '../failures';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { Icon } from '../parts/Icon';
import { MenuButton } from '../parts/Menu';
import { texts } from '../texts';

const exportForms: readonly TranscriptForm[] = ['vtt', 'txt', 'json', 'feed'];
const fileEndings: Record<TranscriptForm, string> = { vtt: 'vtt', txt: 'txt', json: 'json', feed: 'braille.txt' };

interface ExportMenuProps {
  sessionId: string;
  /** without extension */
  fileName: string;
  onErased: () => void;
}

/** Downloads of a transcript, and erasing what the learner said. */
export function ExportMenu({ sessionId, fileName, onErased }: ExportMenuProps) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <MenuButton
        label={texts.transcripts.export}
        button={
          <>
            <Icon name="load" />
            {texts.transcripts.export}
          </>
        }
      >
        {exportForms.map((form) => (
          <a
            key={form}
            role="menuitem"
            tabIndex={-1}
            className={form === 'feed' ? 'sep' : undefined}
            href={transcriptPath(sessionId, form)}
            download={`${fileName}.${fileEndings[form]}`}
          >
            {texts.transcripts.forms[form][0]}
            <span className="meta">{texts.transcripts.forms[form][1]}</span>
          </a>
        ))}
        <button type="button" role="menuitem" tabIndex={-1} className="sep bad" onClick={() => setAsking(true)}>
          {texts.transcripts.erase}
        </button>
      </MenuButton>
      {asking ? <EraseDialog sessionId={sessionId} onClose={() => setAsking(false)} onErased={onErased} /> : null}
    </>
  );
}

interface EraseDialogProps {
  sessionId: string;
  onClose: () => void;
  onErased: () => void;
}

function EraseDialog({ sessionId, onClose, onErased }: EraseDialogProps) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState('');
  const erase = async () => {
    setBusy(true);
    try {
      await api.eraseWords(sessionId);
      onClose();
      onErased();
    } catch (error) {
      setTrouble(explainFailure(error));
      setBusy(false);
    }
  };
  return (
    <ConfirmDialog
      title={texts.transcripts.erase}
      action={texts.transcripts.eraseSure}
      busy={busy}
      onConfirm={() => void erase()}
      onClose={onClose}
    >
      <p>{texts.transcripts.eraseLead}</p>
      <p className="trouble" role="alert">
        {trouble}
      </p>
    </ConfirmDialog>
  );
}
