import { useCallback, useMemo } from 'react';
import type { ModuleEntry, ModulePage } from '../api';
import { findPlace, moduleOf, toPlaces, type Place } from '../lesson/places';
import { modulePath, useAddress } from '../router';

interface Places {
  places: readonly Place[];
  /** of the open lesson; null in an empty module */
  place: Place | null;
  pathOf: (lessonId: string) => string;
}

/** The lessons of the course, and which one the address opens. */
export function usePlaces(courseId: string, page: ModulePage, modules: readonly ModuleEntry[]): Places {
  const asked = useAddress().searchParams.get('lesson');
  const places = useMemo(() => toPlaces(modules), [modules]);
  const pathOf = useCallback(
    (lessonId: string) => modulePath(courseId, moduleOf(places, lessonId) ?? page.module.id, lessonId),
    [courseId, page, places],
  );
  return { places, place: findPlace(places, page, asked), pathOf };
}
