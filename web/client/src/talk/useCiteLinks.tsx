import { useRef } from 'react';
import type { LessonText } from '../api';
import type { Cite } from '../lesson/cite';
import { passageAnchor } from '../lesson/Passage';
import type { LessonPlace } from '../lesson/places';
import type { Loaded } from '../useLoaded';
import { navigate } from '../router';
import { texts } from '../texts';
import type { RenderCite } from './Transcript';

interface CiteLinksOptions {
  lesson: Loaded<LessonText>;
  lessonId: string | null;
  places: readonly LessonPlace[];
  pathOf: (lessonId: string) => string;
  /** before a passage is scrolled into view */
  onShow: () => void;
}

/** Draws a citation as a link to its passage. */
export function useCiteLinks({ lesson, lessonId, places, pathOf, onShow }: CiteLinksOptions): RenderCite {
  const numbers = useRef(new Map<string, number>()); // of the passages of every lesson opened so far
  if (lesson.state === 'ready') {
    for (const passage of lesson.value.passages) numbers.current.set(passage.id, passage.number);
  }
  const show = (cite: Cite) => {
    onShow();
    if (cite.lessonId !== lessonId) return navigate(pathOf(cite.lessonId));
    const anchor = passageAnchor(numbers.current.get(cite.passageId) ?? 1);
    // after the tab is drawn
    requestAnimationFrame(() => document.getElementById(anchor)?.scrollIntoView({ block: 'center' }));
  };
  return function renderCite(cite) {
    const number = numbers.current.get(cite.passageId);
    const here = cite.lessonId === lessonId && number !== undefined;
    const other = places.find((known) => known.lesson.id === cite.lessonId)?.lesson.title;
    return (
      <a
        className="cite"
        key={cite.passageId}
        href={here ? `#${passageAnchor(number)}` : pathOf(cite.lessonId)}
        onClick={(event) => {
          event.preventDefault();
          show(cite);
        }}
      >
        {here ? texts.talk.passage(number) : (other ?? texts.talk.elsewherePassage)}
      </a>
    );
  };
}
