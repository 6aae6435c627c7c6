// What the desk does with a scan: the kind of work, the borrower, and the title that a form is open for.
import { answer, carryOut, entries } from "./desk_log.js";
import { getWithWrites, postWithWrites } from "./gateway.js";
import { observable } from "./observable.js";
import { QueryError } from "./query_api.js";
import { readScan } from "./scans.js";

const CARD_LOANS = 100;

/** `card`: a borrower comes first; `command`: what a title's scan does at once; without one a form opens. */
export const WORKS = {
  lend: { name: "Lend", verb: "Lend", card: true, to: "Lending to", help: "Scan the card, then one title after the other.", command: (isbn, user_id) => ({ type: "BorrowBook", isbn, user_id }) },
  return: { name: "Return", verb: "Return", help: "Scan each title that comes back.", command: (isbn) => ({ type: "ReturnBook", isbn }) },
  renew: { name: "Renew", verb: "Renew", card: true, to: "Renewing for", help: "Scan the card, then each title to renew.", command: (isbn, user_id) => ({ type: "RenewLoan", isbn, user_id }) },
  copies: { name: "Copies", verb: "Open", help: "Scan a title to add or withdraw copies." },
  add: { name: "Add", verb: "Open", help: "Scan the number of a new title." },
  correct: { name: "Correct", verb: "Open", help: "Scan the title whose details are wrong." },
  remove: { name: "Remove", verb: "Open", help: "Scan the title that leaves the inventory." },
};

/** `work`: a name in WORKS; `user`: the borrower; `form`: `{isbn}`; `note`: what was wrong with a scan. */
export const desk = observable({ work: "lend", user: "", loans: null, form: null, note: null });

let reading = Promise.resolve(); // Scans are understood in their order, also where one has to be looked up
let notes = 0;

const set = (changes) => desk.set({ ...desk.value, ...changes });
const say = (text) => set({ note: { text, key: (notes += 1) } });

export const startWork = (work) => set({ work, user: "", loans: null, form: null, note: null });

/** Close what is open: the form, else the borrower. */
export const leave = () => set(desk.value.form ? { form: null, note: null } : { user: "", loans: null, note: null });

/** Take what was typed, or scanned. */
export function scanned(text) {
  const scan = readScan(text);
  if (scan.kind !== "nothing") reading = reading.then(() => take(scan));
  return reading;
}

async function take(scan) {
  set({ note: null });
  const known = scan.kind === "either" ? await lookedUp(scan) : scan;
  switch (known?.kind) {
    case "work":
      if (Object.hasOwn(WORKS, known.name)) startWork(known.name);
      else say(`“/${known.name}” is no kind of work. There are ${Object.keys(WORKS).map((name) => `/${name}`).join(", ")}.`);
      break;
    case "misread":
      say(`${known.text} is a title’s number with a wrong or a missing digit. Scan it again.`);
      break;
    case "title":
      takeTitle(known.isbn);
      break;
    case "card":
      takeCard(known.user);
      break;
    default:
  }
}

/** A number that may be a title's or a card's: a title's, if the inventory ever had it. */
async function lookedUp({ isbn, user }) {
  if (desk.value.work === "add") return { kind: "title", isbn };
  try {
    return (await lastEventOf(isbn)) ? { kind: "title", isbn } : { kind: "card", user };
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    say(`${user} may be a title or a card, and the inventory can't be asked: ${error.message}`);
    return null;
  }
}

function takeTitle(isbn) {
  const { work, user } = desk.value;
  const { card, command } = WORKS[work];
  if (card && !user) {
    say("Scan the borrower’s card first, then the title.");
  } else if (command) {
    carryOut(command(isbn, user)).then((receipt) => receipt && card && showLoans(user));
  } else {
    set({ form: { isbn } });
  }
}

function takeCard(user) {
  const { work } = desk.value;
  if (WORKS[work].card) {
    set({ user, loans: null });
    showLoans(user);
    return;
  }
  const asked = work === "return" && entries.value.find((entry) => entry.error?.borrowers?.includes(user) && !entry.answered);
  if (asked) answer(asked, user);
  else if (work === "return") say(`${user} is a card: a return needs the title.`);
  else say(`${user} is no title’s number.`);
}

/** How many loans the borrower has, beside the name. */
async function showLoans(user) {
  try {
    const { value } = await postWithWrites("/loans/search", { user_id: user, limit: CARD_LOANS });
    const overdue = value.items.filter((loan) => loan.overdue).length;
    if (desk.value.user === user) set({ loans: { count: value.items.length, overdue, more: value.next_cursor !== null } });
  } catch (error) {
    // A card that the library can't have is refused with the first title
    if (!(error instanceof QueryError)) throw error;
  }
}

/** The title that a form is about; null if the inventory does not have it. Throws QueryError. */
export async function titleOf(isbn) {
  const last = await lastEventOf(isbn);
  return last && last.type !== "BookRemoved" ? (await getWithWrites(`/inventory/${isbn}`)).value : null;
}

/** The title's last event; undefined if it was never in the inventory. Throws QueryError. */
async function lastEventOf(isbn) {
  return (await getWithWrites("/events", { isbn, limit: 1 })).value.items[0];
}
