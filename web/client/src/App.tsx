import { lazy, Suspense } from 'react';
import { CoursesPage } from './pages/CoursesPage';
import { ErrorPage } from './pages/ErrorPage';
import { SignInPage } from './pages/SignInPage';
import { TranscriptPage } from './pages/TranscriptPage';
import { TranscriptsPage } from './pages/TranscriptsPage';
import { Waiting } from './parts/Waiting';
import { matchModule, matchTranscript, useAddress } from './router';

// loaded on demand: livekit-client is large, and sign-in and courses don't need it
const RoomPage = lazy(() => import('./pages/RoomPage'));

export function App() {
  const address = useAddress();
  const module = matchModule(address.pathname);
  if (module) {
    return (
      <Suspense fallback={<Waiting />}>
        <RoomPage key={`${module.courseId} ${module.moduleId}`} {...module} />
      </Suspense>
    );
  }
  const session = matchTranscript(address.pathname);
  if (session === '') return <TranscriptsPage />;
  if (session !== null) return <TranscriptPage key={session} sessionId={session} />;
  switch (address.pathname) {
    case '/':
      return <CoursesPage courseId={address.searchParams.get('course')} />;
    case '/auth/signin':
      return <SignInPage wanted={returnAddress(address)} trouble={address.searchParams.get('trouble') ?? ''} />;
    case '/error':
      return <ErrorPage reason={address.searchParams.get('reason') ?? 'unknown'} />;
    default:
      return <ErrorPage reason="not_found" />;
  }
}

/** Where the sign-in page goes afterwards; other sites link to it with `callbackUrl`. */
function returnAddress(address: URL): string {
  return address.searchParams.get('return_to') ?? address.searchParams.get('callbackUrl') ?? '';
}
