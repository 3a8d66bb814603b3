import { useEffect, useRef, type MouseEvent, type RefObject } from 'react';
import { followLink } from '../router';

interface LessonFocus {
  title: RefObject<HTMLHeadingElement | null>;
  /** follows a link to a lesson */
  open: (event: MouseEvent<HTMLAnchorElement>) => void;
}

/** Scrolls each new lesson to its top, and focuses its title if the learner chose the lesson. */
export function useLessonFocus(lessonId: string | null, onOpened: () => void): LessonFocus {
  const title = useRef<HTMLHeadingElement>(null);
  const chosen = useRef(false);
  useEffect(() => {
    const back = () => {
      chosen.current = new URL(window.location.href).searchParams.get('lesson') !== lessonId;
    };
    window.addEventListener('popstate', back, true); // before the router draws the other lesson
    return () => window.removeEventListener('popstate', back, true);
  }, [lessonId]);
  useEffect(() => {
    document.getElementById('lesson')?.scrollTo({ top: 0 });
    if (chosen.current) title.current?.focus();
    chosen.current = false;
  }, [lessonId]);
  const open = (event: MouseEvent<HTMLAnchorElement>) => {
    followLink(event);
    if (!event.defaultPrevented) return; // the browser opens it in a new tab
    chosen.current = true;
    onOpened();
  };
  return { title, open };
}
