// Numbers, times and events in words. Times are shown in the reader's zone; due days are the library's.
import { settings } from "./query_api.js";

const numbers = new Intl.NumberFormat();
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  fractionalSecondDigits: 3, timeZoneName: "short",
});
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [
  ["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1],
];

export const number = (value) => numbers.format(value);

/** "1 copy", "12 copies". */
export const counted = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A time to the minute, in the reader's zone. */
export const moment = (time) => moments.format(new Date(time));

/** A time to the millisecond, with the zone. */
export const exactMoment = (time) => exact.format(new Date(time));

export const day = (time) => days.format(new Date(time));

/** The day on which a loan is due, as the library counts days; the zone is named where the reader's differs. */
export function dueDay(time) {
  const zone = settings.value?.timezone;
  if (!zone) return day(time);
  const text = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: zone }).format(new Date(time));
  return text === day(time) ? text : `${text} (${zone})`;
}

/** "3 days ago", "in 2 hours". */
export function fromNow(time, now = Date.now()) {
  const seconds = (new Date(time) - now) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return relative.format(Math.trunc(seconds / size), unit);
}

/** The reader's zone, for example Europe/Prague. */
export const readerZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** An ISBN in two groups: publishers' groups would need the registry's table of ranges. */
export const isbnText = (isbn) => `${isbn.slice(0, 3)}-${isbn.slice(3)}`;

/** The borrower in a loan, or in the data of an event. In a store that keeps names apart one may be forgotten. */
export const borrowerName = ({ user_id }) => user_id ?? "a forgotten borrower";

const EVENTS = {
  BookAdded: (data) => `Added with ${counted(data.quantity, "copy", "copies")}`,
  BookBorrowed: (data) => `Lent to ${borrowerName(data)}`,
  BookReturned: (data) => `Returned by ${borrowerName(data)}`,
  BookRemoved: () => "Removed from the inventory",
  CopiesAdded: (data) => `${counted(data.quantity, "copy", "copies")} added`,
  CopiesWithdrawn: (data) =>
    `${counted(data.quantity, "copy", "copies")} withdrawn${data.reason ? `: ${data.reason}` : ""}`,
  LoanRenewed: (data) => `Loan of ${borrowerName(data)} renewed until ${dueDay(data.due_at)}`,
  DetailsCorrected: (data) => `Corrected to “${data.title}”${data.author ? ` by ${data.author}` : ""}`,
};

/** The kinds of events that this page knows. */
export const EVENT_TYPES = Object.keys(EVENTS);

/** An event of a title as a sentence; one of an unknown kind by its name. */
export function eventSentence(event) {
  if (event.error) return `${event.type} (can't be read: ${event.error})`;
  return EVENTS[event.type]?.(event.data) ?? event.type;
}

/** "40 s", "3 min", "5 h", "2 days". */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${number(Math.round(seconds / 86_400))} days`;
}

/** Numbers in ascending order as "0–3, 6". */
export function spans(numbers) {
  const found = [];
  for (const one of numbers) {
    if (found.at(-1)?.[1] === one - 1) found.at(-1)[1] = one;
    else found.push([one, one]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
}
