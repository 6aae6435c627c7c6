// Elements that cannot be seen whole, in words. What scrolls on purpose can be seen, and so can the whole of a text that
// ends in an ellipsis: one click further.
() => {
  const found = new Set();
  const hides = (value) => value === "hidden" || value === "clip";
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg, canvas, [aria-hidden=true], .skip, .uplot, .visually-hidden")) continue;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!box.width || !box.height || style.visibility === "hidden") continue;
    const name = `${element.tagName.toLowerCase()}.${element.className} "${element.textContent.slice(0, 40).trim()}"`;
    let hidden = false, scrolls = false, elided = false, seen = { left: 0, right: innerWidth, bottom: Infinity, top: -Infinity };
    for (let outer = element.parentElement; outer; outer = outer.parentElement) {
      const its = getComputedStyle(outer), edge = outer.getBoundingClientRect();
      elided ||= its.textOverflow === "ellipsis" && style.display === "inline";
      hidden ||= its.clipPath !== "none";
      scrolls ||= its.overflowX === "auto" || its.overflowX === "scroll" || its.overflowY === "scroll" || its.overflowY === "auto";
      if (hides(its.overflowX)) seen.left = Math.max(seen.left, edge.left), seen.right = Math.min(seen.right, edge.right);
      if (hides(its.overflowY)) seen.top = Math.max(seen.top, edge.top), seen.bottom = Math.min(seen.bottom, edge.bottom);
    }
    if (hidden || style.clipPath !== "none") continue;
    if (!scrolls && !elided && (box.left < seen.left - 1 || box.right > seen.right + 1)) found.add(`${name} is cut off sideways`);
    if (!scrolls && (box.top < seen.top - 1 || box.bottom > seen.bottom + 1)) found.add(`${name} is cut off above or below`);
    if (style.display === "inline" || /auto|scroll/.test(style.overflowX + style.overflowY)) continue;
    if (element.clientWidth && element.scrollWidth > element.clientWidth + 1 && style.textOverflow !== "ellipsis") {
      found.add(`the content of ${name} is wider than its box`);
    }
  }
  return [...found];
}
