/** Dates and durations in the language of the texts and the reader's time zone. */
import { texts } from './texts';

const day = new Intl.DateTimeFormat(texts.locale, { day: 'numeric', month: 'short' });
const longDay = new Intl.DateTimeFormat(texts.locale, { weekday: 'long', day: 'numeric', month: 'long' });
const weekday = new Intl.DateTimeFormat(texts.locale, { weekday: 'long' });
const clock = new Intl.DateTimeFormat(texts.locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

export const dayOf = (at: Date) => day.format(at);
export const longDayOf = (at: Date) => longDay.format(at).replace(',', '');
export const clockOf = (at: Date) => clock.format(at);

/** "today", "yesterday", "on Thursday", "on 3 Nov". */
export function agoOf(at: Date, now: Date): string {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days <= 0) return texts.dates.today;
  if (days === 1) return texts.dates.yesterday;
  return texts.dates.on(days < 7 ? weekday.format(at) : dayOf(at));
}

/** Seconds as 2:14 or 1:02:03. */
export function timeOf(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (part: number) => String(part).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function midnight(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
