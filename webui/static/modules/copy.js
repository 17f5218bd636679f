// What every page begins with: it shows what takes scripts, and buttons copy the code beside them.

const SHOWN_MILLISECONDS = 2000;

document.documentElement.classList.add("scripted");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const code = button.closest(".snippet").querySelector("code");
  await copy(code);
  const state = button.parentElement.querySelector("[role=status]");
  state.textContent = state.dataset.text;
  setTimeout(() => { state.textContent = ""; }, SHOWN_MILLISECONDS);
});

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
  } catch {
    // Browsers hide the clipboard from pages that come over plain HTTP from another machine, but
    // they copy what is selected.
    getSelection().selectAllChildren(element);
    document.execCommand("copy");
  }
}
