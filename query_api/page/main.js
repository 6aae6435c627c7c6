// The page: its views, and which one is open.
import { html, render, useEffect, useErrorBoundary, useLayoutEffect, useRef } from "./vendor/htm-preact.js";
import { Shell } from "./components/shell.js";
import { ErrorNote } from "./components/states.js";
import { followChanges } from "./changes.js";
import { useObservable } from "./observable.js";
import { loadSettings } from "./query_api.js";
import { interceptLinks, location, match } from "./router.js";
import { Desk } from "./views/desk.js";
import { Events } from "./views/events.js";
import { Inventory } from "./views/inventory.js";
import { Loans } from "./views/loans.js";
import { Operations } from "./views/operations.js";
import { Patron } from "./views/patron.js";
import { Title } from "./views/title.js";

/** Every view: where it is, its name, its component, and whether the navigation lists it. */
const VIEWS = [
  { path: "/", name: "Inventory", component: Inventory, listed: true },
  { path: "/desk", name: "Desk", component: Desk, listed: true },
  { path: "/loans", name: "Loans", component: Loans, listed: true },
  { path: "/titles/{isbn}", name: "Title", component: Title, listed: false },
  { path: "/patrons/{token}", name: "Borrower", component: Patron, listed: false },
  { path: "/events", name: "Events", component: Events, listed: true },
  { path: "/operations", name: "Operations", component: Operations, listed: true },
];

function find(path) {
  for (const view of VIEWS) {
    const parameters = match(view.path, path);
    if (parameters) return { view, parameters };
  }
  return null;
}

function Page() {
  const here = useObservable(location);
  const found = find(here.path);
  const main = useRef(null);
  const first = useRef(true);
  const key = found ? `${found.view.path} ${Object.values(found.parameters).join(" ")}` : here.path;

  useLayoutEffect(() => {
    document.title = found ? `${found.view.name} · Library` : "Not found · Library";
    // The heading of the new view gets the focus, as after loading a document
    if (!first.current) main.current.focus({ preventScroll: true });
    first.current = false;
  }, [key]);

  return html`<${Shell} views=${VIEWS} path=${here.path} main=${main}>
    ${found
      ? html`<${Guarded} key=${key}>
          <${found.view.component} parameters=${found.parameters} query=${here.query} state=${here.state} />
        <//>`
      : html`<h1>There is no such page</h1>
          <p>The address <code>${here.path}</code> leads nowhere. <a href="/">The inventory</a> is a good start.</p>`}
  <//>`;
}

/** Shows the error of a view that fails, and leaves the rest of the page usable. */
function Guarded({ children }) {
  const [error, reset] = useErrorBoundary((failure) => console.error(failure));
  useEffect(() => () => error && reset(), []);
  if (!error) return children;
  return html`<h1>This view failed</h1><${ErrorNote} error=${error} retry=${reset} />`;
}

interceptLinks((path) => find(path) !== null);
loadSettings();
followChanges(() => {});
render(html`<${Page} />`, document.getElementById("page"));
