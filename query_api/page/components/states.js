// What a view shows instead of content: loading, nothing, an error.
import { html, useEffect, useState } from "../vendor/htm-preact.js";

const PATIENCE_MS = 250;

/** Says that something is being loaded, unless it is there at once. */
export function Loading({ what = "Loading" }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return html`<p class="state loading" role="status">${late ? html`<span class="spinner" aria-hidden="true"></span>${what}…` : ""}</p>`;
}

/** Says that there is nothing, and what to do about it. */
export function Empty({ title, children }) {
  return html`<div class="state empty" role="status"><p class="state-title">${title}</p>${children}</div>`;
}

/** An error as a sentence; `retry` tries again. */
export function ErrorNote({ error, retry }) {
  return html`<div class="state error" role="alert">
    <p class="state-title">${error.status === 0 ? "No connection" : "That did not work"}</p>
    <p>${error.message}</p>
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}
