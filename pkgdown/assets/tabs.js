// Who chooses R or Python in one place means it everywhere, also on the next page.
(function () {
  const tabs = [...document.querySelectorAll('main [data-bs-toggle="tab"]')];
  const language = (tab) => tab.textContent.trim();

  function choose(chosen, but) {
    for (const tab of tabs) {
      if (tab !== but && language(tab) === chosen) {
        bootstrap.Tab.getOrCreateInstance(tab).show();
      }
    }
  }

  function stored(chosen) {
    try {
      if (chosen) localStorage.setItem("language", chosen);
      return localStorage.getItem("language");
    } catch {
      return null; // a browser that stores nothing
    }
  }

  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      // What was clicked stays where it is, whatever grows or shrinks above it.
      const top = tab.getBoundingClientRect().top;
      choose(language(tab), tab);
      stored(language(tab));
      window.scrollBy(0, tab.getBoundingClientRect().top - top);
    });
  }
  const before = stored();
  if (before) choose(before);
})();
