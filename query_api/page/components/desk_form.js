// The forms of the desk: add a title, its copies, correct it, remove it.
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { carryOut } from "../desk_log.js";
import { leave, titleOf } from "../desk_work.js";
import { counted, isbnText } from "../format.js";
import { ErrorNote, Loading } from "./states.js";

const REASONS = { lost: "lost", damaged: "damaged", sold: "sold", miscount: "counted wrong" };
const MOST_COPIES = 1_000_000;

export function DeskForm({ work, isbn }) {
  const [title, setTitle] = useState(undefined);
  const [error, setError] = useState(null);
  const form = useRef(null);
  const load = () => titleOf(isbn).then(setTitle, setError);
  useEffect(() => { load(); }, [isbn]);
  useEffect(() => {
    form.current?.querySelector("input:not([type=radio]), select, button")?.focus();
  }, [title]);
  const submit = (event) => {
    event.preventDefault();
    carryOut({ isbn, ...COMMANDS[work](new FormData(event.target)) });
    leave();
  };
  if (error) return html`<${ErrorNote} error=${error} retry=${() => { setError(null); load(); }} />`;
  if (title === undefined) return html`<${Loading} what="Looking the title up" />`;
  const Fields = FIELDS[work];
  const misplaced = work === "add" ? title : !title;
  return html`<form class="desk-form" ref=${form} onSubmit=${submit} onKeyDown=${(event) => event.key === "Escape" && leave()}>
    <h2>${title ? html`<bdi>${title.title}</bdi>` : isbnText(isbn)}</h2>
    <p class="quiet">${title ? html`<bdi>${title.author}</bdi> · ${isbnText(isbn)} · ${counted(title.quantity, "copy", "copies")}, ${title.available} on the shelf` : "Not in the inventory"}</p>
    ${misplaced
      ? html`<p>${work === "add" ? "This title is in the inventory already: Copies adds more of it, Correct changes its details." : "Check the number, or choose Add to bring it in."}</p>
        <div class="desk-form-end"><button type="button" onClick=${leave}>Close</button></div>`
      : html`<${Fields} title=${title} />`}
  </form>`;
}

const text = (data, name) => String(data.get(name)).trim();

/** By kind of work: the command that the form is. */
const COMMANDS = {
  add: (data) => ({ type: "AddBook", title: text(data, "title"), author: text(data, "author"), quantity: Number(data.get("quantity")) }),
  copies: (data) => {
    const quantity = Number(data.get("quantity"));
    if (data.get("reason") === "add") return { type: "AddCopies", quantity };
    const user = text(data, "user");
    return { type: "WithdrawCopies", quantity, reason: data.get("reason"), ...(user && { user_id: user }) };
  },
  correct: (data) => ({ type: "CorrectDetails", title: text(data, "title"), author: text(data, "author") }),
  remove: () => ({ type: "RemoveBook" }),
};

const FIELDS = {
  add: () => html`<${Field} name="title" label="Title" maxlength="1000" required /><${Field} name="author" label="Author" maxlength="1000" />
    <${Quantity} /><${End} verb="Add the title" />`,
  copies: Copies,
  correct: ({ title }) => html`<${Field} name="title" label="Title" maxlength="1000" required defaultValue=${title.title} />
    <${Field} name="author" label="Author" maxlength="1000" defaultValue=${title.author} /><${End} verb="Correct the details" />`,
  remove: ({ title }) => html`<p>It leaves the inventory; its history stays.</p>
    <${End} verb=${`Remove ${counted(title.quantity, "copy", "copies")} of it`} />`,
};

function Copies() {
  const [reason, setReason] = useState("add");
  return html`<${Quantity} />
    <div class="field"><label for="reason">What happens</label>
      <select id="reason" name="reason" value=${reason} onChange=${(event) => setReason(event.target.value)}>
        <option value="add">They are added</option>
        ${Object.entries(REASONS).map(([name, words]) => html`<option key=${name} value=${name}>They are withdrawn: ${words}</option>`)}
      </select></div>
    ${reason === "lost" ? html`<${Field} name="user" label="Lost by this borrower (may be empty)" maxlength="200" />` : html`<input type="hidden" name="user" value="" />`}
    <${End} verb=${reason === "add" ? "Add the copies" : "Withdraw the copies"} />`;
}

const Field = ({ name, label, ...more }) => html`<div class="field"><label for=${`field-${name}`}>${label}</label>
  <input id=${`field-${name}`} name=${name} autocomplete="off" dir="auto" ...${more} /></div>`;

const Quantity = () => html`<div class="field field-short"><label for="field-quantity">Copies</label>
  <input id="field-quantity" name="quantity" type="number" min="1" max=${MOST_COPIES} step="1" defaultValue="1" required /></div>`;

const End = ({ verb }) => html`<div class="desk-form-end"><button class="primary">${verb}</button><button type="button" onClick=${leave}>Cancel</button></div>`;
