// A time axis: where round times are, and how to write them.
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTH = 30.44 * DAY;
const STEPS = [
  SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY,
  MONTH, 3 * MONTH, 6 * MONTH, 12 * MONTH, 24 * MONTH, 60 * MONTH, 120 * MONTH,
];

/** Round times between `from` and `to` (ms), at most `most`, as `{at, text}`. */
export function ticks(from, to, most) {
  const step = STEPS.find((size) => (to - from) / size <= most) ?? STEPS.at(-1);
  const format = formatOf(step, from, to);
  const found = [];
  for (let at = firstTick(from, step); at <= to && found.length <= most; at = nextTick(at, step)) {
    if (at >= from) found.push({ at, text: format.format(at) });
  }
  return found;
}

function firstTick(from, step) {
  const start = new Date(from);
  if (step >= MONTH) {
    const months = Math.round(step / MONTH);
    const count = start.getFullYear() * 12 + start.getMonth();
    return new Date(0, 0, 1).setFullYear(0, count - (count % months), 1);
  }
  const midnight = new Date(start.getFullYear(), start.getMonth(), start.getDate()).getTime();
  return step >= DAY ? midnight : midnight + Math.floor((from - midnight) / step) * step;
}

function nextTick(at, step) {
  const here = new Date(at);
  if (step >= MONTH) return here.setMonth(here.getMonth() + Math.round(step / MONTH));
  // Days have 23 or 25 hours when the clocks change
  return step >= DAY ? here.setDate(here.getDate() + Math.round(step / DAY)) : at + step;
}

function formatOf(step, from, to) {
  if (step >= 12 * MONTH) return new Intl.DateTimeFormat(undefined, { year: "numeric" });
  if (step >= MONTH) return new Intl.DateTimeFormat(undefined, { month: "short", year: "2-digit" });
  if (step >= DAY) return new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  const day = to - from > DAY ? { day: "numeric", month: "short" } : {};
  return new Intl.DateTimeFormat(undefined, { ...day, hour: "2-digit", minute: "2-digit", ...(step < MINUTE && { second: "2-digit" }) });
}
