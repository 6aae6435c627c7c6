// The inventory: search as you type, filters, order, and every title as you scroll.
import { html, useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "../vendor/htm-preact.js";
import { connection } from "../changes.js";
import { Shelf } from "../components/shelf.js";
import { Empty, ErrorNote, Loading } from "../components/states.js";
import { Totals, useTotals } from "../components/totals.js";
import { VirtualRows } from "../components/virtual_rows.js";
import { counted, exactMoment, fromNow, isbnText } from "../format.js";
import { urlOf } from "../query_api.js";
import { navigate } from "../router.js";
import { TitleList } from "../title_list.js";

const TYPING_PAUSE_MS = 120;
const FILTERS = { all: ["All", {}], available: ["On the shelf", { available: true }], out: ["None left", { available: false }], held: ["Held", { held: true }] };
const COLUMNS = [["title", "Title"], ["author", "Author"], ["isbn", "ISBN"], [null, "On the shelf"], ["updated_at", "Changed"]];
const ORDERS = new Set(COLUMNS.flatMap(([column]) => (column ? [column, `-${column}`] : [])));
const DEFAULT_SORT = "title";
const LONGEST_SEARCH = 200; // Characters, as the query API has it

let kept = null; // The last list, for readers who come back to it

export function Inventory({ query }) {
  const wanted = { q: (query.get("q") ?? "").slice(0, LONGEST_SEARCH), filter: FILTERS[query.get("filter")] ? query.get("filter") : "all", sort: ORDERS.has(query.get("sort")) ? query.get("sort") : DEFAULT_SORT };
  const totals = useTotals();
  const list = useTitleList(wanted);
  const change = (changes) => {
    const next = { ...wanted, ...changes };
    navigate(urlOf("/", { q: next.q, filter: next.filter === "all" ? "" : next.filter, sort: next.sort === DEFAULT_SORT ? "" : next.sort }), { replace: true });
  };
  return html`
    <div class="view-head inventory-head"><h1>Inventory</h1><${Totals} totals=${totals} /></div>
    <search class="inventory-tools">
      <${SearchBox} value=${wanted.q} onChange=${(q) => change({ q })} />
      <${Filters} value=${wanted.filter} held=${totals?.held ?? 0} onChange=${(filter) => change({ filter })} />
      <${SortChoice} value=${wanted.sort} onChange=${(sort) => change({ sort })} />
    </search>
    <${Summary} list=${list} wanted=${wanted} totals=${totals} />
    ${list.error && html`<${ErrorNote} error=${list.error} retry=${() => (list.items.length ? list.loadMore() : list.reload())} />`}
    ${list.items.length > 0 && html`<${Titles} list=${list} sort=${wanted.sort} onSort=${(sort) => change({ sort })} />`}
    ${list.loading && !list.items.length && html`<${Loading} what="Loading the inventory" />`}
    ${list.complete && !list.items.length && html`<${Nothing} wanted=${wanted} change=${change} />`}
  `;
}

/** The titles that `wanted` describes; another list as soon as it describes others. */
function useTitleList({ q, filter, sort }) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const key = JSON.stringify([q, filter, sort]);
  const list = useMemo(() => {
    if (kept?.key !== key) kept = { key, list: new TitleList({ q: q.trim(), ...FILTERS[filter][1], sort }, () => {}) };
    return kept.list;
  }, [key]);
  useEffect(() => {
    list.redraw = redraw;
    list.open();
    const end = connection.subscribe(({ state }) => state === "live" && list.error && list.reload());
    return () => {
      end();
      list.close();
      list.redraw = () => {};
    };
  }, [list]);
  return list;
}

function SearchBox({ value, onChange }) {
  const [typed, setTyped] = useState(value);
  const timer = useRef(0);
  useEffect(() => {
    if (!timer.current) setTyped(value);
  }, [value]);
  const type = (text) => {
    setTyped(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      timer.current = 0;
      onChange(text);
    }, TYPING_PAUSE_MS);
  };
  return html`<div class="search-box">
    <label for="search">Search titles and authors</label>
    <input id="search" type="search" dir="auto" autocomplete="off" spellcheck=${false} maxlength=${LONGEST_SEARCH} placeholder="capek, earthsea, война…"
      value=${typed} onInput=${(event) => type(event.target.value)} />
  </div>`;
}

function Filters({ value, held, onChange }) {
  const offered = Object.entries(FILTERS).filter(([name]) => name !== "held" || held || value === "held");
  return html`<fieldset class="choices"><legend>Show</legend>
    ${offered.map(([name, [text]]) => html`<label key=${name} class="choice">
      <input type="radio" name="filter" checked=${name === value} onChange=${() => onChange(name)} /><span>${text}${name === "held" && held ? ` (${held})` : ""}</span>
    </label>`)}
  </fieldset>`;
}

function SortChoice({ value, onChange }) {
  const orders = COLUMNS.filter(([column]) => column).flatMap(([column, text]) =>
    column === "updated_at" ? [["-updated_at", "Changed last"], ["updated_at", "Changed first"]] : [[column, `${text}, upwards`], [`-${column}`, `${text}, downwards`]]);
  return html`<div class="sort-choice"><label for="sort">Order</label>
    <select id="sort" value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${orders.map(([order, text]) => html`<option key=${order} value=${order} selected=${order === value}>${text}</option>`)}
    </select></div>`;
}

function Summary({ list, wanted, totals }) {
  const all = !wanted.q && wanted.filter === "all";
  const count = all && totals ? totals.titles : list.items.length;
  const text = !list.items.length ? "" : `${counted(count, "title")}${list.complete || (all && totals) ? "" : " or more"}`;
  return html`<div class="inventory-summary"><p role="status" class=${all && totals ? "visually-hidden" : "quiet"}>${text}</p>
    ${list.news > 0 && html`<button type="button" class="link" onClick=${() => list.reload().then(() => window.scrollTo(0, 0))}>Something new: load the list again</button>`}
  </div>`;
}

function Titles({ list, sort, onSort }) {
  const show = useCallback((first, last) => list.show(first, last), [list]);
  useLayoutEffect(() => {
    if (list.scrollY) window.scrollTo(0, list.scrollY);
  }, [list]);
  return html`<div class="panel inventory-panel"><table role="table" class="inventory-table" aria-rowcount=${list.complete ? list.items.length + 1 : -1}>
    <caption class="visually-hidden">Titles of the inventory. Arrow keys go from title to title.</caption>
    <thead role="rowgroup"><tr role="row" aria-rowindex="1">${COLUMNS.map(([column, text]) => html`<${Heading} key=${text} column=${column} text=${text} sort=${sort} onSort=${onSort} />`)}</tr></thead>
    <${VirtualRows} count=${list.items.length} onShow=${show} onScroll=${(y) => { list.scrollY = y; }}
      row=${(index) => html`<${Row} key=${list.items[index].isbn} index=${index} item=${list.items[index]} flash=${list.flashes.get(list.items[index].isbn)} />`} />
  </table>${list.loading && html`<${Loading} what="Loading more titles" />`}</div>`;
}

function Heading({ column, text, sort, onSort }) {
  if (!column) return html`<th role="columnheader" scope="col">${text}</th>`;
  const present = sort.replace("-", "") === column ? (sort.startsWith("-") ? "descending" : "ascending") : undefined;
  return html`<th role="columnheader" scope="col" aria-sort=${present}>
    <button type="button" class="sort-button" onClick=${() => onSort(present === "ascending" ? `-${column}` : column)}>
      ${text}<span aria-hidden="true">${present === "ascending" ? " ↑" : present ? " ↓" : ""}</span>
    </button></th>`;
}

function Row({ item, index, flash }) {
  return html`<tr role="row" data-index=${index} aria-rowindex=${index + 2} class=${flash ? `changed changed-${flash % 2}` : ""}>
    <td role="cell" class="cell-title"><a href=${`/titles/${item.isbn}`}><bdi>${item.title}</bdi></a>${item.held && html` <span class="badge warn">held</span>`}</td>
    <td role="cell" class="cell-author"><bdi>${item.author}</bdi></td>
    <td role="cell" class="cell-isbn mono">${isbnText(item.isbn)}</td>
    <td role="cell" class="cell-shelf"><${Shelf} ...${item} /></td>
    <td role="cell" class="cell-time quiet"><time datetime=${item.updated_at} title=${exactMoment(item.updated_at)}>${fromNow(item.updated_at)}</time></td>
  </tr>`;
}

function Nothing({ wanted, change }) {
  if (wanted.q) {
    return html`<${Empty} title=${html`Nothing matches “<bdi>${wanted.q}</bdi>”`}><p>Search for the beginnings of words of a title or an author. Accents don't matter.</p>
      <button type="button" onClick=${() => change({ q: "", filter: "all" })}>Show all titles</button><//>`;
  }
  if (wanted.filter !== "all") return html`<${Empty} title="No title is like that now"><button type="button" onClick=${() => change({ filter: "all" })}>Show all titles</button><//>`;
  return html`<${Empty} title="The inventory is empty"><p>Titles appear here as soon as they are added: at the desk, or with <code>library add</code>.</p><//>`;
}
