import { useCallback, useEffect, useMemo, useRef, useState, type MouseEvent } from 'react';
import { api, ApiError, type ModuleEntry, type ModulePage } from '../api';
import { useDebug } from '../debug/useDebug';
import { useLoaded } from '../load';
import { Icon } from '../parts/Icon';
import { TopBar } from '../parts/TopBar';
import { Trouble } from '../parts/Trouble';
import { media, useMedia } from '../parts/useMedia';
import { useTitle } from '../parts/useTitle';
import { Waiting } from '../parts/Waiting';
import { RPC_SPEECH_STOP } from '../protocol';
import type { Cite } from '../room/captions';
import { CourseNav } from '../room/CourseNav';
import { LessonSheet, loadLesson } from '../room/LessonSheet';
import { passageAnchor } from '../room/Passage';
import { findPlace, moduleOf, toPlaces } from '../room/places';
import { Strip } from '../room/Strip';
import { Tab, type TabName } from '../room/Tab';
import { TalkPanel, useMicrophone } from '../room/TalkPanel';
import { useTutor } from '../room/tutor';
import { useLesson } from '../room/useLesson';
import { useRoomKeys } from '../room/useRoomKeys';
import { useTalk } from '../room/useTalk';
import { followLink, modulePath, navigate, useAddress } from '../router';
import { texts } from '../texts';
import { ErrorPage } from './ErrorPage';

interface RoomPageProps {
  courseId: string;
  moduleId: string;
}

/** Loads what the room needs; the lesson of the address counts for this first call only. */
export default function RoomPage({ courseId, moduleId }: RoomPageProps) {
  const [firstLesson] = useState(() => new URL(window.location.href).searchParams.get('lesson'));
  const [page, again] = useLoaded('page', (signal) => api.modulePage(courseId, moduleId, firstLesson, signal));
  const [course] = useLoaded('course', (signal) => api.course(courseId, signal));
  const noMedia = page.state === 'failed' && page.error instanceof ApiError && page.error.status === 503;
  useEffect(() => {
    if (noMedia) navigate('/error?reason=livekit_token_failed');
  }, [noMedia]);
  if (page.state === 'loading' || noMedia) return <Waiting />;
  if (page.state === 'failed') {
    if (page.error instanceof ApiError && page.error.status === 404) return <ErrorPage reason="not_found" />;
    return (
      <main className="page narrow stack">
        <Trouble loaded={page} />
        <button type="button" className="btn" onClick={again}>
          {texts.error.again}
        </button>
      </main>
    );
  }
  const modules = course.state === 'ready' ? course.value.modules : [page.value.module];
  return <LearnerRoom courseId={courseId} page={page.value} modules={modules} />;
}

interface LearnerRoomProps {
  courseId: string;
  page: ModulePage;
  modules: readonly ModuleEntry[];
}

function LearnerRoom({ courseId, page, modules }: LearnerRoomProps) {
  const address = useAddress();
  const places = useMemo(() => toPlaces(modules), [modules]);
  const asked = address.searchParams.get('lesson');
  const place = findPlace(places, page, asked);
  const lessonId = place?.lesson.id ?? null;
  const pathOf = useCallback(
    (id: string) => modulePath(courseId, moduleOf(places, id) ?? page.module.id, id),
    [courseId, page, places],
  );

  const controls = useTalk(page, lessonId);
  const tutor = useTutor(controls.room);
  const microphone = useMicrophone(controls);
  const [debug, toggleDebug] = useDebug(controls.room, tutor, page.sessionId);
  const lessonTrouble = useLesson({ page, controls, lessonId, pathOf });
  const [lesson, again] = useLoaded(lessonId, loadLesson(lessonId ?? ''));

  const [tab, setTab] = useState<TabName>('talk');
  const [navOpen, setNavOpen] = useState(false);
  const narrow = useMedia(media.drawer);
  const phone = useMedia(media.phone);
  const drawer = narrow && navOpen;
  const root = useRef<HTMLDivElement>(null);
  const menu = useRef<HTMLButtonElement>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  useTitle(place?.lesson.title ?? page.module.title);

  const closeNav = useCallback(() => {
    setNavOpen(false);
    menu.current?.focus();
  }, []);
  useEffect(() => {
    if (drawer) root.current?.querySelector<HTMLElement>('.tree .close button')?.focus();
  }, [drawer]);

  const chosen = useRef(false);
  const open = (event: MouseEvent<HTMLAnchorElement>) => {
    followLink(event);
    if (!event.defaultPrevented) return;
    chosen.current = true;
    setNavOpen(false);
    setTab('lesson');
  };
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

  const numbers = useRef(new Map<string, number>());
  if (lesson.state === 'ready') {
    for (const passage of lesson.value.passages) numbers.current.set(passage.id, passage.number);
  }
  const showCite = (cite: Cite) => {
    setTab('lesson');
    if (cite.lessonId !== lessonId) return navigate(pathOf(cite.lessonId));
    const number = numbers.current.get(cite.passageId);
    // after the tab has been drawn
    requestAnimationFrame(() => {
      document.getElementById(passageAnchor(number ?? 1))?.scrollIntoView({ block: 'center' });
    });
  };
  const renderCite = (cite: Cite) => {
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
          showCite(cite);
        }}
      >
        {here ? texts.talk.passage(number) : (other ?? texts.talk.elsewherePassage)}
      </a>
    );
  };

  const talking = controls.phase === 'connecting' || controls.phase === 'live' || controls.phase === 'lost';
  useRoomKeys({
    onMute: () => microphone.connected && microphone.onToggle(),
    onStop: () => void controls.tell(RPC_SPEECH_STOP, {}),
    onWrite: () => {
      setTab('talk');
      requestAnimationFrame(() => box.current?.focus());
    },
    onEscape: () => drawer && closeNav(),
    onDebug: toggleDebug,
  });

  const cites = controls.talk.cited?.cites ?? [];
  const index = place ? places.indexOf(place) : -1;
  const openModule = modules.find((module) => module.id === page.module.id) ?? page.module;
  const panel = (name: TabName) =>
    phone ? { role: 'tabpanel', 'aria-labelledby': `tab-${name}` } : { role: 'region' };

  return (
    <div className="room" data-tab={tab} data-nav={drawer ? 'open' : undefined} ref={root}>
      <div className="skips" inert={drawer}>
        <a className="skip" href="#lesson" onClick={() => setTab('lesson')}>
          {texts.room.skipLesson}
        </a>
        <a className="skip" href="#talk" onClick={() => setTab('talk')}>
          {texts.room.skipTalk}
        </a>
      </div>
      <TopBar
        userName={page.userName}
        inert={drawer}
        before={
          <button
            type="button"
            className="btn bare square menu-btn"
            aria-label={texts.room.menu}
            aria-expanded={drawer}
            onClick={() => setNavOpen(true)}
            ref={menu}
          >
            <Icon name="menu" />
          </button>
        }
      >
        <div className="where">
          <a href={`/?course=${encodeURIComponent(page.course.id)}`} onClick={followLink}>
            {page.course.title}
          </a>
          <span className="sep" aria-hidden="true">
            /
          </span>
          <a href={modulePath(courseId, page.module.id)} onClick={open}>
            {openModule.title}
          </a>
          <span className="sep" aria-hidden="true">
            /
          </span>
          <h1>{place?.lesson.title ?? openModule.title}</h1>
        </div>
      </TopBar>
      <div className="veil" onClick={closeNav} />
      <CourseNav
        title={page.course.title}
        modules={modules}
        current={{ moduleId: page.module.id, lessonId }}
        progress={page.sessionType.courseProgress}
        hrefOf={(entry, module) => modulePath(courseId, module.id, entry.id)}
        onOpen={open}
        onClose={closeNav}
      />
      <main className="both" inert={drawer}>
        <div className="tabs" role="tablist" aria-label={texts.room.tabs}>
          <Tab name="lesson" tab={tab} onTab={setTab} label={texts.room.lessonTab} />
          <Tab name="talk" tab={tab} onTab={setTab} label={texts.room.talkTab} />
        </div>
        <section className="lesson" id="lesson" tabIndex={0} aria-label={texts.lesson.label} {...panel('lesson')}>
          {place ? (
            <LessonSheet
              ref={title}
              entry={place.lesson}
              number={lesson.state === 'ready' ? lesson.value.number : place.number}
              loaded={lesson}
              again={again}
              cites={cites.filter((cite) => cite.lessonId === lessonId)}
              back={places[index - 1]?.lesson ?? null}
              next={places[index + 1]?.lesson ?? null}
              hrefOf={(entry) => pathOf(entry.id)}
              onTurn={open}
            />
          ) : (
            <p className="quiet">{texts.courses.moduleEmpty}</p>
          )}
        </section>
        <section className="talk" id="talk" tabIndex={-1} aria-label={texts.talk.label} {...panel('talk')}>
          <TalkPanel
            controls={controls}
            tutor={tutor}
            microphone={microphone}
            box={box}
            renderCite={renderCite}
            lessonTrouble={lessonTrouble}
            topic={place?.lesson.title ?? openModule.title}
          />
        </section>
        {phone && talking ? (
          <Strip newest={controls.talk.turns.at(-1) ?? null} microphone={microphone} renderCite={renderCite} />
        ) : null}
      </main>
      {debug}
    </div>
  );
}
