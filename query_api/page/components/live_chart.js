// A chart of the last minutes on a canvas. It is a slider for keyboards and screen readers, and a table for everybody.
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";

const HEIGHT_PX = 180;
const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6"];
const short = new Intl.NumberFormat(undefined, { notation: "compact" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const time = (seconds) => clock.format(new Date(seconds * 1000));

/**
 * `times` in seconds since 1970; `series`: `[{name, values}]`; `format(value)` is a value in words. `tick(value)` is a
 * value at the axis, and `steps` are the distances that its values may have, where thousands would not be round.
 */
export function LiveChart({ title, times, series, format, tick = short.format, steps }) {
  const place = useRef(null);
  const chart = useRef(null);
  const [chosen, setChosen] = useState(null);
  const newest = times.length - 1;
  const at = chosen === null ? newest : Math.min(chosen, newest);
  const names = series.map(({ name }) => name).join("\n");
  const data = [times, ...series.map(({ values }) => values)];

  useEffect(() => {
    let ended = false;
    const ends = [];
    import("../vendor/uplot.js").then(({ default: UPlot }) => {
      if (ended) return;
      const plot = new UPlot(options(place.current.clientWidth, series, tick, steps), data, place.current);
      chart.current = plot;
      const resize = new ResizeObserver(() => place.current && plot.setSize({ width: place.current.clientWidth, height: HEIGHT_PX }));
      resize.observe(place.current);
      const repaint = () => plot.redraw(false, true);
      const theme = new MutationObserver(repaint);
      theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
      ends.push(() => resize.disconnect(), () => theme.disconnect(), () => plot.destroy());
    });
    return () => {
      ended = true;
      chart.current = null;
      for (const end of ends) end();
    };
  }, [names]);

  useEffect(() => chart.current?.setData(data), [times, series]);
  useEffect(() => {
    const plot = chart.current;
    if (plot && chosen !== null) plot.setCursor({ left: plot.valToPos(times[at], "x"), top: HEIGHT_PX / 3 });
    else plot?.setCursor({ left: -10, top: -10 });
  }, [chosen, times]);

  const move = (event) => {
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, Home: 0, End: newest, Escape: null }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    setChosen(next === null ? null : Math.max(0, Math.min(newest, next)));
  };
  const words = series.map(({ name, values }) => `${series.length > 1 ? `${name}: ` : ""}${format(values[at])}`).join(", ");
  return html`<figure class="live-chart panel">
    <figcaption><h3>${title}</h3><p class="quiet small">${chosen === null ? "now" : time(times[at])}: ${words || "nothing"}</p></figcaption>
    <div class="live-chart-canvas" ref=${place} role="slider" tabindex="0" aria-label=${`${title}, the last minutes`} aria-valuemin="0"
      aria-valuemax=${newest} aria-valuenow=${at} aria-valuetext=${`${time(times[at])}: ${words}`} onKeyDown=${move} onBlur=${() => setChosen(null)}></div>
    ${series.length > 1 && html`<ul class="live-chart-key">${series.map(({ name }, index) => html`<li key=${name}><span class="key-${index % COLOURS.length}" aria-hidden="true"></span>${name}</li>`)}</ul>`}
    <details><summary>As a table</summary><div class="live-chart-table" tabindex="0" role="region" aria-label=${`${title}, as a table`}><table>
      <thead><tr><th scope="col">Time</th>${series.map(({ name }) => html`<th key=${name} scope="col">${name}</th>`)}</tr></thead>
      <tbody>${times.map((seconds, index) => [seconds, index]).reverse().map(([seconds, index]) => html`<tr key=${seconds}>
        <th scope="row">${time(seconds)}</th>${series.map(({ name, values }) => html`<td key=${name}>${format(values[index])}</td>`)}</tr>`)}</tbody>
    </table></div></details>
  </figure>`;
}

function options(width, series, tick, steps) {
  const axis = {
    stroke: () => colour("--ink-2"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false },
    font: `12px ${colour("--sans")}`, size: 40,
  };
  const valueAxis = {
    ...axis, ...(steps && { incrs: steps }), values: (_, values) => values.map((value) => tick(value)),
    size: (_, texts) => 14 + 7 * Math.max(3, ...(texts ?? []).map((text) => text.length)),
  };
  return {
    width, height: HEIGHT_PX, legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, (high ?? 1) * 1.1)] } },
    axes: [{ ...axis, size: 28, space: 90, values: (_, seconds) => seconds.map(time) }, valueAxis],
    series: [{}, ...series.map(({ name }, index) => ({
      label: name, width: 2, stroke: () => colour(COLOURS[index % COLOURS.length]), points: { show: false },
      ...(series.length === 1 && { fill: () => colour("--accent-soft") }),
    }))],
  };
}
