// The events of the store, newest first: what came before page by page, and new ones as they come.
import { connection, followEvents } from "./changes.js";
import { get, QueryError } from "./query_api.js";

const PAGE = 100;
const LONGEST = 1_000; // Events that are kept
const PAUSE_MS = 250; // Between two reads while events come

export class EventList {
  /** `filters`: type, isbn, partition; `redraw` is called after every change. */
  constructor(filters, redraw) {
    Object.assign(this, { filters, redraw, items: [], cursor: null, error: null, loading: true, paused: false, waiting: 0 });
    this.fresh = new Set(); // Positions of events that have just come
    this.searched = 0; // Pages without an event of the wanted type
  }

  open() {
    this.abort = new AbortController();
    this.ends = [
      followEvents((changes, reset) => this.changed(changes, reset)),
      // The feed begins now: what came between the list and its beginning is read again
      connection.subscribe(({ state }) => state === "live" && !this.error?.status && this.refreshSoon()),
    ];
    return this.load();
  }

  close() {
    this.abort.abort();
    clearTimeout(this.timer);
    for (const end of this.ends) end();
  }

  /** Load the list anew. */
  async load() {
    this.loading = true;
    const page = await this.read({});
    if (page) Object.assign(this, { items: page.items, cursor: page.next_cursor, waiting: 0 });
    this.loading = false;
    this.redraw();
  }

  /** Load the page before the oldest event. */
  async loadOlder() {
    if (this.loading || !this.cursor) return;
    this.loading = true;
    this.redraw();
    const page = await this.read({ cursor: this.cursor });
    if (page) {
      this.searched = page.items.length ? 0 : this.searched + 1;
      Object.assign(this, { items: [...this.items, ...page.items], cursor: page.next_cursor });
    }
    this.loading = false;
    this.redraw();
  }

  pause(paused) {
    this.paused = paused;
    if (!paused) this.refreshSoon(0);
    this.redraw();
  }

  changed(changes, reset) {
    if (reset) {
      this.load();
      return;
    }
    const news = changes.filter((change) => this.matches(change)).length;
    if (!news) return;
    if (this.paused) {
      this.waiting += news;
      this.redraw();
    } else {
      this.refreshSoon();
    }
  }

  matches({ type, isbn, position }) {
    const wanted = this.filters;
    return (!wanted.type || wanted.type === type)
      && (!wanted.isbn || this.items[0]?.isbn === isbn || wanted.isbn.replace(/\D/g, "") === isbn)
      && (!wanted.partition || wanted.partition === position.split(":")[0]);
  }

  /** Read the newest events, at most once in PAUSE_MS: the list stays readable at any rate. */
  refreshSoon(pause = PAUSE_MS) {
    if (this.paused) return;
    if (this.refreshing) {
      this.again = true;
      return;
    }
    this.timer ||= setTimeout(() => this.refresh(), Math.max(0, (this.refreshedAt ?? 0) + pause - performance.now()));
  }

  async refresh() {
    this.timer = 0;
    this.refreshedAt = performance.now();
    this.refreshing = true;
    const page = await this.read({});
    this.refreshing = false;
    if (page && !this.paused) this.merge(page);
    this.redraw();
    if (this.again) {
      this.again = false;
      this.refreshSoon();
    }
  }

  merge(page) {
    const known = new Set(this.items.map(({ position }) => position));
    const news = page.items.filter(({ position }) => !known.has(position));
    this.fresh = new Set(known.size ? news.map(({ position }) => position) : []);
    this.waiting = 0;
    if (news.length === page.items.length || this.items.length + news.length > LONGEST) {
      // More came than fit on a page: the list continues below it
      Object.assign(this, { items: page.items, cursor: page.next_cursor });
    } else {
      this.items = [...news, ...this.items];
    }
  }

  /** A page of events; null if there is none, with the reason in `error`. */
  async read(more) {
    try {
      const { value } = await get("/events", { ...this.filters, limit: PAGE, ...more }, { signal: this.abort.signal });
      this.error = null;
      return value;
    } catch (error) {
      if (error instanceof QueryError) this.error = error;
      else if (error.name !== "AbortError") throw error;
      return null;
    }
  }
}
