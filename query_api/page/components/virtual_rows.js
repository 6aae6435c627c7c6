// Renders only the rows near the window, so that a long table is as quick as a short one.
import { html, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.js";

const OVERSCAN_ROWS = 12;

/**
 * The body of a table whose rows are equally high. `row(index)` renders one; `onShow(first, last)` is told
 * which are near the window.
 */
export function VirtualRows({ count, row, onShow, onScroll }) {
  const body = useRef(null);
  const [[first, last, height], setRange] = useState([0, Math.min(count, 40), 0]);

  useLayoutEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      const rendered = body.current?.querySelector("tr[data-index]");
      const high = rendered?.getBoundingClientRect().height || height || 1;
      const above = -body.current.getBoundingClientRect().top / high;
      const from = Math.max(0, Math.floor(above) - OVERSCAN_ROWS);
      const to = Math.min(count, Math.ceil(above + window.innerHeight / high) + OVERSCAN_ROWS);
      setRange((now) => (now[0] === from && now[1] === to && now[2] === high ? now : [from, Math.max(from, to), high]));
      onShow(from, Math.max(from, to));
    };
    const later = (event) => {
      if (event.type === "scroll") onScroll?.(window.scrollY);
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    window.addEventListener("scroll", later, { passive: true });
    window.addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("scroll", later);
      window.removeEventListener("resize", later);
    };
  }, [count, onShow]);

  const step = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const here = event.target.closest?.("tr[data-index]");
    if (!by || !here) return;
    const next = body.current.querySelector(`tr[data-index="${Number(here.dataset.index) + by}"] a`);
    if (!next) return;
    event.preventDefault();
    next.focus();
  };

  const until = Math.min(last, count);
  const start = Math.min(first, until);
  const rows = [];
  for (let index = start; index < until; index += 1) rows.push(row(index));
  return html`<tbody role="rowgroup" ref=${body} onKeyDown=${step}>
    <${Spacer} rows=${start} height=${height} />${rows}<${Spacer} rows=${count - until} height=${height} />
  </tbody>`;
}

function Spacer({ rows, height }) {
  if (!rows || !height) return null;
  return html`<tr class="spacer" aria-hidden="true"><td style=${{ height: `${rows * height}px` }}></td></tr>`;
}
