import type { ReactNode } from 'react';
import { followLink } from '../router';
import { texts } from '../texts';
import { toggleTheme } from '../theme';
import { Icon } from './Icon';

export function BrandMark() {
  return (
    <svg viewBox="0 0 26 26" aria-hidden="true">
      <path className="sun" d="M6.5 14.5a6.5 6.5 0 0 1 13 0z" />
      <path className="page" d="M2.5 19.5c4-1.8 8-1.4 10.5.8 2.5-2.2 6.5-2.6 10.5-.8" />
    </svg>
  );
}

export function ThemeButton() {
  return (
    <button type="button" className="btn bare square theme" aria-label={texts.theme} onClick={toggleTheme}>
      <Icon name="theme" />
    </button>
  );
}

export function Who({ name }: { name: string }) {
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
  after?: ReactNode;
}

export function TopBar({ before, children, userName, inert = false, after }: TopBarProps) {
  return (
    <header className="top" inert={inert}>
      {before}
      <a className="brand" href="/" onClick={followLink} aria-label={texts.brandHome}>
        <BrandMark />
        <span className="word">{texts.brand}</span>
      </a>
      {children}
      <ThemeButton />
      {userName ? <Who name={userName} /> : null}
      {after}
    </header>
  );
}
