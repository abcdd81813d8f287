// The search in the navigation bar. What it looks in is loaded when it is first used, by
// script elements: pages that are opened as files may not fetch anything else.
(function () {
  const field = document.getElementById("search");
  const results = document.getElementById("search-results");
  if (!field || !results) return;
  const root = field.dataset.root;
  let index;

  function script(name) {
    return new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = root + name;
      element.onload = resolve;
      element.onerror = reject;
      document.head.append(element);
    });
  }

  async function load() {
    await Promise.all([script("elasticlunr.min.js"), script("search-index.js")]);
    // `keep_latest` is found by `keep`, by `latest` and by itself.
    elasticlunr.tokenizer.setSeperator(/[\W_]+/);
    const built = elasticlunr(function () {
      this.addField("title");
      this.addField("page");
      this.addField("text");
      this.setRef("href");
    });
    searchIndex.forEach((section) => built.addDoc(section));
    return built;
  }

  async function show() {
    index = index || load();
    const options = {
      fields: { title: { boost: 5 }, page: { boost: 3 }, text: { boost: 1 } },
      bool: "AND",
      expand: true,
    };
    const hits = (await index).search(field.value, options).map((hit) => hit.doc);
    const found = hits.filter(fewOfEachPage()).slice(0, 12);
    results.replaceChildren(...found.map(entry));
    if (field.value.trim() && !found.length) {
      const nothing = document.createElement("li");
      nothing.className = "dropdown-item-text";
      nothing.textContent = "Nothing found";
      results.append(nothing);
    }
    results.classList.toggle("show", results.children.length > 0);
  }

  // A page whose every section has the word would leave no room for the others.
  function fewOfEachPage() {
    const counts = {};
    return ({ page }) => (counts[page] = (counts[page] || 0) + 1) <= 3;
  }

  function entry(section) {
    const link = document.createElement("a");
    link.className = "dropdown-item";
    link.href = root + section.href;
    link.append(section.title);
    const page = document.createElement("small");
    page.textContent = section.page;
    link.append(page);
    const item = document.createElement("li");
    item.append(link);
    return item;
  }

  function close() {
    results.classList.remove("show");
  }

  field.addEventListener("input", show);
  field.addEventListener("focus", show);
  field.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await show();
    const first = results.querySelector("a");
    if (first) first.click();
  });
  // A hit on the same page moves there and loads nothing, so the list would stay.
  results.addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  document.addEventListener("click", (event) => {
    if (!field.form.contains(event.target)) close();
  });
})();
