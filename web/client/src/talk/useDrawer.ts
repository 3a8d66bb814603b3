import { useCallback, useEffect, useRef, useState, type RefObject } from 'react';
import { media, useMediaQuery } from '../parts/useMediaQuery';

export interface Drawer {
  shown: boolean;
  root: RefObject<HTMLDivElement | null>;
  opener: RefObject<HTMLButtonElement | null>;
  open: () => void;
  /** and gives the focus back to the button that opened it */
  close: () => void;
  hide: () => void;
}

/** The course tree, a drawer on narrow screens. It takes the focus when it opens. */
export function useDrawer(): Drawer {
  const [wanted, setWanted] = useState(false);
  const narrow = useMediaQuery(media.drawer);
  const root = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const shown = narrow && wanted;
  useEffect(() => {
    if (shown) root.current?.querySelector<HTMLElement>('.tree .close button')?.focus();
  }, [shown]);
  const hide = useCallback(() => setWanted(false), []);
  const close = useCallback(() => {
    setWanted(false);
    opener.current?.focus();
  }, []);
  return { shown, root, opener, open: () => setWanted(true), close, hide };
}
