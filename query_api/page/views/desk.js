// The desk: one box for a scanner, the kinds of work, and the list of what was done.
import { html, useEffect, useRef } from "../vendor/htm-preact.js";
import { DeskForm } from "../components/desk_form.js";
import { DoneList, sentenceOf } from "../components/done_list.js";
import { Empty } from "../components/states.js";
import { TokenForm, useTokenWanted } from "../components/token.js";
import { isOpen, entries } from "../desk_log.js";
import { desk, leave, scanned, startWork, WORKS } from "../desk_work.js";
import { actor, nameActor } from "../gateway.js";
import { counted } from "../format.js";
import { useObservable } from "../observable.js";

export function Desk() {
  const { work, user, form, note } = useObservable(desk);
  const done = useObservable(entries);
  const wanted = useTokenWanted();
  const box = useRef(null);
  const toBox = () => box.current?.focus();
  useKeysForBox(box);
  useEffect(() => {
    // The arrow keys go from one kind of work to the next: the focus stays with them
    if (!form && !wanted && document.activeElement?.name !== "work") toBox();
  }, [work, user, form, wanted]);
  const open = done.filter(isOpen).length;
  return html`
    <div class="view-head"><h1>Desk</h1><${ActorBox} onDone=${toBox} /></div>
    <${WorkChoice} work=${work} onChosen=${toBox} />
    ${wanted && html`<${TokenForm} />`}
    <section class="panel desk-station" aria-label=${WORKS[work].name}>
      <${ScanBox} box=${box} work=${work} user=${user} />
      ${WORKS[work].card && user && html`<${Borrower} user=${user} work=${work} onDone=${toBox} />`}
      <div role="alert" class="desk-note-place">${note && html`<p class="desk-note" key=${note.key}>${note.text}</p>`}</div>
      ${form && html`<${DeskForm} key=${`${work} ${form.isbn}`} work=${work} isbn=${form.isbn} />`}
    </section>
    <section class="desk-done">
      <div class="view-head"><h2>Done here</h2><p class="quiet small">${open ? `${counted(open, "command")} without an answer yet` : ""}</p></div>
      <p class="visually-hidden" role="status">${sentenceOf(done.find((entry) => !isOpen(entry)))}</p>
      ${done.length
        ? html`<div class="panel" onClick=${(event) => event.target.closest("button") && toBox()}><${DoneList} entries=${done} label="What was done here, newest first" /></div>`
        : html`<${Empty} title="Nothing yet"><p>${WORKS[work].help}</p><//>`}
    </section>`;
}

function ScanBox({ box, work, user }) {
  const submit = (event) => {
    event.preventDefault();
    // Read and emptied in one step: the scanner goes on typing
    const text = box.current.value;
    box.current.value = "";
    scanned(text);
  };
  const escape = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    if (box.current.value) box.current.value = "";
    else leave();
  };
  const expected = WORKS[work].card && !user ? "Borrower’s card" : WORKS[work].card ? "Title, or the next card" : "Title";
  return html`<form class="scan-form" onSubmit=${submit}>
    <label for="scan">${expected}</label>
    <div class="scan-row">
      <input id="scan" ref=${box} class="scan-box" autocomplete="off" autocapitalize="off" spellcheck=${false} maxlength="300" dir="auto"
        enterkeyhint="go" aria-describedby="scan-help" onKeyDown=${escape} />
      <button class="primary">${WORKS[work].card && !user ? "Next" : WORKS[work].verb}</button>
    </div>
    <p id="scan-help" class="small quiet">${WORKS[work].help} Esc clears.</p>
  </form>`;
}

function Borrower({ user, work, onDone }) {
  const { loans } = useObservable(desk);
  const end = () => {
    leave();
    onDone();
  };
  return html`<div class="borrower">
    <p><span class="quiet">${WORKS[work].to}</span> <b class="borrower-name"><bdi>${user}</bdi></b>${" "}
      ${loans && html`<span class="badge ${loans.overdue ? "bad" : ""}">${counted(loans.count, "loan")}${loans.more ? " or more" : ""}${loans.overdue ? `, ${loans.overdue} overdue` : ""}</span>`}</p>
    <button type="button" onClick=${end}>Next borrower</button>
  </div>`;
}

function WorkChoice({ work, onChosen }) {
  // A click by the mouse has a number, one by the keyboard has none
  const chosen = (event) => (event.detail > 0 || event.key === "Enter") && onChosen();
  return html`<fieldset class="choices desk-works" onClick=${chosen} onKeyDown=${chosen}><legend class="visually-hidden">Kind of work</legend>
    ${Object.entries(WORKS).map(([name, { name: text }]) => html`<label key=${name} class="choice">
      <input type="radio" name="work" checked=${name === work} onChange=${() => startWork(name)} /><span>${text}</span>
    </label>`)}
  </fieldset>`;
}

function ActorBox({ onDone }) {
  const name = useObservable(actor);
  const submit = (event) => {
    event.preventDefault();
    onDone();
  };
  return html`<form class="actor-form" onSubmit=${submit}>
    <label for="actor">Who works here</label>
    <input id="actor" autocomplete="off" maxlength="200" dir="auto" placeholder="nobody is named" defaultValue=${name}
      onChange=${(event) => nameActor(event.target.value.trim())} />
  </form>`;
}

/** What is typed while no field has the focus goes to the box: a scanner does not look where the focus is. */
function useKeysForBox(box) {
  useEffect(() => {
    const toBox = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !box.current) return;
      if (event.target.closest?.("input:not([type=radio]), select, textarea, dialog")) return;
      const onControl = event.target.closest?.("button, a, input");
      const typed = event.key.length === 1 && !(event.key === " " && onControl);
      if (typed || (event.key === "Escape" && !onControl)) box.current.focus();
    };
    document.addEventListener("keydown", toBox);
    return () => document.removeEventListener("keydown", toBox);
  }, []);
}
