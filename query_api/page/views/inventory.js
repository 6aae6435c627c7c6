// The inventory: search, filters, order, and every title as one scrolls.
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { Empty, ErrorNote, Loading } from "../components/states.js";
import { isbnText, number } from "../format.js";
import { get } from "../query_api.js";

export function Inventory() {
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const load = () => get("/inventory", { limit: 100 }).then(({ value }) => setAnswer(value), setError);
  useEffect(() => { load(); }, []);
  return html`<h1>Inventory</h1>
    ${error && html`<${ErrorNote} error=${error} retry=${() => { setError(null); load(); }} />`}
    ${!answer && !error && html`<${Loading} what="Loading the inventory" />`}
    ${answer && !answer.items.length && html`<${Empty} title="The inventory is empty"><p>Add the first title.</p><//>`}
    ${answer && answer.items.length > 0 && html`<div class="panel"><table>
      <thead><tr><th scope="col">Title</th><th scope="col">Author</th><th scope="col">ISBN</th><th scope="col">On the shelf</th></tr></thead>
      <tbody>${answer.items.map((item) => html`<tr key=${item.isbn}>
        <td><bdi>${item.title}</bdi></td><td><bdi>${item.author}</bdi></td><td>${isbnText(item.isbn)}</td>
        <td>${number(item.available)} of ${number(item.quantity)}</td>
      </tr>`)}</tbody>
    </table></div>`}`;
}
