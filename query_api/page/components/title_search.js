// A box that finds a title by its words or its number.
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { isbnText } from "../format.js";
import { get, QueryError } from "../query_api.js";
import { readScan } from "../scans.js";

const MOST_FOUND = 8;
const TYPING_PAUSE_MS = 200;

/** `isbn`: the title that is chosen, or "". `onChange(isbn)` is called with another. */
export function TitleSearch({ isbn, onChange }) {
  const [typed, setTyped] = useState("");
  const [found, setFound] = useState([]);
  const [name, setName] = useState("");
  const box = useRef(null);
  useEffect(() => {
    setName(isbn ? isbnText(isbn) : "");
    if (isbn) ask(`/inventory/${isbn}`).then((title) => title && setName(title.title));
  }, [isbn]);
  useEffect(() => {
    if (!typed.trim()) {
      setFound([]);
      return undefined;
    }
    let current = true;
    const timer = setTimeout(async () => {
      const page = await ask("/inventory", { q: typed.trim(), limit: MOST_FOUND });
      if (current) setFound(page?.items ?? []);
    }, TYPING_PAUSE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [typed]);
  const choose = (number) => {
    setTyped("");
    onChange(number);
  };
  const submit = (event) => {
    event.preventDefault();
    const scan = readScan(box.current.value);
    if (scan.isbn) choose(scan.isbn);
    else if (found.length) choose(found[0].isbn);
  };
  if (isbn) {
    return html`<div class="loan-filter"><span class="label">Title</span>
      <div class="filter-row"><span class="chosen"><bdi>${name}</bdi></span><button type="button" onClick=${() => choose("")}>Clear</button></div></div>`;
  }
  return html`<form class="loan-filter" onSubmit=${submit}>
    <label for="of-title">Title</label>
    <input id="of-title" ref=${box} autocomplete="off" dir="auto" maxlength="200" placeholder="words, or a number" value=${typed} onInput=${(event) => setTyped(event.target.value)} />
    ${found.length > 0 && html`<ul class="found-titles" aria-label="Titles found">${found.map((title) => html`<li key=${title.isbn}>
      <button type="button" onClick=${() => choose(title.isbn)}><bdi>${title.title}</bdi><span class="small quiet">${title.on_loan} on loan</span></button></li>`)}</ul>`}
  </form>`;
}

async function ask(path, parameters) {
  try {
    return (await get(path, parameters)).value;
  } catch (error) {
    // A search that fails finds nothing; the list of loans says what is wrong with the server
    if (!(error instanceof QueryError)) throw error;
    return null;
  }
}
