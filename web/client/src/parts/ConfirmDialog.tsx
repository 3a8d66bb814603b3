import type { ReactNode } from 'react';
import { texts } from '../texts';
import { Dialog } from './Dialog';

interface ConfirmDialogProps {
  title: string;
  /** on the button */
  action: string;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
  /** what follows */
  children: ReactNode;
}

/** Asks before something that is hard to undo. */
export function ConfirmDialog({ title, action, busy = false, onConfirm, onClose, children }: ConfirmDialogProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <div className="row">
        <button type="button" className="btn warn" disabled={busy} onClick={onConfirm}>
          {action}
        </button>
        <button type="button" className="btn" onClick={onClose}>
          {texts.cancel}
        </button>
      </div>
    </Dialog>
  );
}
