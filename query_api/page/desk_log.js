// What was done on this page since it was loaded: each command, how it went, and how to undo it.
import { observable } from "./observable.js";
import { getWithWrites, postWithWrites, send } from "./gateway.js";
import { QueryError } from "./query_api.js";

const MOST_ENTRIES = 200;
const NOT_THERE = new Set(["unknown_title", "removed"]);
const STATED = new Set(["done", "unchanged", "refused"]);

/**
 * Newest first: `{key, command, state, at}`; then `receipt` or `error`, `title`, `due_at`, `user`. `state` is
 * waiting, sending, token, repeating, done, unchanged or refused; `undo`: none, sent or done.
 */
export const entries = observable([]);

let count = 0;

/** Send a command; it is the first line of the list from now on. Returns its receipt, or null if refused. */
export async function carryOut(command, { undoes = null } = {}) {
  const key = (count += 1);
  const stop = new AbortController();
  const entry = { key, command, undoes, stop, state: "waiting", at: Date.now(), undo: "none" };
  entries.set([entry, ...entries.value].slice(0, MOST_ENTRIES));
  try {
    const { receipt, replayed } = await send(command, { report: (progress) => change(key, progress), signal: stop.signal });
    change(key, { state: receipt.events.length ? "done" : "unchanged", receipt, replayed });
    describe(key, command, receipt);
    return receipt;
  } catch (error) {
    change(key, { state: "refused", error });
    if (!NOT_THERE.has(error.code)) describe(key, command, null);
    return null;
  }
}

/** Say whose copy comes back, where the gateway asked. */
export function answer(entry, user) {
  change(entry.key, { answered: true });
  return carryOut({ ...entry.command, user_id: user });
}

export const isOpen = (entry) => !STATED.has(entry.state);

/** Whether one command undoes what this one did. */
export function canUndo(entry) {
  const { state, receipt, undo } = entry;
  if (state !== "done" || undo !== "none" || receipt.events.length !== 1) return false;
  return receipt.events[0].type in UNDOING && !finality(entry);
}

/** Why no command undoes what this one did, and what to do instead; empty: one does, or nothing was done. */
export function finality({ state, command }) {
  if (state !== "done") return "";
  if (command.type === "RenewLoan") return "No command takes a renewal back: it stays due on that day.";
  if (command.type === "WithdrawCopies" && command.user_id) {
    return "No command opens this loan again. If the copy turns up, add it under Copies.";
  }
  return "";
}

/** Send the command that undoes an entry's. Throws QueryError if what was there before can't be read. */
export async function undo(entry) {
  change(entry.key, { undo: "sent" });
  try {
    const [{ type, version }] = entry.receipt.events;
    const command = await UNDOING[type](entry, version);
    const done = await carryOut({ ...command, isbn: entry.receipt.isbn }, { undoes: entry.key });
    change(entry.key, { undo: done ? "done" : "none" });
  } catch (error) {
    change(entry.key, { undo: "none" });
    throw error;
  }
}

/** By the event that a command made: the command that undoes it. `finality` says which have none. */
const UNDOING = {
  BookBorrowed: ({ command }) => ({ type: "ReturnBook", user_id: command.user_id }),
  BookReturned: async (entry) => ({ type: "BorrowBook", user_id: await borrowerOf(entry) }),
  BookAdded: () => ({ type: "RemoveBook" }),
  BookRemoved: async ({ receipt }, version) => {
    const { title, author, quantity } = await before(receipt.isbn, version);
    return { type: "AddBook", title, author, quantity };
  },
  CopiesAdded: ({ command }) => ({ type: "WithdrawCopies", quantity: command.quantity, reason: "miscount" }),
  CopiesWithdrawn: ({ command }) => ({ type: "AddCopies", quantity: command.quantity }),
  DetailsCorrected: async ({ receipt }, version) => {
    const { title, author } = await before(receipt.isbn, version);
    return { type: "CorrectDetails", title, author };
  },
};

const before = async (isbn, version) => (await getWithWrites(`/inventory/${isbn}`, { version: version - 1 })).value;

async function borrowerOf({ command, receipt, user }) {
  if (command.user_id ?? user) return command.user_id ?? user;
  const [partition, offset] = receipt.position.split(":").map(Number);
  const only = { isbn: receipt.isbn, since: `${partition}:${offset - 1}`, until: receipt.position };
  return (await getWithWrites("/events", only)).value.items[0]?.data.user_id;
}

/** Add to an entry what its receipt does not have: the title, a due date, whose copy came back. */
async function describe(key, command, receipt) {
  try {
    if (receipt?.events.length && command.type === "ReturnBook" && !command.user_id) {
      change(key, { user: await borrowerOf({ command, receipt }) });
    }
    if (receipt && (command.type === "BorrowBook" || command.type === "RenewLoan")) {
      const { value } = await postWithWrites("/loans/search", { isbn: receipt.isbn, user_id: command.user_id });
      if (value.items.length) change(key, { title: value.items[0].title, due_at: value.items[0].due_at });
      return;
    }
    const [event] = receipt?.events ?? [];
    const value = event?.type === "BookRemoved" ? await before(receipt.isbn, event.version) : (await getWithWrites(`/inventory/${command.isbn}`)).value;
    change(key, { title: value.title, available: value.available, quantity: value.quantity });
  } catch (error) {
    // The number says which title it is; the line only lacks its name
    if (!(error instanceof QueryError)) throw error;
  }
}

function change(key, changes) {
  entries.set(entries.value.map((entry) => (entry.key === key ? { ...entry, ...changes } : entry)));
}
