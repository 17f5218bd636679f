// Pictures and folders can be dropped anywhere on the start page, and on what is marked "data-drop".
// This is not a module, so that it runs before the form is there: without it, the browser leaves the
// page and opens what is dropped.

(() => {
  // Number of files and folders that are looked at, as there may be a whole disk in a folder.
  const MOST_ENTRIES = 2000;

  const bringsFiles = ({ dataTransfer }) => dataTransfer.types.includes("Files");
  const showHint = (isShown) => {
    document.querySelector("#drop-hint")?.toggleAttribute("hidden", !isShown);
  };

  document.addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    showHint(true);
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    // Elements within the page are left all the time.
    if (relatedTarget === null) showHint(false);
  });
  document.addEventListener("drop", async (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    showHint(false);
    const { files, items } = event.dataTransfer;
    const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const hasFolder = entries.some(({ isDirectory }) => isDirectory);
    // As if they had been chosen: as long as no module listens, the input keeps them.
    const place = event.target.closest("[data-drop]") ?? document.querySelector("#picture-form");
    const input = place?.querySelector("input[type=file]");
    if (!input) return;
    input.files = hasFolder ? await collect(entries, input.form.dataset.mostFiles) : files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // Returns the files among `entries` and the pictures in their folders, and one more than `most`
  // if there are more.
  async function collect(entries, most) {
    const { items, files } = new DataTransfer();
    const open = entries.map((entry) => ({ entry, isDropped: true }));
    for (let seen = 0; open.length > 0 && files.length <= most && seen < MOST_ENTRIES; seen += 1) {
      const { entry, isDropped } = open.shift();
      if (entry.isDirectory) {
        open.push(...(await list(entry)).map((inner) => ({ entry: inner, isDropped: false })));
      } else {
        const file = await new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
        if (file && (isDropped || isPicture(file))) items.add(file);
      }
    }
    return files;
  }

  async function list(folder) {
    const reader = folder.createReader();
    const read = () => new Promise((resolve) => {
      reader.readEntries(resolve, () => resolve([])); // It can't be read.
    });
    const entries = [];
    // Browsers list a hundred at a time.
    for (let some = await read(); some.length > 0; some = await read()) {
      entries.push(...some);
      if (entries.length >= MOST_ENTRIES) break;
    }
    return entries.sort((one, other) => one.name.localeCompare(other.name, [], { numeric: true }));
  }

  function isPicture({ name, type }) {
    return type.startsWith("image/") || /\.(avif|hei[cf])$/i.test(name);
  }
})();
