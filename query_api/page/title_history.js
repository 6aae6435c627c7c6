// The events of a title, loaded page by page, and how many copies there were after each.
import { followChanges } from "./changes.js";
import { get, QueryError } from "./query_api.js";

const PAGE_EVENTS = 500;

/** All events of a title, first to last. Calls `redraw` when there are more. */
export class TitleHistory {
  constructor(isbn, redraw) {
    Object.assign(this, { isbn, redraw, events: [], complete: false, error: null });
    this.abort = new AbortController();
    this.lastCursor = null; // Of the page that further events will be on
    this.loading = false;
    this.again = false;
  }

  open() {
    this.end = followChanges((changes, reset) => {
      if (reset || changes.some((change) => change.isbn === this.isbn)) this.load();
    });
    this.load();
  }

  close() {
    this.end();
    this.abort.abort();
  }

  /** Load what follows the pages that are full. */
  async load() {
    if (this.loading) {
      this.again = true;
      return;
    }
    this.loading = true;
    this.error = null;
    try {
      do {
        this.again = false;
        await this.loadPages();
      } while (this.again);
      this.complete = true;
    } catch (error) {
      if (!(error instanceof QueryError)) return;
      this.error = error;
    } finally {
      this.loading = false;
      if (!this.abort.signal.aborted) this.redraw();
    }
  }

  async loadPages() {
    for (let cursor = this.lastCursor; ; ) {
      const parameters = { limit: PAGE_EVENTS, cursor };
      const { value } = await get(`/inventory/${encodeURIComponent(this.isbn)}/history`, parameters, { signal: this.abort.signal });
      this.isbn = value.isbn; // In 13 digits, as changes have it
      this.put(value.items);
      this.lastCursor = cursor;
      if (value.next_cursor === null) return;
      cursor = value.next_cursor;
      this.redraw();
    }
  }

  /** Append the events that are not there yet. */
  put(items) {
    const known = this.events.at(-1)?.version ?? 0;
    const fresh = items.filter(({ version }) => version > known);
    if (!fresh.length) return;
    let before = this.events.at(-1) ?? { quantity: 0, available: 0 };
    this.events = this.events.concat(
      fresh.map((event) => {
        before = { ...event, at: Date.parse(event.time), ...copiesAfter(before, event) };
        return before;
      }),
    );
  }
}

/** Copies owned and on the shelf after `event`; an event that can't be read changes nothing. */
function copiesAfter({ quantity, available }, { type, data, error }) {
  const plus = (owned, shelf = owned) => ({ quantity: quantity + owned, available: available + shelf });
  if (error) return plus(0);
  switch (type) {
    case "BookAdded":
      return { quantity: data.quantity, available: data.quantity };
    case "BookBorrowed":
      return plus(0, -1);
    case "BookReturned":
      return plus(0, 1);
    case "CopiesAdded":
      return plus(data.quantity);
    case "CopiesWithdrawn":
      // A copy that a borrower lost was not on the shelf
      return plus(-data.quantity, data.user_id || data.patron ? 0 : -data.quantity);
    case "BookRemoved":
      return { quantity: 0, available: 0 };
    default:
      return plus(0);
  }
}

/** The place of the last event at or before the time `at` (ms); -1 before the first. */
export function placeAt(events, at) {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (events[middle].at <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
