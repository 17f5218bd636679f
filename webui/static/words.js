// The texts that scripts show, which the server has put into the page in its language.

const words = JSON.parse(document.querySelector("#words").textContent);
const log = document.querySelector("#announcements");
const MOST_ANNOUNCEMENTS = 20;

// Returns the text called `key`, with `values` in the places of their {names}.
export function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Has screen readers say `text`.
export function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  log.append(line);
  if (log.childElementCount > MOST_ANNOUNCEMENTS) log.firstElementChild.remove();
}
