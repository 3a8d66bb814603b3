import { useEffect } from 'react';
import {
  api,
  type CourseEntry,
  type CourseProgress,
  type CourseTree,
  type LastLesson,
  type LessonEntry,
  type ModuleEntry,
} from '../api';
import { formatAgo, formatDuration } from '../dates';
import { useLoaded, type Loaded } from '../useLoaded';
import { Icon } from '../parts/Icon';
import { LessonMark } from '../parts/LessonMark';
import { MainNav } from '../parts/MainNav';
import { minutesOf } from '../parts/minutes';
import { TopBar } from '../account/TopBar';
import { LoadTrouble } from '../parts/Trouble';
import { useDocumentTitle } from '../parts/useDocumentTitle';
import { followLink, modulePath, navigate } from '../router';
import { texts } from '../texts';

const coursePath = (id: string) => `/?course=${encodeURIComponent(id)}`;

export function CoursesPage({ courseId }: { courseId: string | null }) {
  const [me] = useLoaded('me', (signal) => api.me(signal));
  const [courses] = useLoaded('courses', async (signal) => (await api.courses(signal)).courses);
  const only = courses.state === 'ready' && courses.value.length === 1 ? courses.value[0] : undefined;
  useEffect(() => {
    if (courseId === null && only) navigate(coursePath(only.id), { replace: true });
  }, [courseId, only]);
  return (
    <>
      <a className="skip" href="#main">
        {texts.courses.skip}
      </a>
      <TopBar userName={me.state === 'ready' ? me.value.name : null}>
        <MainNav here="/" />
      </TopBar>
      <main className="page" id="main" tabIndex={-1}>
        {courseId === null ? <CourseList courses={courses} /> : <CourseOverview key={courseId} id={courseId} />}
      </main>
    </>
  );
}

function CourseList({ courses }: { courses: Loaded<CourseEntry[]> }) {
  useDocumentTitle(texts.titles.courses);
  return (
    <>
      <h1>{texts.courses.title}</h1>
      <LoadTrouble loaded={courses} />
      {courses.state === 'ready' && courses.value.length === 0 ? (
        <div className="stack">
          <p>{texts.courses.none}</p>
          <p className="meta">{texts.courses.noneHint}</p>
        </div>
      ) : null}
      {courses.state === 'ready' ? (
        <ul className="shelf-list">
          {courses.value.map((course) => (
            <li key={course.id}>
              <a href={coursePath(course.id)} onClick={followLink}>
                <span>{course.title}</span>
                <Icon name="next" />
              </a>
            </li>
          ))}
        </ul>
      ) : null}
    </>
  );
}

function CourseOverview({ id }: { id: string }) {
  const [loaded] = useLoaded(id, (signal) => api.course(id, signal));
  useDocumentTitle(loaded.state === 'ready' ? loaded.value.title : '');
  if (loaded.state !== 'ready') return <LoadTrouble loaded={loaded} />;
  const course = loaded.value;
  const places = course.modules.flatMap((module) => module.lessons.map((lesson) => ({ module, lesson })));
  const at = places.findIndex(({ lesson }) => lesson.id === course.last?.lessonId);
  const place = places[Math.max(0, at)];
  return (
    <>
      <div className="course-head">
        <div>
          <h1>{course.title}</h1>
          {course.description ? <p className="quiet lead">{course.description}</p> : null}
        </div>
        <ProgressSummary {...course.progress} />
      </div>
      {place ? (
        <ResumeCourseLink course={course} {...place} number={Math.max(0, at) + 1} last={at < 0 ? null : course.last} />
      ) : null}
      <section className="mods" aria-label={texts.courses.modules}>
        {course.modules.map((module, index) => (
          <ModuleLessons
            key={module.id}
            course={course}
            module={module}
            number={index + 1}
            startOpen={module === place?.module}
          />
        ))}
      </section>
    </>
  );
}

function ProgressSummary({ completedLessons, totalLessons }: CourseProgress) {
  const part = totalLessons ? (100 * completedLessons) / totalLessons : 0;
  return (
    <p className="sum">
      <b className="num">{texts.courses.percent(part)}</b>
      <span className="bar">
        <i style={{ inlineSize: `${part}%` }} />
      </span>
      <span className="meta num">{texts.courses.doneLessons(completedLessons, totalLessons)}</span>
    </p>
  );
}

interface ResumeCourseLinkProps {
  course: CourseTree;
  module: ModuleEntry;
  lesson: LessonEntry;
  /** position of the lesson in the course, from 1 */
  number: number;
  last: LastLesson | null;
}

/** A link to where the learner left off, or to the first lesson. */
function ResumeCourseLink({ course, module, lesson, number, last }: ResumeCourseLinkProps) {
  return (
    <section className="resume" aria-labelledby="resume-kicker">
      <div>
        <p className="meta num" id="resume-kicker">
          {last ? describeLastVisit(number, last) : texts.lesson.kicker(number, minutesOf(lesson.duration))}
        </p>
        <h2>{lesson.title}</h2>
        <p className="quiet">{module.title}</p>
      </div>
      <a className="btn main big" href={modulePath(course.id, module.id, lesson.id)} onClick={followLink}>
        {last ? texts.courses.resume : texts.courses.start}
      </a>
    </section>
  );
}

function describeLastVisit(number: number, { lastAccessedAt, lastPosition }: LastLesson): string {
  const when = formatAgo(new Date(lastAccessedAt), new Date());
  return texts.courses.stopped(number, when, lastPosition >= 1 ? formatDuration(lastPosition) : null);
}

interface ModuleLessonsProps {
  course: CourseTree;
  module: ModuleEntry;
  number: number;
  startOpen: boolean;
}

function ModuleLessons({ course, module, number, startOpen }: ModuleLessonsProps) {
  const done = module.lessons.filter((lesson) => lesson.status === 'completed').length;
  return (
    <details className="mod-d" open={startOpen}>
      <summary>
        <Icon name="next" />
        <h2>
          {number}. {module.title}
        </h2>
        <span className="meta num">{texts.courses.doneInModule(done, module.lessons.length)}</span>
      </summary>
      {module.lessons.length === 0 ? <p className="quiet">{texts.courses.moduleEmpty}</p> : null}
      <ol className="rows">
        {module.lessons.map((lesson) => (
          <li key={lesson.id} className={lesson.id === course.last?.lessonId ? 'now' : undefined}>
            <LessonMark status={lesson.status ?? null} />
            <a href={modulePath(course.id, module.id, lesson.id)} onClick={followLink}>
              {lesson.title}
            </a>
            <LessonMinutes seconds={lesson.duration} />
          </li>
        ))}
      </ol>
    </details>
  );
}

function LessonMinutes({ seconds }: { seconds: number | null }) {
  const count = minutesOf(seconds);
  return count === null ? null : <span className="meta num">{texts.tree.minutes(count)}</span>;
}
