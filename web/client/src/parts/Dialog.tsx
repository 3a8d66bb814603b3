import { useLayoutEffect, useRef, type ReactNode } from 'react';
import { texts } from '../texts';
import { Icon } from './Icon';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** A modal dialog. The browser keeps the focus inside, closes on Esc and restores the focus. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null);
  // the browser restores the focus only while the dialog is still in the page
  useLayoutEffect(() => {
    const dialog = box.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      className="sheet-over"
      ref={box}
      aria-label={title}
      // in React, the closing of a dialog inside this one bubbles
      onClose={(event) => event.target === box.current && onClose()}
      // the shortcuts of the page do not act while a dialog is open
      onKeyDown={(event) => event.stopPropagation()}
      // a click beside the content has the dialog itself as its target
      onClick={(event) => event.target === box.current && onClose()}
    >
      <div className="inner">
        <header>
          <h2>{title}</h2>
          <button type="button" className="btn bare square" aria-label={texts.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
