import { useState, type FormEvent } from 'react';
import { api, ApiError } from '../api';
import { forgetAccountSettings } from '../account/accountSettings';
import { forgetConsents } from '../account/consents';
import { explainFailure } from '../failures';
import type { Role } from '../protocol';
import { openPage } from '../router';
import { texts } from '../texts';

const roles: readonly Role[] = ['learner', 'teacher', 'admin'];
const NAME_LIMIT = 80;

/** Sign-in by name alone, in development. */
export function NameSignInForm({ returnTo }: { returnTo: string }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('learner');
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return setTrouble(texts.signIn.nameMissing);
    setBusy(true);
    setTrouble('');
    try {
      await api.signIn(name.trim(), role);
      forgetAccountSettings(); // somebody else may have been signed out here
      forgetConsents();
      openPage(returnTo);
    } catch (error) {
      setTrouble(explainRefusal(error));
      setBusy(false);
    }
  };

  return (
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
  );
}

function explainRefusal(error: unknown): string {
  if (error instanceof ApiError && error.code === 'blocked') return texts.signIn.troubles.blocked;
  const refused = error instanceof ApiError && [401, 403, 404].includes(error.status);
  return refused ? texts.signIn.refused : explainFailure(error);
}
