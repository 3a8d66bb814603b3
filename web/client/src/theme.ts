/** Light or dark: follows the system until the learner chooses. Also kept in this browser. */
export type Theme = 'light' | 'dark' | 'system';

const KEY = 'bodh.theme';

export function applyStoredTheme(): void {
  const stored = read();
  if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
}

export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // no storage: the choice lasts until the page is closed
  }
}

/** The opposite of what is shown. */
export function otherTheme(): Theme {
  return getComputedStyle(document.documentElement).colorScheme === 'dark' ? 'light' : 'dark';
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
