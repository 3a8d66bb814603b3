import type { MouseEvent, Ref } from 'react';
import type { LessonText } from '../api';
import type { Cite } from '../lesson/cite';
import { LessonSheet } from '../lesson/LessonSheet';
import type { LessonPlace } from '../lesson/places';
import type { Loaded } from '../useLoaded';
import { texts } from '../texts';

interface LessonPaneProps {
  places: readonly LessonPlace[];
  place: LessonPlace | null;
  lesson: Loaded<LessonText>;
  again: () => void;
  cites: readonly Cite[];
  heading: Ref<HTMLHeadingElement>;
  pathOf: (lessonId: string) => string;
  onOpen: (event: MouseEvent<HTMLAnchorElement>) => void;
}

/** The open lesson, with links to the ones before and after it. */
export function LessonPane({ places, place, lesson, again, cites, heading, pathOf, onOpen }: LessonPaneProps) {
  if (place === null) return <p className="quiet">{texts.courses.moduleEmpty}</p>;
  const index = places.indexOf(place);
  return (
    <LessonSheet
      ref={heading}
      entry={place.lesson}
      number={lesson.state === 'ready' ? lesson.value.number : place.number}
      loaded={lesson}
      again={again}
      cites={cites.filter((cite) => cite.lessonId === place.lesson.id)}
      back={places[index - 1]?.lesson ?? null}
      next={places[index + 1]?.lesson ?? null}
      hrefOf={(entry) => pathOf(entry.id)}
      onTurn={onOpen}
    />
  );
}
