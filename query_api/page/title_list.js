// The titles that a search has found so far: page by page, and kept up to date by the feed of changes.
import { get, QueryError } from "./query_api.js";
import { beginAfter, followChanges } from "./changes.js";

const PAGE_TITLES = 100;
const LARGEST_PAGE_TITLES = 500;
const REFRESH_PAUSE_MS = 400;
export const FLASH_MS = 2_000;

/** A list of titles. It calls `redraw` when there is something new to show. */
export class TitleList {
  constructor(parameters, redraw) {
    Object.assign(this, { parameters, redraw, items: [], cursor: null, complete: false, error: null });
    this.news = 0; // Titles that came since, and are not in the list
    this.scrollY = 0;
    this.visible = [0, 0];
    this.abort = new AbortController();
    this.places = new Map();
    this.stale = new Set();
    this.flashes = new Map();
    this.loading = false;
    this.timer = 0;
  }

  /** Begin to load and to follow. A list that was closed continues, and looks at every title again. */
  open() {
    this.abort = new AbortController();
    this.end = followChanges((changes, reset) => this.apply(changes, reset));
    if (this.items.length) this.apply(this.items, false);
    else this.loadMore();
  }

  close() {
    this.end?.();
    this.abort.abort();
    clearTimeout(this.timer);
    this.timer = 0;
    this.loading = false;
  }

  /** Load the next page, unless there is none. */
  async loadMore() {
    if (this.loading || this.complete) return;
    await this.load(this.cursor ? LARGEST_PAGE_TITLES : PAGE_TITLES, this.cursor);
  }

  /** Load the list again from its beginning; what is shown stays until the answer is there. */
  reload() {
    this.news = 0;
    return this.load(Math.min(LARGEST_PAGE_TITLES, Math.max(PAGE_TITLES, this.items.length)), null);
  }

  async load(limit, cursor) {
    this.loading = true;
    this.error = null;
    this.redraw();
    const { signal } = this.abort;
    try {
      const { value, position } = await get("/inventory", { ...this.parameters, limit, cursor }, { signal });
      beginAfter(position);
      this.put(cursor ? [...this.items, ...value.items] : value.items, cursor === null);
      this.cursor = value.next_cursor;
      this.complete = value.next_cursor === null;
    } catch (error) {
      if (!(error instanceof QueryError)) return;
      this.error = error;
    } finally {
      if (!signal.aborted) {
        this.loading = false;
        this.redraw();
      }
    }
  }

  put(items, flash) {
    if (flash && this.items.length) {
      for (const item of items) if (this.at(item.isbn)?.version !== item.version) this.flash(item.isbn);
    }
    this.items = items;
    this.places = new Map(items.map((item, place) => [item.isbn, place]));
  }

  at(isbn) {
    return this.items[this.places.get(isbn)];
  }

  flash(isbn) {
    this.flashes.set(isbn, (this.flashes.get(isbn) ?? 0) + 1);
    setTimeout(() => {
      this.flashes.delete(isbn);
      this.redraw();
    }, FLASH_MS);
  }

  apply(changes, reset) {
    if (reset) this.reload();
    for (const { isbn, type } of changes) {
      if (this.places.has(isbn) && type === "BookRemoved") this.put(this.items.filter((item) => item.isbn !== isbn), false);
      else if (this.places.has(isbn)) this.stale.add(isbn);
      else if (type === "BookAdded" || this.filtered) this.news += 1;
    }
    if (changes.length) this.schedule();
  }

  /** Refresh soon; during the pause after a refresh, at its end. */
  schedule() {
    this.timer ||= setTimeout(() => this.refresh(), 0);
  }

  /** Whether a change can move a title into the list or out of it. */
  get filtered() {
    return Boolean(this.parameters.available || this.parameters.held);
  }

  /** Load what changed: the titles that are visible, and the whole list if it is short and has others now. */
  async refresh() {
    const [first, last] = this.visible;
    const shown = this.items.slice(first, last).filter(({ isbn }) => this.stale.has(isbn));
    await Promise.all(shown.map(({ isbn }) => this.refreshTitle(isbn)));
    if ((this.news || (shown.length && this.filtered)) && this.items.length < LARGEST_PAGE_TITLES && !this.loading) {
      await this.reload();
    }
    if (this.abort.signal.aborted) return;
    this.redraw();
    this.timer = setTimeout(() => {
      this.timer = 0;
      const [from, to] = this.visible;
      if (this.items.slice(from, to).some(({ isbn }) => this.stale.has(isbn))) this.schedule();
    }, REFRESH_PAUSE_MS);
  }

  async refreshTitle(isbn) {
    this.stale.delete(isbn);
    try {
      const { value } = await get(`/inventory/${isbn}`, {}, { signal: this.abort.signal });
      const before = this.at(isbn);
      if (!before || before.version >= value.version) return;
      this.items[this.places.get(isbn)] = value;
      this.flash(isbn);
    } catch (error) {
      if (error.status === 404 || error.status === 410) this.put(this.items.filter((item) => item.isbn !== isbn), false);
      else if (error instanceof QueryError) this.stale.add(isbn);
    }
  }

  /** What the reader sees: the places from `first` up to `last`. */
  show(first, last) {
    this.visible = [first, last];
    if (this.stale.size) this.schedule();
    if (last > this.items.length - PAGE_TITLES / 2 && !this.error) this.loadMore();
  }
}
