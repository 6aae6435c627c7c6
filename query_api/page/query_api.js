// Reads from the query API: JSON, and errors as sentences.
import { observable } from "./observable.js";

export const OUT_OF_REACH = "The library's server does not answer. The page tries again by itself.";

/** An answer that is no success. `message` is a sentence for people, `code` for programs; status 0: no answer. */
export class QueryError extends Error {
  constructor(message, status = 0, code = "", problem = {}) {
    super(message);
    this.name = "QueryError";
    Object.assign(this, { status, code, problem });
  }
}

/** Why answers may be old, by the header Inventory-Stale; empty: they are not. */
export const staleness = observable("");

/** `path` with `parameters`; those that are empty, null or undefined are left out. */
export function urlOf(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString().replaceAll("%3A", ":"); // A time in the address can be read
  return text ? `${path}?${text}` : path;
}

/** GET: `{value, position, status}`. Throws QueryError; a request that `signal` ends throws AbortError. */
export function get(path, parameters = {}, { signal } = {}) {
  return ask(urlOf(path, parameters), { signal, headers: { Accept: "application/json" } });
}

/** POST to a route that only reads, with what must not be in a URL in the body. As `get`. */
export function post(path, body, { parameters = {}, signal } = {}) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return ask(urlOf(path, parameters), { method: "POST", signal, headers, body: JSON.stringify(body) });
}

async function ask(url, request) {
  let response;
  try {
    response = await fetch(url, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new QueryError(OUT_OF_REACH);
  }
  staleness.set(response.headers.get("Inventory-Stale") ?? "");
  const value = await bodyOf(response);
  if (!response.ok) throw problemError(response, value);
  return { value, position: response.headers.get("Inventory-Position") ?? "", status: response.status };
}

/** The error that a problem document is. */
export function problemError(response, problem) {
  const sentence = problem?.detail || `The server answered with the status ${response.status}.`;
  return new QueryError(sentence, response.status, problem?.code ?? "", problem ?? {});
}

async function bodyOf(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!response.ok) return null;
    throw new QueryError("The server's answer was cut off. Try again.", response.status, "cut_off");
  }
}

/** Settings of this system, read once: gateway, token_required, timezone, loan_days, release. */
export const settings = observable(null);

/** Load the settings; tries again until they are there. */
export async function loadSettings() {
  for (let wait = 500; ; wait = Math.min(5000, wait * 2)) {
    try {
      settings.set((await get("/page/settings.json")).value);
      return;
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
