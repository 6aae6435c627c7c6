// One event whole, in a dialog: what it says, its headers, its schema, its bytes.
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { eventSentence, exactMoment } from "../format.js";
import { get, QueryError } from "../query_api.js";
import { ErrorNote, Loading } from "./states.js";

const BYTES_A_LINE = 16;

export function EventWhole({ position, onClose }) {
  const dialog = useRef(null);
  const [{ event, error }, setAnswer] = useState({});
  const load = () => {
    setAnswer({});
    const [partition, offset] = position.split(":");
    get(`/events/${encodeURIComponent(partition)}/${encodeURIComponent(offset ?? "")}`).then(
      ({ value }) => setAnswer({ event: value }),
      (failure) => {
        if (!(failure instanceof QueryError)) throw failure;
        setAnswer({ error: failure });
      },
    );
  };
  useEffect(() => {
    dialog.current.showModal();
    load();
  }, []);
  const outside = (click) => click.target === dialog.current && dialog.current.close();
  return html`<dialog ref=${dialog} class="event-whole" aria-labelledby="event-whole-title" onClose=${onClose} onClick=${outside}>
    <div class="event-whole-body">
      <header><h2 id="event-whole-title">Event <span class="mono">${position}</span></h2>
        <button type="button" onClick=${() => dialog.current.close()}>Close</button></header>
      ${error ? html`<${ErrorNote} error=${error} retry=${error.status === 404 ? null : load} />` : event ? html`<${Content} event=${event} />` : html`<${Loading} what="Reading it from Kafka" />`}
    </div>
  </dialog>`;
}

function Content({ event }) {
  const schema = event.schema;
  const fields = [
    ["Type", event.type],
    ["Title", event.isbn && html`<a href=${`/titles/${event.isbn}`}>${event.isbn}</a>`],
    ["Version", event.version],
    ["Time", event.time && exactMoment(event.time)],
    ["Written", exactMoment(event.recorded_at)],
    ["Key", html`<span class="mono">${event.key}</span>`],
    ["Done by", event.actor && html`<bdi>${event.actor}</bdi>`],
    ["Command", html`<span class="mono">${event.command_id}</span>`],
    ["Schema", schema && html`<a href=${`/schemas/ids/${schema.id}`} target="_blank">${schema.name ?? "unknown here"}${schema.version ? `, version ${schema.version}` : ""} (${schema.id})</a>`],
  ];
  return html`
    ${event.error ? html`<p class="field-error">It can't be read: ${event.error}</p>` : html`<p class="whole-sentence"><bdi>${eventSentence(event)}</bdi></p>`}
    <dl class="whole-fields">${fields.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <${Pairs} title="Data" pairs=${Object.entries(event.data).map(([name, value]) => [name, dataText(name, value)])} />
    <${Pairs} title="Headers" pairs=${event.headers.map(({ name, value }) => [name, value ?? "(none)"])} />
    <h3>Bytes</h3>
    ${event.value === null ? html`<p class="quiet">The record has no value.</p>` : html`<pre class="mono whole-bytes" tabindex="0" aria-label="Bytes in hexadecimal">${dump(event.value)}</pre>`}
  `;
}

function dataText(name, value) {
  if (name === "user_id" && value === null) return "(forgotten)";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Pairs({ title, pairs }) {
  if (!pairs.length) return null;
  return html`<h3>${title}</h3><table class="whole-pairs"><tbody>
    ${pairs.map(([name, value], index) => html`<tr key=${index}><th scope="row">${name}</th><td><bdi>${value}</bdi></td></tr>`)}
  </tbody></table>`;
}

/** Lines of offset, bytes in hexadecimal, and their ASCII characters. */
function dump(hex) {
  const bytes = hex.match(/../g) ?? [];
  const lines = [];
  for (let start = 0; start < bytes.length; start += BYTES_A_LINE) {
    const line = bytes.slice(start, start + BYTES_A_LINE);
    const text = line.map((byte) => {
      const code = Number.parseInt(byte, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : "·";
    });
    lines.push(`${start.toString(16).padStart(4, "0")}  ${line.join(" ").padEnd(BYTES_A_LINE * 3 - 1)}  ${text.join("")}`);
  }
  return lines.join("\n");
}
