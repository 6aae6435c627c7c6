// A title and its loans as they are, or as they were at a moment.
import { useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { get, QueryError } from "./query_api.js";

const RETRY_PAUSE_MS = 2_000;

/**
 * `{row, loans, gone, error, at}` of a title at the time `at` (ms; null: now): `gone` says why there is no row.
 * While another moment is loaded, the one before stays. `revision` changes when the title does.
 */
export function useMoment(isbn, at, revision) {
  const [moment, setMoment] = useState(null);
  const wanted = useRef(null);
  const running = useRef(false);

  useEffect(() => {
    wanted.current = { isbn, at, abort: new AbortController() };
    const mine = wanted.current;
    if (!running.current) run();
    return () => {
      if (wanted.current === mine) wanted.current = null;
    };
  }, [isbn, at, revision]);

  // One request at a time: whoever drags gets the newest moment, not all that were passed
  async function run() {
    running.current = true;
    for (let loaded = null; wanted.current && wanted.current !== loaded; ) {
      loaded = wanted.current;
      const found = await load(loaded);
      if (wanted.current && found) setMoment(found);
      if (found?.error?.status === 0 && wanted.current === loaded) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
        if (wanted.current === loaded) loaded = null;
      }
    }
    running.current = false;
  }

  return moment;
}

async function load({ isbn, at }) {
  const when = at === null ? {} : { at: new Date(at).toISOString() };
  try {
    const [row, loans] = await Promise.all([rowOf(isbn, when), get("/loans", { isbn, ...when, limit: 500 })]);
    return { isbn, at, ...row, loans: loans.value.items, more: loans.value.next_cursor !== null };
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return { isbn, at, error };
  }
}

async function rowOf(isbn, when) {
  try {
    return { row: (await get(`/inventory/${encodeURIComponent(isbn)}`, when)).value };
  } catch (error) {
    if (error.status === 404 || error.status === 410) return { gone: error };
    throw error;
  }
}
