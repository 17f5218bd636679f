// The ways into the page for pictures that lie ready: the form, a drop, the clipboard.

// Calls `take` with an array of files whenever some arrive.
export function listenForPictures(form, take) {
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => takeFrom(input, take));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    takeFrom(input, take);
  });
  listenForDrops(take);
  document.addEventListener("paste", ({ clipboardData }) => {
    const files = [...clipboardData.files];
    if (files.length > 0) take(files);
  });
}

// Empties the input, so that the same file can be chosen again.
export function takeFrom(input, take) {
  const files = [...input.files];
  input.value = "";
  take(files);
}

function listenForDrops(take) {
  const hint = document.querySelector("#drop-hint");
  const bringsFiles = ({ dataTransfer }) => dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    // Elements inside of the page are left all the time.
    if (relatedTarget === null) hint.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    hint.hidden = true;
    take([...event.dataTransfer.files]);
  });
}
