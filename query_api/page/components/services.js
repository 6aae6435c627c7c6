// The processes that answer requests, and which gateway writes which partition.
import { html } from "../vendor/htm-preact.js";
import { counted, duration, number, spans } from "../format.js";

export function Services({ report: { api, audit, gateways, other_apis: others } }) {
  return html`<section class="operations-part" aria-labelledby="services"><h2 id="services">Services</h2>
    <div class="panel services-panel">
      <ul class="service-list">
        ${gateways.map((gateway) => html`<${Service} key=${gateway.url} kind="Gateway" url=${gateway.url} ready=${gateway.ready}
          note=${gateway.trouble || (gateway.partitions.length ? `writes ${gateway.partitions.length === 1 ? "partition" : "partitions"} ${spans(gateway.partitions)}` : "has no partition")} />`)}
        ${!gateways.length && html`<li><span class="quiet">No gateway: commands go to Kafka directly.</span></li>`}
        <${Service} kind="Query API" url=${window.location.origin} instance=${others.length > 0 && api.instance} ready=${api.ready}
          note=${api.trouble || "answers this page"} />
        ${others.map((other) => html`<${Service} key=${`${other.url} ${other.instance}`} kind="Query API" url=${other.url} instance=${other.instance} ready=${other.ready}
          note=${other.trouble || (other.lag ? `lacks ${counted(other.lag, "event")}` : "lacks nothing")} />`)}
        ${audit && html`<${Service} kind="Audit" url=${audit.url} ready=${audit.ready}
          note=${audit.trouble || `${counted(audit.rows_compared, "row")} compared, ${audit.differences ? `${number(audit.differences)} differ` : "all as the events make them"}`} />`}
      </ul>
      <${Partitions} partitions=${api.partitions} gateways=${gateways} />
    </div>
  </section>`;
}

/** `instance` is the name of one of several that may share the address. */
function Service({ kind, url, instance, ready, note }) {
  return html`<li><span class="service-kind">${kind}</span><span class="mono service-url"><bdi>${url}</bdi>${instance && html` <bdi class="quiet">${instance}</bdi>`}</span>
    <span class="badge ${ready ? "good" : "bad"}">${ready ? "Ready" : "Not ready"}</span><span class="service-note ${ready ? "quiet" : "bad"}"><bdi>${note}</bdi></span></li>`;
}

function Partitions({ partitions, gateways }) {
  const owners = (partition) => gateways.filter((gateway) => gateway.partitions.includes(partition)).map(({ url }) => url);
  return html`<details><summary>${counted(partitions.length, "partition")} of the event store</summary>
    <table><thead><tr><th scope="col">Partition</th><th scope="col">Written by</th><th scope="col">Not in the answers</th><th scope="col">Oldest</th></tr></thead>
      <tbody>${partitions.map(({ partition, lag, lag_seconds: age }) => html`<tr key=${partition}><th scope="row">${partition}</th>
        <td class="mono small">${owners(partition).join(", ") || "–"}</td><td>${number(lag)}</td><td>${age === null ? "unknown" : age ? duration(age) : "–"}</td></tr>`)}</tbody></table>
  </details>`;
}
