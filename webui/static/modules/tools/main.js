// What can be done with answers once there are some: counting, sorting and downloading them, and
// saying what is right instead. The start page loads this with its first answers.

import { loadCorrections, showCorrections } from "./corrections.js";
import { showStrip } from "./strip.js";

const answers = document.querySelector("#answers");

function loadStyles() {
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: new URL("../../styles/tools.css", import.meta.url) });
  return new Promise((resolve) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", resolve);
    document.head.append(link);
  });
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

await Promise.all([loadStyles(), loadCorrections()]);
observer.observe(answers, { childList: true, subtree: true });
update(true);
