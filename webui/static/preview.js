// Shows the chosen picture before it is sent. The form works the same without this file.

const form = document.querySelector("#picture-form");
const input = form.querySelector("input[type=file]");
const preview = form.querySelector("#preview");
const note = form.querySelector("#note");
const button = form.querySelector("#submit");
const buttonText = button.textContent;
const maxBytes = Number(form.dataset.maxBytes);

function formatSize(bytes) {
  if (bytes === 1) return "1 byte";
  if (bytes < 1024) return `${bytes} bytes`;
  const kibibytes = bytes / 1024;
  if (kibibytes < 1024) return `${Number(kibibytes.toFixed(1))} KiB`;
  return `${Number((kibibytes / 1024).toFixed(1))} MiB`;
}

function showChoice() {
  URL.revokeObjectURL(preview.src);
  preview.removeAttribute("src");
  preview.hidden = true;
  note.textContent = "";
  const [file] = input.files;
  if (!file) return;
  const tooLarge = file.size > maxBytes;
  note.classList.toggle("note-problem", tooLarge);
  note.textContent = `${file.name}, ${formatSize(file.size)}`;
  if (tooLarge) note.textContent += `: too large, the limit is ${formatSize(maxBytes)}`;
  else preview.src = URL.createObjectURL(file);
}

function showWaiting(waiting) {
  button.textContent = waiting ? "Classifying…" : buttonText;
  button.classList.toggle("button-busy", waiting);
  form.setAttribute("aria-busy", String(waiting));
}

input.addEventListener("change", showChoice);
preview.addEventListener("load", () => { preview.hidden = false; });
preview.addEventListener("error", () => {
  if (preview.hasAttribute("src")) note.textContent += " (your browser can't preview this format)";
});
form.addEventListener("submit", () => showWaiting(true));
// The back button may bring the page back as it was left: busy, and with its file still chosen.
window.addEventListener("pageshow", () => {
  showWaiting(false);
  showChoice();
});
