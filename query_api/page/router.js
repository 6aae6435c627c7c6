// Which view the URL names, with the browser's history.
import { observable } from "./observable.js";

function here() {
  return {
    path: window.location.pathname,
    query: new URLSearchParams(window.location.search),
    state: window.history.state,
    /** Whether another view was opened, not this one changed: by a link, or the browser's buttons. */
    opened: true,
  };
}

/** The present location: `{path, query, state, opened}`. */
export const location = observable(here());

/** Go to `url`. With `replace` the present entry of the history is changed. `state` is kept in the history, not in the URL. */
export function navigate(url, { replace = false, state = null } = {}) {
  window.history[replace ? "replaceState" : "pushState"](state, "", url);
  location.set({ ...here(), opened: !replace });
  if (!replace) window.scrollTo(0, 0);
}

/** The parts of `path` that `pattern` names, as "/titles/{isbn}" does; null if it does not match. */
export function match(pattern, path) {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const parameters = {};
  for (const [index, part] of wanted.entries()) {
    if (part.startsWith("{") && given[index]) {
      try {
        parameters[part.slice(1, -1)] = decodeURIComponent(given[index]);
      } catch {
        return null;
      }
    } else if (part !== given[index]) {
      return null;
    }
  }
  return parameters;
}

/** Follow links inside the page without loading it again. `isView` says which paths are the page's. */
export function interceptLinks(isView) {
  window.addEventListener("popstate", () => location.set(here()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== window.location.origin) return;
    if (!isView(link.pathname) || (link.hash && link.pathname === window.location.pathname)) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
