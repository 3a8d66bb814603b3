import { useEffect, useState, type ReactNode } from 'react';
import { Icon } from '../parts/Icon';
import { followLink } from '../router';
import { texts } from '../texts';
import { applyAndRememberTheme, otherTheme } from '../theme';
import { SettingsPanel } from './SettingsPanel';
import { applyAndSaveSettings, loadAccountSettings } from './accountSettings';

export function BrandMark() {
  return (
    <svg viewBox="0 0 26 26" aria-hidden="true">
      <path className="sun" d="M6.5 14.5a6.5 6.5 0 0 1 13 0z" />
      <path className="page" d="M2.5 19.5c4-1.8 8-1.4 10.5.8 2.5-2.2 6.5-2.6 10.5-.8" />
    </svg>
  );
}

/** `keep` also stores the theme in the account. */
export function ThemeButton({ keep = false }: { keep?: boolean }) {
  const toggle = () => {
    const theme = otherTheme();
    // if it can't be stored, it still applies in this browser
    if (keep) applyAndSaveSettings({ theme }).catch(() => applyAndRememberTheme(theme));
    else applyAndRememberTheme(theme);
  };
  return (
    <button type="button" className="btn bare square theme" aria-label={texts.theme} onClick={toggle}>
      <Icon name="theme" />
    </button>
  );
}

function SettingsButton() {
  const [open, setOpen] = useState(false);
  useEffect(loadAccountSettings, []);
  return (
    <>
      <button
        type="button"
        className="btn bare square"
        aria-label={texts.settings.open}
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        <Icon name="gear" />
      </button>
      {open ? <SettingsPanel onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function SignedInName({ name }: { name: string }) {
  return (
    <span className="who">
      <span className="initial" aria-hidden="true">
        {[...name.trim()][0]?.toUpperCase() ?? ''}
      </span>
      <span className="name">{name}</span>
    </span>
  );
}

interface TopBarProps {
  before?: ReactNode;
  children: ReactNode;
  userName: string | null;
  inert?: boolean;
}

export function TopBar({ before, children, userName, inert = false }: TopBarProps) {
  return (
    <header className="top" inert={inert}>
      {before}
      <a className="brand" href="/" onClick={followLink} aria-label={texts.brandHome}>
        <BrandMark />
        <span className="word">{texts.brand}</span>
      </a>
      {children}
      <ThemeButton keep={userName !== null} />
      {userName ? <SettingsButton /> : null}
      {userName ? <SignedInName name={userName} /> : null}
    </header>
  );
}
