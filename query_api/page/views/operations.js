// How the system is: what is behind, what is broken, and what to do about it.
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { LiveChart } from "../components/live_chart.js";
import { ErrorNote, Loading } from "../components/states.js";
import { Services } from "../components/services.js";
import { findings } from "../findings.js";
import { counted, duration, exactMoment, fromNow, isbnText, number } from "../format.js";
import { get, QueryError } from "../query_api.js";

const RETRY_MS = 2_000;
/** Between the values at the axis of ages: round in seconds, minutes, hours or days. */
const AGE_STEPS_S = [1, 2, 5, 10, 20, 30, ...[1, 2, 5, 10, 20, 30, 60, 120, 240, 480].map((m) => 60 * m), ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000].map((d) => 86_400 * d)];
const HEALTH = {
  caught_up: ["Up to date", "good"], behind: ["Behind", "warn"], replaying: ["Replaying", "warn"],
  stopped: ["Stopped", "bad"], stuck: ["Stuck", "bad"],
};

export function Operations() {
  const [{ report, error }, retry] = useReport();
  if (!report) return html`<h1>Operations</h1>${error ? html`<${ErrorNote} error=${error} retry=${retry} />` : html`<${Loading} what="Asking Kafka" />`}`;
  const history = report.history;
  const times = history.map((sample) => Date.parse(sample.time) / 1000);
  return html`
    <div class="view-head"><h1>Operations</h1><p class="quiet small">Sampled every ${report.interval_seconds} s</p></div>
    ${error && html`<${ErrorNote} error=${error} retry=${retry} />`}
    <${Verdict} report=${report} />
    <${Figures} report=${report} />
    <${Services} report=${report} />
    <${Groups} groups=${report.groups} trouble=${report.groups_trouble} />
    <div class="operations-charts">
      <${LiveChart} title="Events a second" times=${times} format=${(value) => `${perSecond(value)} a second`}
        series=${[{ name: "Events a second", values: history.map((sample) => sample.events_per_second) }]} />
      <${LiveChart} title="Lag in events" times=${times} format=${(value) => (value == null ? "unknown" : counted(value, "event"))}
        series=${byGroup(report, "lag")} />
      <${LiveChart} title="Lag in seconds" times=${times} format=${(value) => (value == null ? "unknown" : age(value))} tick=${age} steps=${AGE_STEPS_S}
        series=${byGroup(report, "lag_seconds")} />
    </div>
    <${Differences} audit=${report.audit} />
    <${Held} held=${report.held} />
  `;
}

/** A series of each group: a member of the samples, null where it is unknown. */
const byGroup = ({ groups, history }, member) => groups.map(({ name }) => ({ name, values: history.map((sample) => sample[member][name] ?? null) }));

/** The answer of /operations, read again at the interval of its samples; and a function that reads it at once. */
function useReport() {
  const [answer, setAnswer] = useState({ report: null, error: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const load = async () => {
      let pause = RETRY_MS;
      try {
        const report = (await get("/operations", {}, { signal: abort.signal })).value;
        setAnswer({ report, error: null });
        pause = 1000 * report.interval_seconds;
      } catch (error) {
        if (!(error instanceof QueryError)) return;
        setAnswer((now) => ({ report: now.report, error }));
      }
      timer = setTimeout(load, pause);
    };
    load();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [round]);
  return [answer, () => setRound(round + 1)];
}

function Verdict({ report }) {
  const { broken, late } = findings(report);
  const kind = broken.length ? "bad" : late.length ? "warn" : "good";
  const title = broken.length ? "Something is broken" : late.length ? "Behind, and catching up" : "Everything is up to date";
  // Only the title is announced: the numbers change with every sample
  return html`<section class="verdict ${kind}" aria-labelledby="verdict">
    <div role="status"><h2 id="verdict">${title}</h2></div>
    ${broken.length + late.length > 0 && html`<ul>${[...broken, ...late].map((text) => html`<li key=${text}><bdi>${commands(text)}</bdi></li>`)}</ul>`}
  </section>`;
}

function Figures({ report: { api, gateways, other_apis: others, events_per_second: rate } }) {
  const ready = gateways.filter((gateway) => gateway.ready).length;
  const answering = 1 * api.ready + others.filter((other) => other.ready).length;
  const cards = [
    ["Gateways", gateways.length ? readyOf(ready, gateways.length) : "None", ready === gateways.length, gateways.length ? "take commands" : "commands go to Kafka directly"],
    ["Query APIs", readyOf(answering, 1 + others.length), answering === 1 + others.length, "answer this page"],
    ["Not in the answers yet", counted(api.lag, "event"), !api.lag_seconds || api.lag_seconds < 10, api.lag_seconds ? `the oldest is ${duration(api.lag_seconds)} old` : "nothing waits"],
    ["Coming in", `${perSecond(rate)} a second`, true, "events, in the last seconds"],
  ];
  return html`<dl class="service-cards">${cards.map(([name, value, good, note]) => html`<div key=${name} class="panel">
    <dt>${name}</dt><dd class=${good ? "" : "bad"}>${value}</dd><dd class="quiet small">${note}</dd></div>`)}</dl>`;
}

const readyOf = (ready, all) => (ready === all ? (all === 1 ? "Ready" : `${number(all)} ready`) : `${number(ready)} of ${number(all)} ready`);

function Groups({ groups, trouble }) {
  return html`<section class="operations-part" aria-labelledby="groups"><h2 id="groups">Consumer groups</h2>
    ${trouble && html`<p class="field-error">Kafka does not report them: ${trouble}</p>`}
    ${!trouble && !groups.length && html`<p class="quiet">None has read the events yet.</p>`}
    ${groups.map((group) => html`<${GroupCard} key=${group.name} group=${group} />`)}</section>`;
}

function GroupCard({ group }) {
  const [text, kind] = HEALTH[group.health] ?? [group.health, ""];
  const { replay } = group;
  return html`<article class="panel group-card" aria-label=${`Group ${group.name}`}>
    <header><h3 class="mono">${group.name}</h3><span class="badge ${kind}">${text}</span></header>
    <dl class="figures">
      ${[[group.lag === 1 ? "event to handle" : "events to handle", number(group.lag)], ["oldest of them", group.lag_seconds === null ? "unknown" : group.lag_seconds ? duration(group.lag_seconds) : "–"],
        ["handled a second", perSecond(group.per_second)], [group.members?.length === 1 ? "member" : "members", group.members ? number(group.members.length) : "unknown"]]
        .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${replay && html`<div class="replay"><label>Read again: ${number(replay.done)} of ${number(replay.total)}
      <progress max=${replay.total} value=${replay.done}></progress></label></div>`}
    ${group.advice && html`<p class="group-advice">${commands(group.advice)}</p>`}
    <details><summary>${counted(group.partitions.length, "partition")}${group.members?.length ? `, ${counted(group.members.length, "member")}` : ""}</summary>
      <table><thead><tr><th scope="col">Partition</th><th scope="col">Events to handle</th><th scope="col">Oldest</th></tr></thead>
        <tbody>${group.partitions.map((part) => html`<tr key=${part.partition}><th scope="row">${part.partition}</th><td>${number(part.lag)}</td>
          <td>${part.lag_seconds === null ? "unknown" : part.lag_seconds ? duration(part.lag_seconds) : "–"}</td></tr>`)}</tbody></table>
      ${group.members?.length > 0 && html`<ul class="members">${group.members.map((member) => html`<li key=${member} class="mono small">${member}</li>`)}</ul>`}
    </details>
  </article>`;
}

function Differences({ audit }) {
  if (!audit?.details.length) return null;
  return html`<section class="operations-part" aria-labelledby="differing"><h2 id="differing">Rows that differ from their events</h2>
    <div class="panel held-panel">${audit.details.map(({ isbn, summary, event, record }) => html`<article key=${isbn}>
      <h3><a href=${`/titles/${isbn}`}><bdi>${isbnText(isbn)}</bdi></a></h3>
      <p class="field-error"><bdi>${summary}</bdi></p>
      <p class="quiet small">${event ? html`<a href=${`/events?event=${event}`}>Event ${event}</a>` : "No event"}${record && `, record ${record} of the changelog`}</p>
    </article>`)}</div>
    ${audit.differences > audit.details.length && html`<p class="quiet">And ${number(audit.differences - audit.details.length)} more: <code>library audit --once</code></p>`}
  </section>`;
}

function Held({ held }) {
  return html`<section class="operations-part" aria-labelledby="held"><h2 id="held">Held titles</h2>
    ${!held.count && html`<p class="quiet">None. A title is held while one of its events can't be applied.</p>`}
    ${held.count > 0 && html`<p>Upgrade this release or repair the event, then try again: <code>${held.retry}</code></p>
      <div class="panel held-panel">${held.titles.map((title) => html`<article key=${title.isbn}>
        <h3><a href=${`/titles/${title.isbn}`}><bdi>${title.title || isbnText(title.isbn)}</bdi></a></h3>
        <p class="field-error">${title.reason}</p>
        <p class="quiet small"><a href=${`/events?event=${title.position}`}>Event ${title.position}</a>, version ${title.version}${title.since && html`, <time datetime=${title.since} title=${exactMoment(title.since)}>${fromNow(title.since)}</time>`}</p>
      </article>`)}</div>
      ${held.count > held.titles.length && html`<p class="quiet">And ${number(held.count - held.titles.length)} more: <code>library held list</code></p>`}`}
  </section>`;
}

/** The age of the oldest event that waits; 0: none does. */
const age = (seconds) => (seconds ? duration(seconds) : "0 s");

/** A sentence with `commands` in backticks as code. */
const commands = (text) => text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));

const perSecond = (value) => (value >= 10 || !value ? number(Math.round(value)) : value.toFixed(1));
