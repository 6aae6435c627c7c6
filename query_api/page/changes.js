// The feed of changes: one stream for the whole page, resumed where it broke, delivered once a frame.
import { observable } from "./observable.js";
import { OUT_OF_REACH, problemError, urlOf } from "./query_api.js";

const SILENCE_LIMIT_MS = 40_000; // The server sends a heartbeat every 15 s
const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
const LONGEST_FRAME_MS = 500; // Tabs in the background have no frames

/** `state`: connecting, live or lost; `reason`: why it is lost. Set to live again by each new connection. */
export const connection = observable({ state: "connecting", reason: "" });

// Browsers allow six connections to a server: one stream serves all listeners. It has changes as rows show
// them ("shown"), or events as they are read ("read") while somebody wants those
const listeners = new Map();
const positions = { shown: "", read: "" };
let once = "shown";
let pending = [];
let present = null; // The connection, as an AbortController
let left = false; // The connection is given up for the other stream

/**
 * Call `listener(changes, reset)` for what rows show from now on, at most once a frame. `reset`: changes were
 * missed, for example because the store is another one: load everything again. Returns a function that ends it.
 */
export const followChanges = (listener) => follow(listener, "shown");

/** As `followChanges`, for events as soon as they are read; others hear nothing meanwhile, and load anew later. */
export const followEvents = (listener) => follow(listener, "read");

/** Begin the stream after the position of an answer that is shown; has no effect once the stream has begun. */
export function beginAfter(answered) {
  positions.shown ||= answered;
}

function follow(listener, wanted) {
  listeners.set(listener, wanted);
  // A moment later: a listener that takes another one's place changes nothing
  queueMicrotask(choose);
  return () => {
    listeners.delete(listener);
    queueMicrotask(choose);
  };
}

/** Change to the stream that is wanted. The one of rows goes on where it was left. */
function choose() {
  const wanted = [...listeners.values()].includes("read") ? "read" : "shown";
  if (present && wanted === once) return;
  once = wanted;
  pending = [];
  positions.read = "";
  left = Boolean(present);
  if (present) present.abort();
  else run();
}

async function run() {
  for (let failures = 0; ; failures += 1) {
    const chosen = once;
    present = new AbortController();
    left = false;
    let lost = "The server ended the connection.";
    try {
      await readStream(chosen, present, () => {
        failures = 0;
        connection.set({ state: "live", reason: "" });
      });
    } catch (error) {
      if (error.status === 400) {
        positions[chosen] = "";
        deliver([], true);
      }
      lost = error.status ? error.message : OUT_OF_REACH;
    }
    if (left) continue;
    connection.set({ state: "lost", reason: lost });
    const pause = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** Math.min(failures, 8));
    await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
  }
}

/** Read one connection to its end. `opened` is called once its beginning, a position, has come. */
async function readStream(chosen, abort, opened) {
  const headers = { Accept: "text/event-stream", ...(positions[chosen] && { "Last-Event-ID": positions[chosen] }) };
  let timer = 0;
  const expectMore = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE_LIMIT_MS);
  };
  expectMore();
  try {
    const response = await fetch(urlOf("/changes", { once: chosen }), { headers, signal: abort.signal, cache: "no-store" });
    if (!response.ok) throw problemError(response, await response.json().catch(() => null));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = lineParser(chosen);
    for (let parts = 0; ; parts += 1) {
      const { done, value } = await reader.read();
      if (done || abort.signal.aborted) return;
      expectMore();
      parse(value);
      if (!parts) opened();
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** Parses server-sent events; an event without data only moves the position. */
function lineParser(chosen) {
  let rest = "";
  let data = "";
  let identifier = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (identifier) positions[chosen] = identifier;
        if (data) queue(JSON.parse(data));
        data = identifier = "";
      } else if (line.startsWith("data: ")) {
        data += line.slice(6);
      } else if (line.startsWith("id: ")) {
        identifier = line.slice(4);
      }
    }
  };
}

function queue(change) {
  if (pending.push(change) > 1) return;
  let delivered = false;
  const flush = () => {
    if (delivered) return;
    delivered = true;
    const batch = pending;
    pending = [];
    if (batch.length) deliver(batch, false);
  };
  requestAnimationFrame(flush);
  setTimeout(flush, LONGEST_FRAME_MS);
}

function deliver(changes, reset) {
  for (const [listener, wanted] of [...listeners]) if (wanted === once) listener(changes, reset);
}
