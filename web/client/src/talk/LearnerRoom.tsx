import { useRef, useState } from 'react';
import type { ModuleEntry, ModulePage } from '../api';
import { useDebugDrawer } from '../debug/useDebug';
import { CourseNav } from '../lesson/CourseNav';
import { loadLesson } from '../lesson/LessonSheet';
import { useLoaded } from '../useLoaded';
import { media, useMediaQuery } from '../parts/useMediaQuery';
import { useDocumentTitle } from '../parts/useDocumentTitle';
import { RPC_SPEECH_STOP } from '../protocol';
import { modulePath } from '../router';
import { useMicrophoneProps } from '../rtc/useMicrophoneProps';
import { texts } from '../texts';
import { LessonPane } from './LessonPane';
import { RoomTopBar } from './RoomTopBar';
import { LatestTurn } from './LatestTurn';
import { RoomTab, type TabName } from './Tab';
import { TalkByPhase } from './TalkByPhase';
import { useTutor } from './tutor';
import { useCiteLinks } from './useCiteLinks';
import { useDrawer } from './useDrawer';
import { useLessonSync } from './useLessonSync';
import { useLessonFocus } from './useLessonFocus';
import { useLessonPlaces } from './useLessonPlaces';
import { useRoomKeys } from './useRoomKeys';
import { useTalk } from './useTalk';

interface LearnerRoomProps {
  courseId: string;
  page: ModulePage;
  modules: readonly ModuleEntry[];
}

/** The lesson and, next to it, the conversation about it. */
export function LearnerRoom({ courseId, page, modules }: LearnerRoomProps) {
  const { places, place, pathOf } = useLessonPlaces(courseId, page, modules);
  const lessonId = place?.lesson.id ?? null;
  const controls = useTalk(page, lessonId);
  const tutor = useTutor(controls.room);
  const microphone = useMicrophoneProps(controls);
  const [debug, toggleDebug] = useDebugDrawer(controls.room, tutor.participant, controls.sessionId);
  const lessonTrouble = useLessonSync({ page, controls, lessonId, pathOf });
  const [lesson, again] = useLoaded(lessonId, loadLesson(lessonId ?? ''));
  const [tab, setTab] = useState<TabName>('talk');
  const phone = useMediaQuery(media.phone);
  const drawer = useDrawer();
  const box = useRef<HTMLTextAreaElement>(null);
  const openModule = modules.find((module) => module.id === page.module.id) ?? page.module;
  const topic = place?.lesson.title ?? openModule.title;
  useDocumentTitle(place?.lesson.title ?? page.module.title);
  const { title, open } = useLessonFocus(lessonId, () => {
    drawer.hide();
    setTab('lesson');
  });
  const renderCite = useCiteLinks({ lesson, lessonId, places, pathOf, onShow: () => setTab('lesson') });
  useRoomKeys({
    onMute: () => microphone.connected && microphone.onToggle(),
    onStop: () => void controls.callTutor(RPC_SPEECH_STOP, {}),
    onWrite: () => {
      setTab('talk');
      requestAnimationFrame(() => box.current?.focus()); // after the tab is drawn
    },
    onEscape: () => drawer.shown && drawer.close(),
    onDebug: toggleDebug,
  });
  const talking = controls.phase === 'connecting' || controls.phase === 'live' || controls.phase === 'lost';

  return (
    <div className="room" data-tab={tab} data-nav={drawer.shown ? 'open' : undefined} ref={drawer.root}>
      <SkipLinks inert={drawer.shown} onTab={setTab} />
      <RoomTopBar page={page} courseId={courseId} module={openModule} title={topic} drawer={drawer} onOpen={open} />
      <div className="veil" onClick={drawer.close} />
      <CourseNav
        title={page.course.title}
        modules={modules}
        current={{ moduleId: page.module.id, lessonId }}
        progress={page.sessionType.courseProgress}
        hrefOf={(entry, module) => modulePath(courseId, module.id, entry.id)}
        onOpen={open}
        onClose={drawer.close}
      />
      <main className="both" inert={drawer.shown}>
        <div className="tabs" role="tablist" aria-label={texts.room.tabs}>
          <RoomTab name="lesson" tab={tab} onTab={setTab} label={texts.room.lessonTab} />
          <RoomTab name="talk" tab={tab} onTab={setTab} label={texts.room.talkTab} />
        </div>
        <section className="lesson" id="lesson" tabIndex={0} aria-label={texts.lesson.label} {...panelAttributes('lesson', phone)}>
          <LessonPane
            places={places}
            place={place}
            lesson={lesson}
            again={again}
            cites={controls.talk.cited?.cites ?? []}
            heading={title}
            pathOf={pathOf}
            onOpen={open}
          />
        </section>
        <section className="talk" id="talk" tabIndex={-1} aria-label={texts.talk.label} {...panelAttributes('talk', phone)}>
          <TalkByPhase
            page={page}
            controls={controls}
            tutor={tutor}
            microphone={microphone}
            box={box}
            renderCite={renderCite}
            lessonTrouble={lessonTrouble}
            topic={topic}
          />
        </section>
        {phone && talking ? (
          <LatestTurn newest={controls.talk.turns.at(-1) ?? null} microphone={microphone} renderCite={renderCite} />
        ) : null}
      </main>
      {debug}
    </div>
  );
}

/** On a phone, lesson and conversation are tab panels; otherwise plain regions. */
function panelAttributes(name: TabName, phone: boolean) {
  return phone ? { role: 'tabpanel', 'aria-labelledby': `tab-${name}` } : { role: 'region' };
}

function SkipLinks({ inert, onTab }: { inert: boolean; onTab: (tab: TabName) => void }) {
  return (
    <div className="skips" inert={inert}>
      <a className="skip" href="#lesson" onClick={() => onTab('lesson')}>
        {texts.room.skipLesson}
      </a>
      <a className="skip" href="#talk" onClick={() => onTab('talk')}>
        {texts.room.skipTalk}
      </a>
    </div>
  );
}
