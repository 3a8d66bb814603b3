/** Where a lesson is in its course. */
import type { LessonEntry, ModuleEntry, ModulePage } from '../api';

export interface LessonPlace {
  lesson: LessonEntry;
  module: ModuleEntry;
  /** position in the course, from 1 */
  number: number;
}

export function listLessonPlaces(modules: readonly ModuleEntry[]): readonly LessonPlace[] {
  return modules
    .flatMap((module) => module.lessons.map((lesson) => ({ lesson, module })))
    .map((entry, index) => ({ ...entry, number: index + 1 }));
}

/** The lesson in the address if it belongs to this module, else the server's choice, else the first. */
export function findLessonPlace(places: readonly LessonPlace[], page: ModulePage, asked: string | null): LessonPlace | null {
  const own = places.filter((place) => place.module.id === page.module.id);
  const byId = (id: string | null) => own.find((place) => place.lesson.id === id);
  return byId(asked) ?? byId(page.lessonId) ?? own[0] ?? null;
}

export function findModuleOfLesson(places: readonly LessonPlace[], lessonId: string): string | null {
  return places.find((place) => place.lesson.id === lessonId)?.module.id ?? null;
}
