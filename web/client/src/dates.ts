/** Dates and durations in the language of the texts and the reader's time zone. */
import { texts } from './texts';

const day = { day: 'numeric', month: 'short' } as const;
const longDay = { weekday: 'long', day: 'numeric', month: 'long' } as const;
const dayFormat = new Intl.DateTimeFormat(texts.locale, day);
const dayOfYearFormat = new Intl.DateTimeFormat(texts.locale, { ...day, year: 'numeric' });
const longDayFormat = new Intl.DateTimeFormat(texts.locale, longDay);
const longDayOfYearFormat = new Intl.DateTimeFormat(texts.locale, { ...longDay, year: 'numeric' });
const weekdayFormat = new Intl.DateTimeFormat(texts.locale, { weekday: 'long' });
const clockFormat = new Intl.DateTimeFormat(texts.locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** "3 Nov", or "3 Nov 2025" if that is not this year. */
export function formatDay(at: Date, now: Date): string {
  return (isSameYear(at, now) ? dayFormat : dayOfYearFormat).format(at);
}

/** "Monday 3 November", or "Monday 3 November 2025" if that is not this year. */
export function formatLongDay(at: Date, now: Date): string {
  return (isSameYear(at, now) ? longDayFormat : longDayOfYearFormat).format(at).replace(',', '');
}

export const formatClock = (at: Date) => clockFormat.format(at);

/** "today", "yesterday", "on Thursday", "on 3 Nov". */
export function formatAgo(at: Date, now: Date): string {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days <= 0) return texts.dates.today;
  if (days === 1) return texts.dates.yesterday;
  return texts.dates.on(days < 7 ? weekdayFormat.format(at) : formatDay(at, now));
}

/** Seconds as 2:14 or 1:02:03. */
export function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (part: number) => String(part).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const isSameYear = (at: Date, now: Date) => at.getFullYear() === now.getFullYear();

function midnight(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
