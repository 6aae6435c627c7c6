// Commands to the gateway: each has an id of its own, and is repeated with it until its outcome is known.
import { observable } from "./observable.js";
import { get, post, settings } from "./query_api.js";
import { Refusal, refusalOf } from "./refusals.js";

const ANSWER_LIMIT_MS = 40_000; // The gateway itself answers after 30 s
const TIME_LIMIT_MS = 2_000;
const EXPIRY_MS = 5_000; // After which a gateway does not begin to decide a command: another one may
const CLOCKS_APART_MS = 500; // By which the clocks of gateways may differ
const SHORTEST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;
const NOT_THERE_YET = "not_there_yet";

/** The gateway's token: `wanted` while commands wait for one; `reason`: why the last one did not do. */
export const token = observable({ value: stored("token"), wanted: false, reason: "" });

/** Who works at this desk, for the events; empty: nobody is named. */
export const actor = observable(stored("actor"));

/** The number of commands whose outcome is not known yet. */
export const open = observable(0);

const tails = new Map(); // By title: the end of its last command
let current = 0; // Which gateway is used: the next one after an attempt without an answer
const written = new Map(); // By partition: the offset of the last receipt

export function giveToken(value) {
  store("token", value);
  token.set({ value, wanted: false, reason: "" });
}
export function nameActor(name) {
  store("actor", name);
  actor.set(name);
}

/**
 * Carry out a command; those of one title follow each other. Returns `{receipt, replayed}`. `report` is called
 * with `{state: "sending"}`, `{state: "token"}` and `{state: "repeating", attempt, reason}`. Throws Refusal.
 */
export function send(command, { report = () => {}, signal } = {}) {
  const header = { id: newId(), time: new Date().toISOString() };
  const before = tails.get(command.isbn);
  open.set(open.value + 1);
  const result = (before ?? Promise.resolve()).then(() => untilKnown(command, header, report, signal));
  const tail = result.catch(() => {}).then(() => {
    open.set(open.value - 1);
    if (tails.get(command.isbn) === tail) tails.delete(command.isbn);
  });
  tails.set(command.isbn, tail);
  return result;
}

/** GET from the query API what includes one's own writes; `behind`: the answer lacks some of them still. */
export const getWithWrites = (path, parameters = {}, options = {}) =>
  withWrites((after) => get(path, { ...parameters, after }, options));

/** As getWithWrites, with what must not be in a URL in a body. */
export const postWithWrites = (path, body, options = {}) => withWrites((after) => post(path, body, { ...options, parameters: { after } }));

async function withWrites(read) {
  const after = [...written].map(([partition, offset]) => `${partition}:${offset}`).join(",");
  try {
    return { ...(await read(after)), behind: false };
  } catch (error) {
    if (error.code === "bad_position") written.clear(); // Another store has taken the place of this one
    else if (error.code !== NOT_THERE_YET) throw error;
    return { ...(await read("")), behind: true };
  }
}

async function untilKnown(command, header, report, signal) {
  report({ state: "sending" });
  for (let attempt = 1; ; attempt += 1) {
    const used = token.value.value;
    const { response, value, reason, until = 0 } = await attemptOf(command, header, used);
    if (response?.status === 401) {
      report({ state: "token" });
      await anotherToken(used);
      report({ state: "sending" });
      continue;
    }
    if (!reason && response.ok) {
      const [partition, offset] = value.position.split(":").map(Number);
      written.set(partition, Math.max(offset, written.get(partition) ?? 0));
      return { receipt: value, replayed: response.headers.get("Idempotency-Replayed") === "true" };
    }
    if (!reason) throw refusalOf(response.status, value);
    current += 1;
    report({ state: "repeating", attempt, reason });
    const backOff = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** Math.min(attempt - 1, 8)) * (0.75 + Math.random() / 2);
    await pause(Math.max(backOff, until - performance.now()), signal);
  }
}

/**
 * One request. `reason`: why its outcome is not known, or why nothing was done yet; `until`: by performance.now(),
 * when the gateway can't begin to decide it any more. A refusal leaves nothing in the log: another gateway could
 * refuse before that what this one accepts later. A single gateway decides repeats in their order.
 */
async function attemptOf(command, { id, time }, secret) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": id, "Client-Time": time };
  if (secret) headers.Authorization = `Bearer ${bytesAsText(secret)}`;
  if (actor.value.trim()) headers.Actor = bytesAsText(actor.value.trim());
  let url = "";
  let until;
  try {
    url = await gatewayUrl();
    let limit = ANSWER_LIMIT_MS;
    if (settings.value.gateways.length > 1) {
      headers["Expiry-Time"] = new Date((await timeAt(url)) + EXPIRY_MS).toISOString();
      limit = EXPIRY_MS + CLOCKS_APART_MS;
      until = performance.now() + limit; // At the latest: the gateway read its clock before
    }
    const body = JSON.stringify(command);
    const response = await fetch(`${url}/commands`, { method: "POST", headers, body, signal: AbortSignal.timeout(limit), cache: "no-store" });
    const value = await response.json();
    if (response.status === 504) return { response, until, reason: "Kafka has not confirmed it yet." };
    if (response.status === 503 && value.code !== "unwritable") return { response, reason: "The gateway can't write just now." };
    if (response.status >= 500 && response.status !== 503) return { response, until, reason: "The gateway failed." };
    return { response, value };
  } catch (error) {
    if (error instanceof Refusal) throw error;
    return { until, reason: error.name === "TimeoutError" ? `The gateway at ${url} is too slow.` : `The gateway at ${url} does not answer, or does not allow this page.` };
  }
}

/** The gateway's clock, in ms since 1970. A gateway that is frozen does not get the command. */
async function timeAt(url) {
  const response = await fetch(`${url}/time`, { signal: AbortSignal.timeout(TIME_LIMIT_MS), cache: "no-store" });
  return Date.parse((await response.json()).time);
}

async function gatewayUrl() {
  const { gateways } = settings.value ?? (await changed(settings));
  if (!gateways.length) throw new Refusal("This system has no gateway.", "Whoever runs it can start one: library gateway.");
  return gateways[current % gateways.length];
}

async function anotherToken(used) {
  while (token.value.value === used || token.value.wanted) {
    if (!token.value.wanted) {
      store("token", "");
      token.set({ value: "", wanted: true, reason: used ? "The gateway does not accept this token." : "" });
      used = "";
    }
    await changed(token);
  }
}

/** UTF-8 as `fetch` takes it in a header: one character for each byte. */
const bytesAsText = (text) => String.fromCharCode(...new TextEncoder().encode(text));

function newId() {
  // randomUUID is only there over HTTPS
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

const changed = (source) => new Promise((resolve) => {
  const end = source.subscribe((value) => {
    end();
    resolve(value);
  });
});

const pause = (ms, signal) => new Promise((resolve, reject) => {
  const givenUp = () => reject(new Refusal("Given up: it may have been done, or not.", "The title's history shows which."));
  if (signal?.aborted) givenUp();
  signal?.addEventListener("abort", givenUp);
  setTimeout(resolve, ms);
});

function stored(name) {
  try {
    return window.sessionStorage.getItem(name) ?? "";
  } catch {
    return ""; // A browser may forbid storage: the value holds until the page is loaded again
  }
}

function store(name, value) {
  try {
    window.sessionStorage.setItem(name, value);
  } catch { /* As above */ }
}

window.addEventListener("beforeunload", (event) => {
  if (open.value) event.preventDefault();
});
