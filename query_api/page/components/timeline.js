// A title's life on a time axis: copies on the shelf, every event, and a slider that travels.
import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { eventSentence, exactMoment } from "../format.js";
import { placeAt } from "../title_history.js";
import { ticks } from "./time_axis.js";

const CHART = 132; // Heights in px
const LANE = 12;
const AXIS = 22;
const EDGE = 10; // Half the slider's thumb: both axes agree
const TICK_WIDTH = 90;
const LANES = ["lent", "returned", "other"];
const LANE_OF = { BookBorrowed: "lent", BookReturned: "returned" };
const BIG_STEP = 10;

export const laneOf = (event) => LANE_OF[event.type] ?? "other";

/** `at` is the moment in ms, null is now; `onTravel(at)` goes to another. */
export function Timeline({ events, at, onTravel }) {
  const box = useRef(null);
  const width = useWidth(box);
  const from = events[0].at;
  const to = useMemo(() => Math.max(Date.now(), events.at(-1).at + 1, from + 1_000), [events]);
  const here = at === null ? to : Math.min(Math.max(at, from), to);
  const place = placeAt(events, here);
  const event = events[place];
  const scale = (width - 2 * EDGE) / (to - from);
  const x = (time) => EDGE + (time - from) * scale;
  const go = (time) => onTravel(time >= to - 1 / scale ? null : Math.max(from, Math.round(time)));

  const point = (move) => {
    if (move.type === "pointermove" && !move.buttons) return;
    if (move.type === "pointerdown") move.currentTarget.setPointerCapture(move.pointerId);
    go(from + (move.clientX - move.currentTarget.getBoundingClientRect().left - EDGE) / scale);
  };
  const press = (key) => {
    const target = keyTarget(key.key, events, at, place);
    if (target === undefined) return;
    key.preventDefault();
    onTravel(target);
  };
  const text = at === null ? "Now" : `${exactMoment(here)}${event ? `: ${eventSentence(event)}` : ""}`;

  return html`<div class="timeline" ref=${box}>
    <svg width=${width} height=${CHART + LANES.length * LANE + AXIS} role="img" aria-label="Copies on the shelf over time, and every event. The table has the same."
      onPointerDown=${point} onPointerMove=${point}>
      <${Drawing} events=${events} from=${from} to=${to} width=${width} />
      <g class="timeline-here" transform=${`translate(${x(here)})`}>
        <line y1="0" y2=${CHART + LANES.length * LANE} />
      </g>
    </svg>
    <input type="range" class="travel" aria-label="Moment" aria-valuetext=${text} min=${from} max=${to} step="1" value=${here}
      onInput=${(input) => go(Number(input.target.value))} onKeyDown=${press} />
  </div>`;
}

/** Where a key of the slider leads: a time, null for now, undefined for another key. */
function keyTarget(key, events, at, place) {
  const last = events.length - 1;
  const back = (count) => {
    let next = Math.max(0, at === null ? last - count + 1 : events[place]?.at < at ? place - count + 1 : place - count);
    // Events of one moment are one step
    while (count === 1 && next > 0 && at !== null && events[next].at >= at) next -= 1;
    return events[next].at;
  };
  const forward = (count) => (at === null || place + count > last ? null : events[place + count].at);
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return back(1);
    case "ArrowRight":
    case "ArrowUp":
      return forward(1);
    case "PageDown":
      return back(BIG_STEP);
    case "PageUp":
      return forward(BIG_STEP);
    case "Home":
      return events[0].at;
    case "End":
      return null;
    default:
      return undefined;
  }
}

/** What does not change while one travels. */
function Drawing({ events, from, to, width }) {
  return useMemo(() => {
    const scale = (width - 2 * EDGE) / (to - from);
    const x = (time) => EDGE + (time - from) * scale;
    const most = events.reduce((highest, { quantity }) => Math.max(highest, quantity), 1);
    const y = (copies) => CHART - 4 - (copies / most) * (CHART - 22);
    const shelf = steps(events, x, y, "available", to);
    const owned = steps(events, x, y, "quantity", to);
    return html`<g class="timeline-drawing">
      <line class="timeline-base" x1=${EDGE} x2=${width - EDGE} y1=${y(0)} y2=${y(0)} />
      <path class="timeline-area" d=${`${shelf}V${y(0)}H${x(from)}Z`} /><path class="timeline-owned" d=${owned} /><path class="timeline-shelf" d=${shelf} />
      <text class="timeline-most" x=${EDGE} y="12">${most} ${most === 1 ? "copy" : "copies"}</text>
      ${LANES.map((lane, row) => html`<path key=${lane} class="timeline-${lane}" d=${marks(events, lane, x, CHART + row * LANE + 2)} />`)}
      ${ticks(from, to, width / TICK_WIDTH).map(({ at, text }) => {
        const place = x(at);
        const anchor = place < 40 ? "start" : place > width - 40 ? "end" : "middle";
        return html`<g key=${at} class="timeline-tick"><line x1=${place} x2=${place} y1="0" y2=${CHART + LANES.length * LANE} />
          <text x=${place} y=${CHART + LANES.length * LANE + 16} text-anchor=${anchor}>${text}</text></g>`;
      })}
    </g>`;
  }, [events, width, from, to]);
}

/** A line that steps at each event; of the events within half a pixel the last counts. */
function steps(events, x, y, field, to) {
  const parts = [`M${x(events[0].at).toFixed(1)},${y(events[0][field]).toFixed(1)}`];
  for (const [place, event] of events.entries()) {
    const next = events[place + 1];
    if (next && x(next.at) - x(event.at) < 0.5 && place) continue;
    parts.push(`H${x(event.at).toFixed(1)}V${y(event[field]).toFixed(1)}`);
  }
  return `${parts.join("")}H${x(to).toFixed(1)}`;
}

/** A mark for every pixel of a lane that has an event. */
function marks(events, lane, x, y) {
  const columns = new Set();
  for (const event of events) if (laneOf(event) === lane) columns.add(Math.round(x(event.at)));
  return [...columns].map((column) => `M${column},${y}v${LANE - 4}`).join("");
}

function useWidth(box) {
  const [width, setWidth] = useState(600);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(200, Math.floor(entry.contentRect.width))));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return width;
}
