/** Light or dark: follows the system until the learner chooses. Also kept in this browser. */
export type Theme = 'light' | 'dark' | 'system';

const STORAGE_KEY = 'bodh.theme';

export function applyStoredTheme(): void {
  const stored = readStoredTheme();
  if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
}

export function applyAndRememberTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === 'system') localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, theme);
  } catch {
    // no storage: the choice lasts until the page is closed
  }
}

/** The opposite of what is shown. */
export function otherTheme(): Theme {
  return getComputedStyle(document.documentElement).colorScheme === 'dark' ? 'light' : 'dark';
}

function readStoredTheme(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
