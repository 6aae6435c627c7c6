// A title: its row and open loans, now or at a moment that one travels to, and its history as a timeline.
import { html, useEffect, useMemo, useReducer, useRef, useState } from "../vendor/htm-preact.js";
import { EventTable } from "../components/event_table.js";
import { LoanTable } from "../components/loan_table.js";
import { Shelf } from "../components/shelf.js";
import { Empty, ErrorNote, Loading } from "../components/states.js";
import { Timeline } from "../components/timeline.js";
import { connection } from "../changes.js";
import { counted, eventSentence, exactMoment, fromNow, isbnText, moment as momentText } from "../format.js";
import { urlOf } from "../query_api.js";
import { navigate } from "../router.js";
import { placeAt, TitleHistory } from "../title_history.js";
import { useMoment } from "../title_moment.js";

const URL_PAUSE_MS = 150; // Browsers refuse to change an address at every step of a drag

export function Title({ parameters, query }) {
  const { isbn } = parameters;
  const history = useHistory(isbn);
  const [at, travel, badTime] = useTravel(`/titles/${encodeURIComponent(isbn)}`, query.get("at"));
  const { events } = history;
  const moment = useMoment(isbn, at, events.length);
  const place = at === null ? -1 : placeAt(events, at);

  useEffect(() => {
    const row = moment?.row;
    if (row) document.title = `${row.title} · Library`;
  }, [moment?.row?.title]);

  if (moment?.error) return html`<h1>Title ${isbn}</h1><${ErrorNote} error=${moment.error} />`;
  if (!moment) return html`<h1 class="quiet">Title</h1><${Loading} what="Loading the title" />`;
  if (moment.gone?.code === "unknown_title") {
    return html`<h1>No such title</h1><${Empty} title=${moment.gone.message}><p><a href="/">To the inventory</a></p><//>`;
  }
  return html`
    <${Head} moment=${moment} events=${events} isbn=${isbn} />
    ${badTime && html`<p class="notice" role="status">The time “<bdi>${badTime}</bdi>” in the address can't be read. This is the title as it is now.</p>`}
    <section class="panel title-history" aria-labelledby="history-heading">
      <div class="title-history-head">
        <h2 id="history-heading">History</h2>
        <${Moment} at=${at} event=${events[place]} travel=${travel} />
      </div>
      ${history.error && html`<${ErrorNote} error=${history.error} retry=${() => history.load()} />`}
      ${events.length > 0 && html`<${Timeline} events=${events} at=${at} onTravel=${travel} /><${Legend} />`}
      ${!history.complete && !history.error && html`<${Loading} what=${events.length ? `Loading further events: ${counted(events.length, "event")} are here` : "Loading the history"} />`}
    </section>
    <section aria-labelledby="loans-heading" class="title-section"><h2 id="loans-heading">${at === null ? "Open loans" : "Open loans then"}</h2>
      <${LoanTable} loans=${moment.loans} at=${moment.at} />
      ${moment.more && html`<p class="quiet">Only the first 500 are shown.</p>`}
    </section>
    ${events.length > 0 && html`<section aria-labelledby="events-heading" class="title-section"><h2 id="events-heading">Events</h2>
      <${EventTable} events=${events} marked=${place} onTravel=${travel} /></section>`}
  `;
}

function useHistory(isbn) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const history = useMemo(() => new TitleHistory(isbn, redraw), [isbn]);
  useEffect(() => {
    history.open();
    const end = connection.subscribe(({ state }) => state === "live" && history.error && history.load());
    return () => {
      end();
      history.close();
    };
  }, [history]);
  return history;
}

/** The moment in the address, in ms (null: now), a function that goes to another, and a time that is none. */
function useTravel(path, text) {
  const parsed = text === null ? null : Date.parse(text);
  const bad = Number.isNaN(parsed);
  const [at, setAt] = useState(bad ? null : parsed);
  const timer = useRef(0);
  useEffect(() => {
    if (!timer.current) setAt(bad ? null : parsed);
  }, [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const travel = (next) => {
    setAt(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      timer.current = 0;
      navigate(urlOf(path, { at: next === null ? "" : new Date(next).toISOString() }), { replace: true });
    }, URL_PAUSE_MS);
  };
  return [at, travel, bad && at === null ? text : ""];
}

function Head({ moment, events, isbn }) {
  const { row, gone } = moment;
  const name = row ?? lastDetails(events, moment.at) ?? { title: isbnText(isbn), author: "" };
  return html`<div class="title-head ${moment.at === null ? "" : "past"}">
    <div class="title-name">
      <p class="quiet small"><a href="/">Inventory</a> <span aria-hidden="true">/</span> <span class="mono">${isbnText(row?.isbn ?? isbn)}</span></p>
      <h1><bdi>${name.title}</bdi></h1>
      ${name.author && html`<p class="title-author"><bdi>${name.author}</bdi></p>`}
      ${row?.held && html`<p class="title-held"><span class="badge warn">held</span> Its event ${row.held.version} can't be applied: ${row.held.reason}</p>`}
    </div>
    ${row
      ? html`<div class="title-shelf"><${Shelf} ...${row} /><p class="quiet small">${row.on_loan ? `${row.on_loan} on loan, ` : ""}changed ${momentText(row.updated_at)}</p></div>`
      : html`<p class="title-gone"><span class="badge ${gone.status === 410 ? "bad" : ""}">${gone.status === 410 ? "removed" : "not there yet"}</span>
          ${gone.problem.removed_at && html`<span class="quiet small">on ${momentText(gone.problem.removed_at)}</span>`}</p>`}
  </div>`;
}

/** Title and author as they were before the title was removed. */
function lastDetails(events, at) {
  const until = at === null ? events.length - 1 : placeAt(events, at);
  for (let place = until; place >= 0; place -= 1) if (events[place].data.title) return events[place].data;
  return events[0]?.data;
}

function Moment({ at, event, travel }) {
  return html`<div class="moment">
    ${at === null
      ? html`<p class="moment-text"><span class="badge good">now</span> <span class="quiet small">Drag the slider, or use its arrow keys, to see the title as it was.</span></p>`
      : html`<p class="moment-text"><b>${exactMoment(at)}</b> <span class="quiet">${fromNow(at)}${event ? html`: <bdi>${eventSentence(event)}</bdi>` : ""}</span></p>`}
    <button type="button" class="primary" disabled=${at === null} onClick=${() => travel(null)}>Now</button>
  </div>`;
}

function Legend() {
  return html`<ul class="legend small quiet">
    <li><span class="legend-line shelf-line"></span>on the shelf</li><li><span class="legend-line owned-line"></span>owned</li>
    <li><span class="event-mark mark-lent"></span>lent</li><li><span class="event-mark mark-returned"></span>returned</li><li><span class="event-mark mark-other"></span>everything else</li>
  </ul>`;
}
