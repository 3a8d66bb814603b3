import { useEffect } from 'react';
import { api, type CourseEntry, type CourseTree, type ModuleEntry } from '../api';
import { useLoaded, type Loaded } from '../load';
import { Icon } from '../parts/Icon';
import { LessonMark } from '../parts/LessonMark';
import { minutesOf } from '../parts/minutes';
import { TopBar } from '../parts/TopBar';
import { Trouble } from '../parts/Trouble';
import { useTitle } from '../parts/useTitle';
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
      <TopBar
        userName={me.state === 'ready' ? me.value.name : null}
        after={
          <button type="button" className="btn bare" onClick={() => void signOut()}>
            {texts.signOut}
          </button>
        }
      >
        <nav className="where" aria-label={texts.courses.main}>
          <a href="/" onClick={followLink} aria-current={courseId === null ? 'page' : undefined}>
            <b>{texts.courses.all}</b>
          </a>
        </nav>
      </TopBar>
      <main className="page" id="main" tabIndex={-1}>
        {courseId === null ? <CourseList courses={courses} /> : <Course key={courseId} id={courseId} />}
      </main>
    </>
  );
}

async function signOut() {
  await api.signOut().catch(() => undefined);
  navigate('/auth/signin');
}

function CourseList({ courses }: { courses: Loaded<CourseEntry[]> }) {
  useTitle(texts.titles.courses);
  return (
    <>
      <h1>{texts.courses.title}</h1>
      <Trouble loaded={courses} />
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

function Course({ id }: { id: string }) {
  const [loaded] = useLoaded(id, (signal) => api.course(id, signal));
  useTitle(loaded.state === 'ready' ? loaded.value.title : '');
  if (loaded.state !== 'ready') return <Trouble loaded={loaded} />;
  const course = loaded.value;
  const first = course.modules.find((module) => module.lessons.length > 0);
  return (
    <>
      <div className="course-head">
        <div>
          <h1>{course.title}</h1>
          {course.description ? <p className="quiet lead">{course.description}</p> : null}
        </div>
      </div>
      {first ? <Beginning course={course} module={first} /> : null}
      <section className="mods" aria-label={texts.courses.modules}>
        {course.modules.map((module, index) => (
          <Module key={module.id} course={course} module={module} number={index + 1} />
        ))}
      </section>
    </>
  );
}

function Beginning({ course, module }: { course: CourseTree; module: ModuleEntry }) {
  const lesson = module.lessons[0];
  if (!lesson) return null;
  return (
    <section className="resume" aria-labelledby="resume-kicker">
      <div>
        <p className="meta num" id="resume-kicker">
          {texts.lesson.kicker(1, minutesOf(lesson.duration))}
        </p>
        <h2>{lesson.title}</h2>
        <p className="quiet">{module.title}</p>
      </div>
      <a className="btn main big" href={modulePath(course.id, module.id, lesson.id)} onClick={followLink}>
        {texts.courses.start}
      </a>
    </section>
  );
}

interface ModuleProps {
  course: CourseTree;
  module: ModuleEntry;
  number: number;
}

function Module({ course, module, number }: ModuleProps) {
  return (
    <details className="mod-d" open>
      <summary>
        <Icon name="next" />
        <h2>
          {number}. {module.title}
        </h2>
        <span className="meta num">{texts.courses.lessons(module.lessons.length)}</span>
      </summary>
      {module.lessons.length === 0 ? <p className="quiet">{texts.courses.moduleEmpty}</p> : null}
      <ol className="rows">
        {module.lessons.map((lesson) => (
          <li key={lesson.id}>
            <LessonMark status={lesson.status ?? null} />
            <a href={modulePath(course.id, module.id, lesson.id)} onClick={followLink}>
              {lesson.title}
            </a>
            <Minutes seconds={lesson.duration} />
          </li>
        ))}
      </ol>
    </details>
  );
}

function Minutes({ seconds }: { seconds: number | null | undefined }) {
  const count = minutesOf(seconds);
  return count === null ? null : <span className="meta num">{texts.tree.minutes(count)}</span>;
}
