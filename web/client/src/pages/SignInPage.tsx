import { useState, type FormEvent } from 'react';
import { api, ApiError } from '../api';
import { explainFailure } from '../failures';
import { BrandMark, ThemeButton } from '../account/TopBar';
import { useTitle } from '../parts/useTitle';
import type { Role } from '../protocol';
import { navigate, safeReturnPath } from '../router';
import { texts } from '../texts';

const roles: readonly Role[] = ['learner', 'teacher', 'admin'];
const NAME_LIMIT = 80;

export function SignInPage({ returnTo }: { returnTo: string | null }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('learner');
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  useTitle(texts.titles.signIn);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return setTrouble(texts.signIn.nameMissing);
    setBusy(true);
    setTrouble('');
    try {
      await api.signIn(name.trim(), role);
      navigate(safeReturnPath(returnTo), { replace: true });
    } catch (error) {
      const refused = error instanceof ApiError && [401, 403, 404].includes(error.status);
      setTrouble(refused ? texts.signIn.refused : explainFailure(error));
      setBusy(false);
    }
  };

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
        <form className="gate-form" onSubmit={submit} noValidate>
          <div>
            <label className="lab" htmlFor="name">
              {texts.signIn.name}
            </label>
            <input
              className="input"
              id="name"
              autoComplete="name"
              maxLength={NAME_LIMIT}
              value={name}
              aria-invalid={trouble === texts.signIn.nameMissing}
              aria-describedby="sign-in-trouble"
              onChange={(event) => setName(event.target.value)}
            />
          </div>
          <fieldset>
            <legend className="lab">{texts.signIn.role}</legend>
            <div className="seg">
              {roles.map((option) => (
                <label key={option}>
                  <input
                    type="radio"
                    name="role"
                    value={option}
                    checked={role === option}
                    onChange={() => setRole(option)}
                  />
                  <span>{texts.signIn.roles[option]}</span>
                </label>
              ))}
            </div>
          </fieldset>
          <p className="trouble" id="sign-in-trouble" role="alert">
            {trouble}
          </p>
          <button type="submit" className="btn main big wide" disabled={busy}>
            {texts.signIn.submit}
          </button>
          <p className="meta">{texts.signIn.note}</p>
        </form>
      </main>
      <HillPicture />
    </div>
  );
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
