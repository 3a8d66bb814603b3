import { useEffect, useRef } from 'react';
import { currentAccountSettings } from '../account/accountSettings';

interface RoomKeys {
  onMute: () => void;
  onStop: () => void;
  onWrite: () => void;
  onEscape: () => void;
  onDebug: () => void;
}

/** Keyboard shortcuts of the room. Single keys work only outside text fields. */
export function useRoomKeys(keys: RoomKeys): void {
  const current = useRef(keys);
  useEffect(() => {
    current.current = keys;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const command = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
      const letter = event.key.toLowerCase();
      if (command && letter === 'd') current.current.onMute();
      else if (event.ctrlKey && event.shiftKey && letter === 'd') current.current.onDebug();
      else if (event.ctrlKey && event.key === '.') current.current.onStop();
      else if (event.key === '/' && !command && currentAccountSettings().singleKeys && !isInTextField(event.target)) current.current.onWrite();
      else if (event.key === 'Escape') return current.current.onEscape();
      else return;
      event.preventDefault();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
}

function isInTextField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');
}
