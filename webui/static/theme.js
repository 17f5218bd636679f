// The page is dark or light as the system is, or as was chosen here. This is not a module, so that
// it runs before anything is drawn. Without this file, a choice holds until the next page.

(() => {
  const KEY = "theme";
  const CHOICES = ["light", "dark"];

  function load() {
    try {
      const kept = localStorage.getItem(KEY);
      // Other programs at this address may keep something else under that name.
      return CHOICES.includes(kept) ? kept : "system";
    } catch {
      return "system"; // Storage is blocked.
    }
  }

  function save(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage is blocked, so the choice holds for this page only.
    }
  }

  const root = document.documentElement;
  root.dataset.theme = load();
  document.addEventListener("DOMContentLoaded", () => {
    for (const choice of document.querySelectorAll("input[name=theme]")) {
      choice.checked = choice.value === root.dataset.theme;
      choice.addEventListener("change", () => {
        root.dataset.theme = choice.value;
        save(choice.value);
      });
    }
  });
})();
