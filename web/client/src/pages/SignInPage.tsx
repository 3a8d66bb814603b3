import { api, type SignInOptions } from '../api';
import { BrandMark, ThemeButton } from '../account/TopBar';
import { LoadTrouble } from '../parts/Trouble';
import { useDocumentTitle } from '../parts/useDocumentTitle';
import { texts } from '../texts';
import { useLoaded } from '../useLoaded';
import { NameSignInForm } from './NameSignInForm';

interface SignInPageProps {
  /** where to go afterwards, as in the address: the server decides whether that is allowed */
  wanted: string;
  /** why the last sign-in failed; empty if it did not */
  trouble: string;
}

export function SignInPage({ wanted, trouble }: SignInPageProps) {
  const [options] = useLoaded(wanted, (signal) => api.signInOptions(wanted, signal));
  useDocumentTitle(texts.titles.signIn);
  return (
    <div className="gate">
      <header>
        <span className="brand">
          <BrandMark />
          {texts.brand}
        </span>
        <ThemeButton />
      </header>
      <main>
        <h1>{texts.signIn.title}</h1>
        <p className="quiet lead">{texts.signIn.lead}</p>
        {trouble ? (
          <p className="trouble" role="alert">
            {explainTrouble(trouble)}
          </p>
        ) : null}
        <LoadTrouble loaded={options} />
        {options.state === 'ready' ? <SignInWays options={options.value} /> : null}
      </main>
      <HillPicture />
    </div>
  );
}

function SignInWays({ options }: { options: SignInOptions }) {
  const start = `/auth/oidc/start?return_to=${encodeURIComponent(options.returnTo)}`;
  return (
    <>
      {options.provider ? (
        <p className="gate-form">
          <a className="btn main big wide" href={start}>
            {texts.signIn.atProvider}
          </a>
        </p>
      ) : null}
      {options.byName ? <NameSignInForm returnTo={options.returnTo} /> : null}
      {options.provider || options.byName ? null : <p>{texts.signIn.noWay}</p>}
    </>
  );
}

function explainTrouble(trouble: string): string {
  const known: Record<string, string> = texts.signIn.troubles;
  return known[trouble] ?? texts.signIn.troubles.failed;
}

function HillPicture() {
  return (
    <svg className="hill" viewBox="0 0 620 800" preserveAspectRatio="xMaxYMid slice" aria-hidden="true">
      <g fill="none" stroke="var(--rule-strong)" strokeWidth="1.25">
        <path d="M-10 150C120 150 170 560 330 600S520 420 640 160" />
        <path d="M-10 200C120 205 175 600 330 638S525 470 640 225" opacity=".6" />
        <path d="M-10 255C120 262 180 645 330 678S530 525 640 295" opacity=".42" />
        <path d="M-10 315C120 325 190 690 330 718S535 585 640 370" opacity=".3" />
        <path d="M-10 380C120 392 200 732 330 757S540 645 640 450" opacity=".2" />
      </g>
      <path
        d="M60 193L126 309L179 424L228 513L273 567L307 591L330 600"
        fill="none"
        stroke="var(--voice-line)"
        strokeWidth="2.5"
        strokeLinejoin="round"
        strokeLinecap="round"
      />
      <g fill="var(--voice-line)">
        <circle cx="60" cy="193" r="6" />
        <circle cx="126" cy="309" r="6" />
        <circle cx="179" cy="424" r="6" />
        <circle cx="228" cy="513" r="6" />
        <circle cx="273" cy="567" r="6" />
        <circle cx="307" cy="591" r="6" />
      </g>
      <circle cx="330" cy="600" r="9" fill="var(--paper)" stroke="var(--voice-line)" strokeWidth="3" />
    </svg>
  );
}
