// What can be done with answers once there are some: counting, sorting and downloading them, and
// saying what is right instead. The start page loads this with its first answers.

import { loadCorrections, showCorrections } from "./corrections.js";
import { showStrip } from "./strip.js";

const answers = document.querySelector("#answers");

// Resolves once a style sheet applies, or can't be loaded.
export function loadStyles(name) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(`../../styles/${name}.css`, import.meta.url);
  document.head.append(link);
  return new Promise((resolve) => { link.onload = link.onerror = resolve; });
}

const observer = new MutationObserver((changes) => {
  const isBatch = ({ target }) => target === answers;
  const isCard = ({ target }) => target.parentElement === answers;
  if (changes.some(isBatch)) update(true);
  else if (changes.some(isCard)) update(false);
});

function update(isNewBatch) {
  showCorrections();
  showStrip(isNewBatch);
  observer.takeRecords(); // These are its own changes.
}

await Promise.all([loadStyles("tools"), loadCorrections()]);
observer.observe(answers, { childList: true, subtree: true });
update(true);
