// The list "On this page", from the headings that have a place to link to.
(function () {
  const toc = document.getElementById("toc");
  if (!toc) return;
  const list = document.createElement("ul");
  list.className = "nav flex-column";
  for (const heading of document.querySelectorAll("main h2, main h3")) {
    const id = heading.id || (heading.closest("[id]") || {}).id;
    if (!id || id === "main" || heading.hasAttribute("data-toc-skip")) continue;
    const link = document.createElement("a");
    link.className = "nav-link of-" + heading.tagName.toLowerCase();
    link.href = "#" + id;
    // The sign for a link beside a heading is no part of its text.
    const text = heading.cloneNode(true);
    text.querySelectorAll("a.anchor").forEach((anchor) => anchor.remove());
    link.textContent = text.textContent.trim();
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  if (list.children.length) toc.append(list);
  else toc.remove();
})();
