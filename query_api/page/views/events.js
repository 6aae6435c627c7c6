// The events of the store as they come, newest first, and one event whole.
import { html, useEffect, useMemo, useReducer, useState } from "../vendor/htm-preact.js";
import { EventWhole } from "../components/event_whole.js";
import { Empty, ErrorNote, Loading } from "../components/states.js";
import { EventList } from "../event_list.js";
import { counted, EVENT_TYPES, eventSentence, exactMoment, fromNow, isbnText, moment } from "../format.js";
import { get, QueryError, urlOf } from "../query_api.js";
import { navigate } from "../router.js";

export function Events({ query }) {
  const wanted = { type: query.get("type") ?? "", isbn: query.get("isbn") ?? "", partition: query.get("partition") ?? "" };
  const whole = query.get("event");
  const list = useEventList(wanted);
  const go = (changes, replace = true) => navigate(urlOf("/events", { ...wanted, event: whole, ...changes }), { replace });
  const rowUrl = (position) => urlOf("/events", { ...wanted, event: position });
  // The dialog is first: Preact may move what follows elements that appear, and a moved dialog is no longer modal
  return html`
    ${whole && html`<${EventWhole} key=${whole} position=${whole} onClose=${() => go({ event: "" })} />`}
    <div class="view-head"><h1>Events</h1>
      <div class="events-live">
        <p class="quiet" role="status">${list.paused ? `Paused${list.waiting ? `: ${counted(list.waiting, "new event")} since` : ""}` : ""}</p>
        <button type="button" aria-pressed=${list.paused} onClick=${() => list.pause(!list.paused)}>${list.paused ? "Go on" : "Pause"}</button>
      </div>
    </div>
    <${Filters} wanted=${wanted} error=${list.error} onChange=${go} />
    ${list.error && !fieldOf(list.error) && html`<${ErrorNote} error=${list.error} retry=${() => list.load()} />`}
    ${list.items.length > 0 && !list.error?.status && html`<${Table} list=${list} rowUrl=${rowUrl} />`}
    <${Older} list=${list} />
    ${!list.loading && !list.error && !list.items.length && !list.cursor && html`<${Nothing} filtered=${Object.values(wanted).some(Boolean)} />`}
  `;
}

/** The list that `filters` describe; another one as soon as they describe others. */
function useEventList({ type, isbn, partition }) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const list = useMemo(() => new EventList({ type, isbn: isbn.trim(), partition }, redraw), [type, isbn, partition]);
  useEffect(() => {
    list.open();
    return () => {
      list.redraw = () => {};
      list.close();
    };
  }, [list]);
  return list;
}

/** The filter that an error is about: isbn, partition or type. */
function fieldOf(error) {
  if (error.code === "bad_isbn") return "isbn";
  if (error.code === "bad_type") return "type";
  return ["malformed", "bad_position"].includes(error.code) && /partition/.test(error.message) ? "partition" : null;
}

function Filters({ wanted, error, onChange }) {
  const partitions = usePartitions();
  const field = error && fieldOf(error);
  const types = [...EVENT_TYPES, "unknown"];
  if (wanted.type && !types.includes(wanted.type)) types.push(wanted.type);
  return html`<search class="events-tools">
    <div class="field"><label for="event-type">Type</label>
      <select id="event-type" aria-invalid=${field === "type"} aria-describedby="events-error" onChange=${(event) => onChange({ type: event.target.value })}>
        <option value="" selected=${!wanted.type}>All types</option>
        ${types.map((type) => html`<option key=${type} value=${type} selected=${type === wanted.type}>${type === "unknown" ? "Unknown to this release" : type}</option>`)}
      </select></div>
    <${TitleBox} value=${wanted.isbn} invalid=${field === "isbn"} onChange=${(isbn) => onChange({ isbn })} />
    <div class="field"><label for="event-partition">Partition</label>
      <select id="event-partition" aria-invalid=${field === "partition"} aria-describedby="events-error" onChange=${(event) => onChange({ partition: event.target.value })}>
        <option value="" selected=${!wanted.partition}>All</option>
        ${withPresent(partitions, wanted.partition).map((partition) => html`<option key=${partition} value=${partition} selected=${partition === wanted.partition}>${partition}</option>`)}
      </select></div>
    ${Object.values(wanted).some(Boolean) && html`<button type="button" class="link" onClick=${() => onChange({ type: "", isbn: "", partition: "" })}>Show all</button>`}
    <p id="events-error" class="field-error" role="alert">${field ? error.message : ""}</p>
  </search>`;
}

const withPresent = (known, present) => (present && !known.includes(present) ? [...known, present] : known);

/** The numbers of the partitions, as texts. */
function usePartitions() {
  const [partitions, setPartitions] = useState([]);
  useEffect(() => {
    get("/stats").then(({ value }) => setPartitions(Object.keys(value.lag)), (error) => {
      if (!(error instanceof QueryError)) throw error;
    });
  }, []);
  return partitions;
}

function TitleBox({ value, invalid, onChange }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const take = (event) => {
    event.preventDefault();
    if (typed.trim() !== value) onChange(typed.trim());
  };
  return html`<form class="field" onSubmit=${take}><label for="event-isbn">Title, by ISBN</label>
    <input id="event-isbn" inputmode="numeric" autocomplete="off" spellcheck=${false} maxlength="40" placeholder="978-1593275846" value=${typed}
      aria-invalid=${invalid} aria-describedby="events-error" onInput=${(event) => setTyped(event.target.value)} onBlur=${take} /></form>`;
}

/** Arrow keys go from event to event. */
function step(event) {
  const by = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = by && event.target.closest("tr")?.[by]?.querySelector("a");
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function Table({ list, rowUrl }) {
  return html`<div class="panel events-panel"><table role="table" class="events-table">
    <caption class="visually-hidden">Events, newest first. Arrow keys go from event to event, Enter shows one whole.</caption>
    <thead role="rowgroup"><tr role="row">${["Time", "Event", "Type", "Title", "Version", "Position"].map((text) => html`<th key=${text} role="columnheader" scope="col">${text}</th>`)}</tr></thead>
    <tbody role="rowgroup" onKeyDown=${step}>${list.items.map((item) => html`<${Row} key=${item.position} item=${item} url=${rowUrl(item.position)} fresh=${list.fresh.has(item.position)} />`)}</tbody>
  </table></div>`;
}

function Row({ item, url, fresh }) {
  return html`<tr role="row" class=${fresh ? "changed" : ""}>
    <td role="cell" class="events-time quiet"><time datetime=${item.time} title=${exactMoment(item.time)}>${recent(item.time)}</time></td>
    <td role="cell" class="events-what"><a href=${url}><bdi>${eventSentence(item)}</bdi></a>${item.actor && html` <span class="quiet small">by <bdi>${item.actor}</bdi></span>`}</td>
    <td role="cell" class="events-type"><span class="badge ${item.error ? "bad" : ""}">${item.type}</span></td>
    <td role="cell" class="events-title mono"><a href=${`/titles/${item.isbn}`}>${isbnText(item.isbn)}</a></td>
    <td role="cell" class="events-version quiet">${item.version}</td>
    <td role="cell" class="events-position mono quiet">${item.position}</td>
  </tr>`;
}

/** "5 minutes ago" on the same day, else day and time. */
const recent = (time) => (Date.now() - new Date(time) < 86_400_000 ? fromNow(time) : moment(time));

function Older({ list }) {
  if (list.loading) return html`<${Loading} what="Loading events" />`;
  if (!list.cursor || list.error) return null;
  const searching = list.searched > 0 || !list.items.length;
  return html`<div class="events-older">
    ${searching && html`<p class="quiet" role="status">No such event among those that were searched up to here.</p>`}
    <button type="button" onClick=${() => list.loadOlder()}>${searching ? "Search further back" : "Older events"}</button>
  </div>`;
}

function Nothing({ filtered }) {
  if (filtered) return html`<${Empty} title="No event is like that"><p>Choose another type, title or partition.</p><//>`;
  return html`<${Empty} title="Nothing has happened yet"><p>Events appear here as they are written: at the desk, or with <code>library add</code>.</p><//>`;
}
