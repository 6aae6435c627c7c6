// What surrounds every view: navigation, the state of the connection, the theme, time zones.
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { connection } from "../changes.js";
import { readerZone } from "../format.js";
import { useObservable } from "../observable.js";
import { settings, staleness } from "../query_api.js";

export function Shell({ views, path, main, children }) {
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href="/" aria-label="Library: the inventory"><${Mark} /><span>Library</span></a>
      <nav aria-label="Views">
        ${views.filter((view) => view.listed).map(
          (view) => html`<a key=${view.path} href=${view.path} aria-current=${view.path === path ? "page" : undefined}>${view.name}</a>`,
        )}
      </nav>
      <div class="top-end"><${Connection} /><${ThemeButton} /></div>
    </header>
    <${Staleness} />
    <main id="main" tabindex="-1" ref=${main}>${children}</main>
    <${Foot} />
  `;
}

function Mark() {
  return html`<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
    <rect x="2" y="3" width="5" height="18" rx="1" /><rect x="8.5" y="6" width="5" height="15" rx="1" />
    <rect x="15.5" y="3.4" width="5" height="18" rx="1" transform="rotate(-11 18 12)" />
  </svg>`;
}

const STATES = { live: "Live", connecting: "Connecting", lost: "Connection lost" };

function Connection() {
  const { state, reason } = useObservable(connection);
  return html`<p class="connection ${state}" role="status" title=${reason || undefined}>
    <span class="dot" aria-hidden="true"></span>${STATES[state]}
  </p>`;
}

function Staleness() {
  const stale = useObservable(staleness);
  const { state, reason } = useObservable(connection);
  const text = state === "lost" ? `${reason} What you see may be old.` : stale && `What you see may be old: ${stale}.`;
  return html`<div class="notice-place" role="status">${text && html`<p class="notice">${text}</p>`}</div>`;
}

function ThemeButton() {
  const root = document.documentElement;
  const [theme, setTheme] = useState(root.dataset.theme);
  useEffect(() => {
    const changes = new MutationObserver(() => setTheme(root.dataset.theme));
    changes.observe(root, { attributeFilter: ["data-theme"] });
    return () => changes.disconnect();
  }, []);
  const other = theme === "dark" ? "light" : "dark";
  const change = () => {
    root.dataset.theme = root.dataset.themeChosen = other;
    try {
      window.localStorage.setItem("theme", other);
    } catch {
      // A browser may forbid storage: the theme holds until the page is loaded again
    }
  };
  return html`<button type="button" class="icon-button" onClick=${change} aria-label=${`Use the ${other} theme`}>
    <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
      <circle cx="12" cy="12" r="8" fill="none" stroke="currentColor" stroke-width="2" /><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" />
    </svg>
  </button>`;
}

function Foot() {
  const known = useObservable(settings);
  const zone = readerZone();
  return html`<footer class="foot">
    <p>Times are in your zone, ${zone}.${known && html` Loans are due at the end of the library's day, in ${known.timezone}.`}</p>
    <p><a href="/docs">API</a>${known && html` · Release ${known.release}`}</p>
  </footer>`;
}
