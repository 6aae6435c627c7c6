// The list of what was done: each command in words, how it goes, and a button that undoes it.
import { html, useState } from "../vendor/htm-preact.js";
import { answer, canUndo, finality, isOpen, undo } from "../desk_log.js";
import { counted, dueDay, isbnText, moment } from "../format.js";

const User = ({ name }) => html`<b><bdi>${name}</bdi></b>`;
const copies = (quantity) => counted(quantity, "copy", "copies");

/** By kind of command: while it is sent, and once it is done. */
const WORDS = {
  BorrowBook: (entry) => [html`Lend to <${User} name=${entry.command.user_id} />`,
    html`Lent to <${User} name=${entry.command.user_id} />${entry.due_at && html`, due ${dueDay(entry.due_at)}`}`],
  ReturnBook: (entry) => {
    const user = entry.command.user_id ?? entry.user;
    return ["Take back", html`Returned${user && html` by <${User} name=${user} />`}`];
  },
  RenewLoan: (entry) => [html`Renew for <${User} name=${entry.command.user_id} />`,
    html`Renewed for <${User} name=${entry.command.user_id} />${entry.due_at && html`, due ${dueDay(entry.due_at)}`}`],
  AddBook: ({ command }) => ["Add", `Added with ${copies(command.quantity)}`],
  AddCopies: ({ command }) => [`Add ${copies(command.quantity)}`, `${copies(command.quantity)} added`],
  WithdrawCopies: ({ command }) => [`Withdraw ${copies(command.quantity)}`, `${copies(command.quantity)} withdrawn: ${command.reason}`],
  RemoveBook: () => ["Remove", "Removed from the inventory"],
  CorrectDetails: () => ["Correct", "Details corrected"],
};
const UNCHANGED = { RenewLoan: "It is due as late as that already", default: "It is like that already" };
const STATES = { waiting: "Waiting", sending: "Sending", token: "Waits for the token", repeating: "No answer yet", done: "Done", unchanged: "Nothing to do", refused: "Refused" };
const MARKS = { done: "✓", unchanged: "=", refused: "✕" };

export function DoneList({ entries, label }) {
  return html`<ol class="done-list" aria-label=${label}>
    ${entries.map((entry) => html`<${Line} key=${entry.key} entry=${entry} />`)}
  </ol>`;
}

function Line({ entry }) {
  const [failure, setFailure] = useState("");
  const { command, state } = entry;
  const title = entry.title ?? command.title;
  const [doing, done] = WORDS[command.type](entry);
  const reverse = () => {
    setFailure("");
    undo(entry).catch((error) => setFailure(error.message));
  };
  return html`<li class="done-line ${isOpen(entry) ? "open" : state} ${entry.undo === "done" ? "undone" : ""}">
    <span class="done-mark" aria-hidden="true">${MARKS[state] ?? html`<span class="spinner"></span>`}</span>
    <div class="done-text">
      <p><span class="visually-hidden">${STATES[state]}: </span><a class="done-title" href=${`/titles/${command.isbn}`}><bdi>${title ?? isbnText(command.isbn)}</bdi></a>
        ${" "}<span class="done-what">${state === "done" ? done : doing}</span></p>
      ${noteOf(entry)}
      ${failure && html`<p class="done-note bad" role="alert">It can't be undone just now: ${failure}</p>`}
    </div>
    <div class="done-end">
      ${canUndo(entry) && html`<button type="button" onClick=${reverse} aria-label=${`Undo: ${title ?? command.isbn}`}>Undo</button>`}
      ${entry.undo !== "none" && html`<span class="badge">${entry.undo === "done" ? "Undone" : "Undoing"}</span>`}
      ${state === "repeating" && html`<button type="button" onClick=${() => entry.stop.abort()}>Stop repeating</button>`}
      <time class="small quiet" datetime=${new Date(entry.at).toISOString()}>${moment(entry.at).split(", ").at(-1)}</time>
    </div>
  </li>`;
}

function noteOf(entry) {
  const { command, state, error, reason, attempt, undoes, replayed } = entry;
  if (state === "repeating") {
    return html`<p class="done-note warn">${reason} It is not known whether this was done. It is repeated with the same id,
      which has no second effect, until that is known (${counted(attempt, "repeat")}).</p>`;
  }
  if (state === "refused") {
    return html`<p class="done-note bad">${error.message} ${error.advice}</p>
      ${!entry.answered && error.borrowers?.length > 0 && html`<p class="done-choices">${error.borrowers.map((user) => html`
        <button type="button" key=${user} onClick=${() => answer(entry, user)}><bdi>${user}</bdi></button>`)}</p>`}`;
  }
  if (state === "unchanged") return html`<p class="done-note">${UNCHANGED[command.type] ?? UNCHANGED.default}. Nothing was changed.</p>`;
  if (state === "done" && replayed) return html`<p class="done-note">An earlier attempt had done it. Nothing was done twice.</p>`;
  if (undoes) return html`<p class="done-note">This undoes an earlier line.</p>`;
  const final = finality(entry);
  return final && html`<p class="done-note">${final}</p>`;
}

/** The newest outcome as one sentence, for people who hear the page. */
export function sentenceOf(entry) {
  if (!entry) return "";
  const name = entry.title ?? entry.command.title ?? entry.command.isbn;
  if (entry.state === "refused") return `Refused: ${name}. ${entry.error.message}`;
  return `${STATES[entry.state]}: ${name}`;
}
