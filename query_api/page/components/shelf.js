// How many copies of a title are on the shelf, as a bar and in words.
import { html } from "../vendor/htm-preact.js";
import { number } from "../format.js";

export function Shelf({ available, quantity }) {
  const share = quantity ? (100 * available) / quantity : 0;
  return html`<span class="shelf ${available ? "" : "none"}">
    <span class="shelf-text"><b>${number(available)}</b> of ${number(quantity)}</span>
    <span class="shelf-bar" aria-hidden="true"><span style=${{ width: `${share}%` }}></span></span>
  </span>`;
}
