// Open loans as far as they are shown: page by page, and read again when something changes.
import { postWithWrites } from "./gateway.js";
import { QueryError } from "./query_api.js";

const PAGE = 100;
const MOST_AT_ONCE = 500;
const RELOAD_PAUSE_MS = 1_000;
const LOAN_EVENTS = new Set(["BookBorrowed", "BookReturned", "LoanRenewed", "CopiesWithdrawn", "DetailsCorrected"]);

/** The loans that `filters` (of `POST /loans/search`) select. `redraw` is called after every change. */
export class LoanList {
  constructor(filters) {
    Object.assign(this, { filters, items: [], cursor: null, complete: false, loading: false, error: null, redraw: () => {} });
    this.timer = 0;
    this.abort = new AbortController();
  }

  /** Read again as many loans as are shown. */
  async reload() {
    const count = Math.max(PAGE, this.items.length);
    await this.#read(async () => {
      let items = [];
      let cursor = null;
      do {
        const page = await this.#page(Math.min(MOST_AT_ONCE, count - items.length), cursor);
        items = [...items, ...page.items];
        cursor = page.next_cursor;
      } while (cursor && items.length < count);
      return { items, cursor };
    });
  }

  /** Read the loans after those that are shown. */
  async loadMore() {
    await this.#read(async () => {
      const page = await this.#page(PAGE, this.cursor);
      return { items: [...this.items, ...page.items], cursor: page.next_cursor };
    });
  }

  /** Something happened: read again, at most once a second. */
  changed(changes, reset) {
    const matters = reset || changes.some(({ type, isbn }) => LOAN_EVENTS.has(type) && (!this.filters.isbn || isbn === this.filters.isbn));
    if (!matters || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.reload();
    }, RELOAD_PAUSE_MS);
  }

  close() {
    clearTimeout(this.timer);
    this.abort.abort();
    this.redraw = () => {};
  }

  async #page(limit, cursor) {
    const { value } = await postWithWrites("/loans/search", { ...this.filters, limit, ...(cursor && { cursor }) }, { signal: this.abort.signal });
    return value;
  }

  async #read(read) {
    this.abort.abort();
    const abort = (this.abort = new AbortController());
    Object.assign(this, { loading: true, error: null });
    this.redraw();
    try {
      const { items, cursor } = await read();
      if (abort.signal.aborted) return;
      Object.assign(this, { items, cursor, complete: cursor === null });
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!(error instanceof QueryError)) throw error;
      this.error = error;
    }
    this.loading = false;
    this.redraw();
  }
}
