// The events of a title in a table, newest first; rows expand in place.
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { counted, eventSentence, exactMoment, moment } from "../format.js";
import { get, QueryError } from "../query_api.js";
import { laneOf } from "./timeline.js";
import { ErrorNote } from "./states.js";

const PAGE_ROWS = 50;

/** `marked` is the place of the event to mark, -1 for none; `onTravel(at)` goes to the moment of an event. */
export function EventTable({ events, marked, onTravel }) {
  const [page, setPage] = useState(0);
  const [open, setOpen] = useState(new Set());
  const last = Math.max(0, Math.ceil(events.length / PAGE_ROWS) - 1);
  useEffect(() => {
    if (marked >= 0) setPage(Math.floor((events.length - 1 - marked) / PAGE_ROWS));
  }, [marked]);
  const toggle = (version) => {
    const next = new Set(open);
    if (!next.delete(version)) next.add(version);
    setOpen(next);
  };
  const end = events.length - Math.min(page, last) * PAGE_ROWS;
  const rows = events.slice(Math.max(0, end - PAGE_ROWS), end).reverse();
  return html`<div class="panel event-panel">
    <table class="event-table"><caption class="visually-hidden">Events of this title, newest first</caption>
      <thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col" class="event-who">Who</th><th scope="col" class="event-number">On the shelf</th></tr></thead>
      ${rows.map((event) => html`<${EventRow} key=${event.version} event=${event} marked=${events[marked] === event}
        open=${open.has(event.version)} toggle=${() => toggle(event.version)} onTravel=${onTravel} />`)}
    </table>
    ${last > 0 && html`<nav class="pager" aria-label="Pages of events">
      <button type="button" disabled=${page <= 0} onClick=${() => setPage(page - 1)}>Newer</button>
      <span class="quiet">${counted(events.length, "event")}, page ${page + 1} of ${last + 1}</span>
      <button type="button" disabled=${page >= last} onClick=${() => setPage(page + 1)}>Older</button>
    </nav>`}
  </div>`;
}

function EventRow({ event, marked, open, toggle, onTravel }) {
  const detail = `event-${event.version}`;
  return html`<tbody class=${marked ? "marked" : ""}>
    <tr aria-current=${marked ? "true" : undefined}>
      <td><button type="button" class="event-time" onClick=${() => onTravel(event.at)} title="Show the title as it was then"><time datetime=${event.time}>${moment(event.at)}</time></button></td>
      <td><button type="button" class="event-what" aria-expanded=${open} aria-controls=${detail} onClick=${toggle}>
        <span class="event-mark mark-${laneOf(event)}" aria-hidden="true"></span><bdi>${eventSentence(event)}</bdi></button></td>
      <td class="event-who"><bdi>${event.actor}</bdi></td>
      <td class="event-number">${event.available} of ${event.quantity}</td>
    </tr>
    ${open && html`<tr class="event-detail" id=${detail}><td colspan="4"><${Detail} event=${event} /></td></tr>`}
  </tbody>`;
}

/** Everything about one event, with the headers that its record has in the event store. */
function Detail({ event }) {
  const [record, setRecord] = useState(null);
  const [error, setError] = useState(null);
  const load = () => {
    setError(null);
    const [partition, offset] = event.position.split(":");
    get(`/events/${partition}/${offset}`).then(({ value }) => setRecord(value), (failure) => {
      if (!(failure instanceof QueryError)) throw failure;
      setError(failure);
    });
  };
  useEffect(load, [event.position]);
  const header = (name) => record?.headers.find((one) => one.name === name)?.value;
  const fields = [
    ["Who", event.actor || "nobody said"], ["When", exactMoment(event.at)], ["What", event.type],
    ...Object.entries(event.data).map(([name, value]) => [DATA_NAMES[name] ?? name, detailOf(name, value)]),
    ["Version", event.version], ["Command", event.command_id, "mono"], ["Position", event.position, "mono"],
    ["Caused by", record ? header("causation_id") || "nothing else" : "…", "mono"],
    ...(header("correlation_id") ? [["Belongs to", header("correlation_id"), "mono"]] : []),
    ...(header("traceparent") ? [["Trace", header("traceparent"), "mono"]] : []),
  ];
  return html`<dl class="event-fields">
    ${fields.map(([name, value, kind]) => html`<div key=${name}><dt>${name}</dt><dd class=${kind}><bdi>${value}</bdi></dd></div>`)}
  </dl>${error && html`<${ErrorNote} error=${error} retry=${load} />`}`;
}

/** A field of an event's data; the token of a borrower leads to the borrower. */
function detailOf(name, value) {
  if (name === "due_at") return exactMoment(value);
  if (name === "patron") return html`<a class="mono" href=${`/patrons/${value}`}>${value}</a>`;
  return value === null ? "forgotten" : String(value);
}

const DATA_NAMES = { title: "Title", author: "Author", quantity: "Copies", user_id: "Borrower", patron: "Token", due_at: "Due", reason: "Reason" };
