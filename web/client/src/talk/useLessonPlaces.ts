import { useCallback, useMemo } from 'react';
import type { ModuleEntry, ModulePage } from '../api';
import { findLessonPlace, findModuleOfLesson, listLessonPlaces, type LessonPlace } from '../lesson/places';
import { modulePath, useAddress } from '../router';

interface Places {
  places: readonly LessonPlace[];
  /** of the open lesson; null in an empty module */
  place: LessonPlace | null;
  pathOf: (lessonId: string) => string;
}

/** The lessons of the course, and which one the address opens. */
export function useLessonPlaces(courseId: string, page: ModulePage, modules: readonly ModuleEntry[]): Places {
  const asked = useAddress().searchParams.get('lesson');
  const places = useMemo(() => listLessonPlaces(modules), [modules]);
  const pathOf = useCallback(
    (lessonId: string) => modulePath(courseId, findModuleOfLesson(places, lessonId) ?? page.module.id, lessonId),
    [courseId, page, places],
  );
  return { places, place: findLessonPlace(places, page, asked), pathOf };
}
