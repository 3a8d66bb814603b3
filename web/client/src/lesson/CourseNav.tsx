import { useState } from 'react';
import type { CourseProgress, LessonEntry, ModuleEntry } from '../api';
import { Icon } from '../parts/Icon';
import { LessonMark } from '../parts/LessonMark';
import { minutesOf } from '../parts/minutes';
import { texts } from '../texts';

interface CourseNavProps {
  title: string;
  modules: readonly ModuleEntry[];
  current: { moduleId: string; lessonId: string | null };
  progress: CourseProgress;
  hrefOf: (lesson: LessonEntry, module: ModuleEntry) => string;
  onOpen: (event: React.MouseEvent<HTMLAnchorElement>, lesson: LessonEntry, module: ModuleEntry) => void;
  onClose: () => void;
}

/** The course tree; a drawer below 1100 px. */
export function CourseNav({ title, modules, current, progress, hrefOf, onOpen, onClose }: CourseNavProps) {
  return (
    <nav className="tree" aria-label={texts.tree.label} tabIndex={0}>
      <p className="close">
        <span>{texts.tree.heading}</span>
        <button type="button" className="btn bare square" aria-label={texts.tree.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </p>
      <div className="head">
        <b>{title}</b>
        <CourseProgressBar {...progress} />
      </div>
      {modules.map((module) => (
        <ModuleBranch
          key={module.id}
          module={module}
          lessonId={current.lessonId}
          startOpen={module.id === current.moduleId}
          hrefOf={hrefOf}
          onOpen={onOpen}
        />
      ))}
    </nav>
  );
}

function CourseProgressBar({ completedLessons, totalLessons }: CourseProgress) {
  const part = totalLessons ? (100 * completedLessons) / totalLessons : 0;
  return (
    <>
      <span className="bar">
        <i style={{ inlineSize: `${part}%` }} />
      </span>
      <span className="meta num">{texts.tree.done(completedLessons, totalLessons)}</span>
    </>
  );
}

interface ModuleBranchProps extends Pick<CourseNavProps, 'hrefOf' | 'onOpen'> {
  module: ModuleEntry;
  lessonId: string | null;
  startOpen: boolean;
}

function ModuleBranch({ module, lessonId, startOpen, hrefOf, onOpen }: ModuleBranchProps) {
  const [open, setOpen] = useState(startOpen);
  const { lessons } = module;
  const known = lessons.some((lesson) => lesson.status !== undefined);
  const done = lessons.filter((lesson) => lesson.status === 'completed').length;
  return (
    <>
      <h2>
        <button type="button" className="mod" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name="next" />
          {module.title}
          <span className="meta num">{known ? texts.tree.doneOf(done, lessons.length) : lessons.length}</span>
        </button>
      </h2>
      <ul hidden={!open}>
        {lessons.map((lesson) => (
          <li key={lesson.id}>
            <a
              className="les"
              href={hrefOf(lesson, module)}
              aria-current={lesson.id === lessonId ? 'page' : undefined}
              onClick={(event) => onOpen(event, lesson, module)}
            >
              <LessonMark status={lesson.status ?? null} />
              <span>{lesson.title}</span>
              <LessonMinutes seconds={lesson.duration} />
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

function LessonMinutes({ seconds }: { seconds: number | null | undefined }) {
  const count = minutesOf(seconds);
  return <span className="meta num">{count === null ? '' : texts.tree.minutes(count)}</span>;
}
