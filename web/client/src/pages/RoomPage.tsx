import { useEffect, useState } from 'react';
import { api, ApiError } from '../api';
import { useLoaded } from '../useLoaded';
import { LoadTrouble } from '../parts/Trouble';
import { Waiting } from '../parts/Waiting';
import { navigate } from '../router';
import { LearnerRoom } from '../talk/LearnerRoom';
import { texts } from '../texts';
import { ErrorPage } from './ErrorPage';

interface RoomPageProps {
  courseId: string;
  moduleId: string;
}

/** Loads what the room needs. The lesson in the address only matters for this first request. */
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
        <LoadTrouble loaded={page} />
        <button type="button" className="btn" onClick={again}>
          {texts.error.again}
        </button>
      </main>
    );
  }
  const modules = course.state === 'ready' ? course.value.modules : [page.value.module];
  return <LearnerRoom courseId={courseId} page={page.value} modules={modules} />;
}
