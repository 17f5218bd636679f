// Pictures can be dropped anywhere on the start page. This is not a module, so that it runs before
// the form is there: without it, the browser leaves the page and opens what is dropped.

(() => {
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
  document.addEventListener("drop", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    showHint(false);
    // As if they had been chosen: as long as no module listens, the input keeps them.
    const input = document.querySelector("#picture-form input[type=file]");
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });
})();
