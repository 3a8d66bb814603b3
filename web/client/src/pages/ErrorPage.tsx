import { TopBar } from '../account/TopBar';
import { useDocumentTitle } from '../parts/useDocumentTitle';
import { followLink } from '../router';
import { texts } from '../texts';

export function ErrorPage({ reason }: { reason: string }) {
  const { reasons } = texts.error;
  const { title, body } = Object.hasOwn(reasons, reason)
    ? reasons[reason as keyof typeof reasons]
    : reasons.unknown;
  useDocumentTitle(title);
  return (
    <>
      <TopBar userName={null}>
        <span className="where" />
      </TopBar>
      <main className="page narrow stack">
        <h1>{title}</h1>
        <p className="quiet lead">{body}</p>
        <p className="row">
          <a className="btn main" href="/" onClick={followLink}>
            {texts.error.home}
          </a>
          {window.history.length > 1 ? (
            <button type="button" className="btn" onClick={() => window.history.back()}>
              {texts.error.again}
            </button>
          ) : null}
        </p>
      </main>
    </>
  );
}
