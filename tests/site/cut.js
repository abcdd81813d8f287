// Texts that a reader of this page cannot see in full: a part lies outside the page or
// is clipped. What can be scrolled to can be seen, but if `wrap` is true, code must not
// need scrolling.
(wrap) => {
  const page = document.documentElement;
  const faults = new Set();
  const excerpt = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);
  if (page.scrollWidth > page.clientWidth) {
    faults.add(`the page is ${page.scrollWidth} wide, the window ${page.clientWidth}`);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    const parent = text.parentElement;
    const visible = { visibilityProperty: true, opacityProperty: true };
    if (!text.data.trim() || !parent.checkVisibility(visible)) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    let { left, right } = range.getBoundingClientRect();
    if (right - left < 2) continue; // for screen readers only
    for (let box = parent; box && box !== page; box = box.parentElement) {
      const overflow = getComputedStyle(box).overflowX;
      const inner = box.getBoundingClientRect();
      const out = left < inner.left - 1 || right > inner.right + 1;
      if (overflow === "visible" || !out) continue;
      if (overflow === "hidden" || overflow === "clip") {
        if (inner.width > 1) faults.add(`hidden: ${excerpt(text.data)}`);
      } else if (wrap && box.closest("pre") && box.scrollWidth > box.clientWidth) {
        faults.add(`code that has to be scrolled: ${excerpt(text.data)}`);
      }
      // Outer boxes see only the box of what scrolls or is clipped.
      ({ left, right } = inner);
    }
    if (left < -1 || right > page.clientWidth + 1) {
      faults.add(`outside of the page: ${excerpt(text.data)}`);
    }
  }
  return [...faults];
}
