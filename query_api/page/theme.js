// A classic script in the head: the theme holds before anything is painted. It is the reader's choice, otherwise the system's.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    if (root.dataset.themeChosen === undefined) root.dataset.theme = system.matches ? "dark" : "light";
  };
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = root.dataset.themeChosen = chosen;
  } catch {
    // A browser may forbid storage: the system's theme is used
  }
  follow();
  system.addEventListener("change", follow);
})();
