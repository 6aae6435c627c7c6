// The totals of the inventory, kept up to date.
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { connection, followChanges } from "../changes.js";
import { number } from "../format.js";
import { get, QueryError } from "../query_api.js";

const PAUSE_MS = 1_000;

/** The answer of /stats, loaded again at most once a second while something changes; null before the first. */
export function useTotals() {
  const [totals, setTotals] = useState(null);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const load = async () => {
      try {
        setTotals((await get("/stats", {}, { signal: abort.signal })).value);
      } catch (error) {
        if (!(error instanceof QueryError)) return;
      }
    };
    const later = () => {
      timer ||= setTimeout(() => {
        timer = 0;
        load();
      }, PAUSE_MS);
    };
    load();
    const ends = [followChanges(later), connection.subscribe(({ state }) => state === "live" && later())];
    return () => {
      abort.abort();
      clearTimeout(timer);
      for (const end of ends) end();
    };
  }, []);
  return totals;
}

export function Totals({ totals }) {
  if (!totals) return html`<dl class="figures" aria-busy="true"></dl>`;
  const figures = [
    ["titles", totals.titles], ["copies", totals.copies], ["on the shelf", totals.available], ["on loan", totals.on_loan],
  ];
  return html`<dl class="figures">
    ${figures.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${number(value)}</dd></div>`)}
  </dl>`;
}
